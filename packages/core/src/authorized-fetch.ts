import { discard, isReplayableBody, isReplayableRequest } from "./body.ts";
import { configError } from "./errors.ts";
import { type OriginOptions, originRules } from "./origins.ts";
import { maxRedirects, type RedirectTarget, redirectHeaders, redirectTarget } from "./redirect.ts";
import { isBrowser } from "./runtime.ts";
import { sendAuthorized } from "./send-authorized.ts";
import { requireTokenManager, type TokenManager } from "./token-manager.ts";
import type { WaitUntil } from "./token-manager-options.ts";
import { parseUrl } from "./token-request.ts";
import { platformFetch } from "./transport.ts";

type Fetch = typeof globalThis.fetch;

/** Options of {@link authorizedFetch} and of the adapters that stand on it. */
export interface AuthorizedFetchOptions extends OriginOptions {
  /** From `createTokenManager`. */
  manager: TokenManager;
  /** The fetch to send with. Default: `globalThis.fetch`, looked up for each request, so that patches apply. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Whether a request that was answered 401 may be sent once more. Default: true. */
  replay?: boolean | undefined;
  /** Keeps the runtime awake for a refresh in the background, such as `ctx.waitUntil` on Workers. */
  waitUntil?: WaitUntil | undefined;
  /** The adapter's name, for messages. Default: `"authorizedFetch"`. */
  name?: string | undefined;
  /**
   * Whether the body of a Request can be sent again, for an adapter that made it and knows. Default: when there is none, or
   * when its length is told and at most 1 MiB.
   */
  isReplayable?: ((request: Request) => boolean) | undefined;
}

const wrappers = new WeakMap<Fetch, TokenManager>();

/**
 * A `fetch` that attaches a token and replaces it when a server refuses it: what the adapters for fetch, ky and Express
 * share.
 *
 * Redirects are followed here rather than by the platform, so that the origin is judged on each hop; in browsers, which do
 * not allow that, by the platform, which drops the token on the way to another origin.
 *
 * Errors: `ERR_IAM_CONFIG` for options that cannot work. The function it makes fails with `ERR_IAM_ORIGIN_NOT_ALLOWED`, with
 * what `getToken` fails with, and with the errors of the fetch below.
 *
 * @example
 * ```ts
 * import { authorizedFetch, type TokenManager } from "@iam/core";
 * export const fetchFor = (manager: TokenManager) => authorizedFetch({ manager, origins: ["https://api.example.com"] });
 * ```
 */
export function authorizedFetch(options: AuthorizedFetchOptions): typeof globalThis.fetch {
  const {
    name = "authorizedFetch",
    fetch = platformFetch,
    replay = true,
    waitUntil,
    isReplayable = isReplayableRequest,
  } = options ?? {};
  const manager = requireTokenManager(options?.manager, name);
  if (typeof fetch !== "function") throw configError(`${name}: fetch must be a function.`);
  // Twice around the same fetch is once.
  if (wrappers.get(fetch) === manager) return fetch;
  const origins = originRules(options);

  const wrapped: Fetch = async (input, init) => {
    // A Request as the second argument is read like an init by the platform; here it becomes the first.
    let request = isRequest(init) ? new Request(input, init) : isRequest(input) ? input : undefined;
    let own: RequestInit = isRequest(init) ? {} : { ...init };
    let url = parseUrl(request?.url ?? input, globalThis.location?.href);
    // Our own copy: nobody else sees it but the fetch that is sent with.
    let headers = new Headers(own.headers ?? request?.headers);
    // Not a URL: the platform has its own words for that. And without a token of ours the request is sent as the caller
    // made it, and redirects are the platform's business.
    if (url === undefined || headers.has("authorization") || !origins.judge(url).allowed)
      return fetch(input, init);

    const mode = own.redirect ?? request?.redirect ?? "follow";
    const follows = mode === "follow" && !isBrowser();
    let method = (own.method ?? request?.method ?? "GET").toUpperCase();
    // For a replay, or to where a redirect leads.
    let resendable =
      (own.body ?? undefined) !== undefined || request === undefined
        ? isReplayableBody(own.body)
        : request.body === null || isReplayable(request);
    // A redirect came from an origin that may not have the token: it must not choose what is sent with one.
    let strayed = false;
    let sends = 0;
    for (let redirects = 0; ; redirects++) {
      const { origin } = url;
      const response: Response = await sendAuthorized({
        manager,
        origins,
        url,
        hasAuthorization: strayed,
        // One replay for one request of the caller, however many hops it has.
        replayable: replay && resendable && sends === redirects,
        signal: own.signal ?? request?.signal,
        waitUntil,
        mayPass: redirects > 0,
        send(token, to) {
          sends++;
          if (token !== undefined) headers.set("authorization", `Bearer ${token.accessToken}`);
          return fetch((resendable ? request?.clone() : request) ?? to.href, {
            ...own,
            headers,
            redirect: follows ? "manual" : mode,
          });
        },
        // A platform that followed redirects may have dropped the token on the way.
        isUnauthorized: ({ status, redirected, url }) =>
          status === 401 && (!redirected || parseUrl(url)?.origin === origin),
        discard: ({ body }) => discard(body),
      });
      const target: RedirectTarget | undefined = follows ? redirectTarget(response, url, method) : undefined;
      if (target === undefined) return redirects > 0 ? markRedirected(response) : response;
      await discard(response.body);
      if (redirects === maxRedirects) throw new TypeError(`More than ${maxRedirects} redirects`);
      if (target.keepsBody && !resendable)
        throw new TypeError(`Redirect (${response.status}) of a request whose body cannot be sent again`);
      strayed ||= !origins.judge(url, { mayPass: true }).allowed;
      headers = redirectHeaders(headers, target);
      ({ url, method } = target);
      if (target.keepsBody) request &&= new Request(url, request);
      else {
        own = { ...settingsOf(request), ...own, body: null };
        request = undefined;
        resendable = true;
      }
      own.method = method;
    }
  };
  wrappers.set(wrapped, manager);
  return wrapped;
}

/** What a Request says besides URL, method, headers and body. */
function settingsOf(request: Request | undefined): RequestInit {
  const settings: Record<string, unknown> = {};
  for (const key of ["cache", "credentials", "integrity", "keepalive", "referrerPolicy", "signal"] as const) {
    // Not every runtime has them all, and some throw on what they do not have.
    if (request?.[key] !== undefined) settings[key] = request[key];
  }
  return settings;
}

/** By its shape: several runtimes have more than one Request class. */
function isRequest(value: unknown): value is Request {
  return typeof (value as Request | undefined)?.clone === "function";
}

/** A response that was come to by redirects says so, as one of the platform does. */
function markRedirected(response: Response): Response {
  return Object.defineProperty(response, "redirected", { value: true, configurable: true });
}
