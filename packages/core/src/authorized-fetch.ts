import { discard, isReplayableBody, isReplayableRequest } from "./body.ts";
import { configError } from "./errors.ts";
import { type OriginOptions, type OriginRules, originRules } from "./origins.ts";
import { maxRedirects, redirectHeaders, redirectTarget } from "./redirect.ts";
import { isBrowser } from "./runtime.ts";
import { afterRefusal } from "./send-authorized.ts";
import type { Token } from "./token.ts";
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

/** One request of a caller on its way, with the redirects that are followed. */
interface Trip {
  /** Undefined for one that was given as a URL, or that left its body behind at a redirect. */
  request: Request | undefined;
  /** What is sent beside the request; its headers are without a token. */
  own: RequestInit & { headers: [string, string][] };
  target: string;
  /** That of `target`. */
  origin: string;
  readonly follows: boolean;
  readonly signal: AbortSignal | undefined;
  /** For a replay, or to where a redirect leads. */
  resendable: boolean;
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
  if (typeof fetch !== "function") throw configError(`${name}: fetch is no function.`);
  let origins = originRules(options);
  const inner = wrappers.get(fetch);
  if (inner?.manager === manager) {
    fetch = inner.fetch;
    origins = bothOf(origins, inner.origins);
  }

  const browser = isBrowser();
  // A text that begins with an origin and a slash has that origin, whatever follows: it need not be parsed to be judged.
  let home: string | undefined;
  // A header of a kilobyte, which would be put together anew for each request.
  let held: Token | undefined;
  let bearer = "";

  /** Undefined: no token goes on it, and it is sent as the caller made it, redirects being the platform's business. */
  function begin(input: RequestInfo | URL, init: RequestInit | undefined): Trip | undefined {
    // A Request as the second argument is read like an init by the platform; here it becomes the first.
    const request = isRequest(init) ? new Request(input, init) : isRequest(input) ? input : undefined;
    const own: RequestInit = isRequest(init) ? {} : { ...init };
    const headers = headerPairs(own.headers ?? request?.headers);
    if (headers.some(([name]) => /^authorization$/i.test(name))) return undefined;
    let target = `${request?.url ?? input}`;
    if (home === undefined || !target.startsWith(home) || target[home.length] !== "/") {
      const url = parseUrl(target, globalThis.location?.href);
      // Not a URL: the platform has its own words for that.
      if (url === undefined || !origins.judge(url).allowed) return undefined;
      target = url.href;
      home = url.origin;
    }
    const redirect = own.redirect ?? request?.redirect ?? "follow";
    const follows = redirect === "follow" && !browser;
    return {
      request,
      own: { ...own, headers, redirect: follows ? "manual" : redirect },
      target,
      origin: home,
      follows,
      signal: own.signal ?? request?.signal,
      resendable:
        request && !own.body ? request.body === null || isReplayable(request) : isReplayableBody(own.body),
    };
  }

  function send({ request, own, target, resendable }: Trip, token: Token | undefined): Promise<Response> {
    if (token !== held && token !== undefined) {
      held = token;
      bearer = `Bearer ${token.accessToken}`;
    }
    // A copy that nobody else sees but the fetch that is sent with.
    const init = token ? { ...own, headers: [...own.headers, ["authorization", bearer]] } : own;
    return fetch(
      (resendable && request?.body !== null && !own.body ? request?.clone() : request) ?? target,
      init as RequestInit,
    );
  }

  const wrapped: Fetch = async (input, init) => {
    const trip = begin(input, init);
    if (trip === undefined) return fetch(input, init);
    const token = manager.peek() ?? (await manager.getToken({ signal: trip.signal, waitUntil }));
    const response = await send(trip, token);
    if (response.status > 299) return goOn(trip, token, response);
    manager.accepted(token, trip.origin);
    return response;
  };

  /** What follows a 401 or a redirect. */
  async function goOn(trip: Trip, token: Token | undefined, response: Response): Promise<Response> {
    // One replay for one request of the caller, however many hops it has.
    let replayed = !replay;
    for (let redirects = 0; ; redirects++) {
      const { origin, own, request, resendable, signal } = trip;
      // A platform that followed redirects may have dropped the token on the way.
      const isUnauthorized = ({ status, redirected, url }: Response) =>
        status === 401 && (!redirected || parseUrl(url)?.origin === origin);
      if (token && isUnauthorized(response)) {
        const refused = { token, response, origin, send: (other: Token) => send(trip, other) };
        const replayable = !replayed && resendable;
        replayed = true;
        response = await afterRefusal(
          { manager, replayable, signal, waitUntil, isUnauthorized, discard: discardBody },
          refused,
        );
      } else if (token) manager.accepted(token, origin);
      const method = (own.method ?? request?.method ?? "GET").toUpperCase();
      const hop = trip.follows ? redirectTarget(response, trip.target, method) : undefined;
      if (hop === undefined) return redirects > 0 ? markRedirected(response) : response;
      await discardBody(response);
      if (redirects === maxRedirects) throw new TypeError(`More than ${maxRedirects} redirects`);
      if (hop.keepsBody && !resendable) {
        throw new TypeError(
          `Redirect (${response.status}) of a body that cannot be sent again: give text or bytes.`,
        );
      }
      trip.target = hop.url.href;
      trip.origin = hop.url.origin;
      trip.own = { ...own, method: hop.method, headers: redirectHeaders(own.headers, hop) };
      // Only for its body: a Request of this platform is nothing to the fetch of a library that has its own.
      if (hop.keepsBody && request?.body && !own.body) trip.request = new Request(hop.url, request);
      else {
        trip.own = { ...settingsOf(request), ...trip.own, body: (hop.keepsBody && own.body) || null };
        trip.request = undefined;
        trip.resendable = true;
      }
      // An origin that may not have the token must not choose what is sent with one either.
      token &&= origins.judge(hop.url, { mayPass: true }).allowed
        ? await manager.getToken({ signal, waitUntil })
        : undefined;
      response = await send(trip, token);
    }
  }
  wrappers.set(wrapped, { manager, origins, fetch });
  return wrapped;
}

function discardBody({ body }: Response): Promise<void> {
  return discard(body);
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
  // The first question is for speed: a text has to be asked for `clone` by way of its prototype.
  return typeof value === "object" && typeof (value as Request | null)?.clone === "function";
}

/** A response that was come to by redirects says so, as one of the platform does. */
function markRedirected(response: Response): Response {
  return Object.defineProperty(response, "redirected", { value: true, configurable: true });
}
