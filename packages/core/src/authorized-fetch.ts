import { discard, isReplayableBody, isReplayableRequest } from "./body.ts";
import { configError } from "./errors.ts";
import { type OriginOptions, type OriginRules, originRules } from "./origins.ts";
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

/** What we made of a fetch: wrapping it again starts from here. */
interface Wrapper {
  readonly manager: TokenManager;
  readonly origins: OriginRules;
  readonly fetch: Fetch;
}

const wrappers = new WeakMap<Fetch, Wrapper>();

/**
 * A `fetch` that attaches a token and replaces it when a server refuses it: what the adapters for fetch, ky and Express
 * share.
 *
 * Redirects are followed here rather than by the platform, so that the origin is judged on each hop; in browsers, which do
 * not allow that, by the platform, which drops the token on the way to another origin.
 *
 * Around a fetch that it made for the same manager, it takes that one's place: a request goes out with one token and is
 * replayed once, by the new options, and the origins of both have to allow it.
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
    replay = true,
    waitUntil,
    isReplayable = isReplayableRequest,
  } = options ?? {};
  let { fetch = platformFetch } = options ?? {};
  const manager = requireTokenManager(options?.manager, name);
  if (typeof fetch !== "function") throw configError(`${name}: fetch must be a function.`);
  let origins = originRules(options);
  const inner = wrappers.get(fetch);
  if (inner?.manager === manager) {
    fetch = inner.fetch;
    origins = bothOf(origins, inner.origins);
  }

  const wrapped: Fetch = async (input, init) => {
    // A Request as the second argument is read like an init by the platform; here it becomes the first.
    let request = isRequest(init) ? new Request(input, init) : isRequest(input) ? input : undefined;
    let own: RequestInit = isRequest(init) ? {} : { ...init };
    let url = parseUrl(request?.url ?? input, globalThis.location?.href);
    // Not a URL: the platform has its own words for that.
    if (url === undefined) return fetch(input, init);
    // Pairs, because a Headers would be made, checked and copied once more by the fetch below.
    let headers = headerPairs(own.headers ?? request?.headers);
    const mode = own.redirect ?? request?.redirect ?? "follow";
    let follows = mode === "follow" && !isBrowser();
    // For a replay, or to where a redirect leads.
    let resendable =
      (own.body ?? undefined) !== undefined || request === undefined
        ? isReplayableBody(own.body)
        : request.body === null || isReplayable(request);
    // No token goes on it: the caller set an Authorization, or a redirect came from an origin that may not have the token,
    // which must not choose what is sent with one.
    let withoutToken = headers.some(([name]) => /^authorization$/i.test(name));
    let sends = 0;
    for (let redirects = 0; ; redirects++) {
      const response: Response = await sendAuthorized({
        manager,
        origins,
        url,
        hasAuthorization: withoutToken,
        // One replay for one request of the caller, however many hops it has.
        replayable: replay && resendable && sends === redirects,
        signal: own.signal ?? request?.signal,
        waitUntil,
        mayPass: redirects > 0,
        send(token, to) {
          url = to;
          sends++;
          withoutToken = token === undefined;
          // As the caller made it, and redirects are the platform's business.
          if (withoutToken && redirects === 0) {
            follows = false;
            return fetch(input, init);
          }
          return fetch((resendable && request?.body !== null ? request?.clone() : request) ?? to.href, {
            ...own,
            // Our own copy: nobody else sees it but the fetch that is sent with.
            headers: token ? [...headers, ["authorization", `Bearer ${token.accessToken}`]] : headers,
            redirect: follows ? "manual" : mode,
          });
        },
        // A platform that followed redirects may have dropped the token on the way.
        isUnauthorized: (response) =>
          response.status === 401 && (!response.redirected || parseUrl(response.url)?.origin === url?.origin),
        discard: ({ body }) => discard(body),
      });
      const method = (own.method ?? request?.method ?? "GET").toUpperCase();
      const target: RedirectTarget | undefined = follows ? redirectTarget(response, url, method) : undefined;
      if (target === undefined) return redirects > 0 ? markRedirected(response) : response;
      await discard(response.body);
      if (redirects === maxRedirects) throw new TypeError(`More than ${maxRedirects} redirects`);
      if (target.keepsBody && !resendable) {
        throw new TypeError(
          `Redirect (${response.status}) of a request whose body cannot be sent again. Give fetch a text or bytes as body, not a stream or a Request.`,
        );
      }
      headers = redirectHeaders(headers, target);
      url = target.url;
      if (target.keepsBody) request &&= new Request(url, request);
      else {
        own = { ...settingsOf(request), ...own, body: null };
        request = undefined;
        resendable = true;
      }
      own.method = target.method;
    }
  };
  wrappers.set(wrapped, { manager, origins, fetch });
  return wrapped;
}

/** A copy, each header a name and a value, as Fetch takes them. */
function headerPairs(headers: HeadersInit = []): [string, string][] {
  return Symbol.iterator in headers
    ? Array.from(headers as Iterable<[string, string]>)
    : Object.entries(headers);
}

/** The rules that allow what both allow, and refuse what either refuses. */
function bothOf(outer: OriginRules, inner: OriginRules): OriginRules {
  return {
    judge(...args) {
      const verdict = outer.judge(...args);
      const other = inner.judge(...args);
      return verdict.allowed ? other : verdict;
    },
  };
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
