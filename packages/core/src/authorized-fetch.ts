import { isReplayableBody, isReplayableRequest } from "./body.ts";
import { configError } from "./errors.ts";
import { type OriginOptions, type OriginRules, originRules } from "./origins.ts";
import { maxRedirects, type RedirectTarget, redirectHeaders, redirectTarget } from "./redirect.ts";
import { isBrowser } from "./runtime.ts";
import { sendAuthorized } from "./send-authorized.ts";
import { requireTokenManager, type TokenManager } from "./token-manager.ts";
import type { WaitUntil } from "./token-manager-options.ts";
import { parseUrl } from "./token-request.ts";

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

/** What stays the same for all requests of one wrapper. */
interface Wrapper {
  readonly manager: TokenManager;
  readonly origins: OriginRules;
  readonly replay: boolean;
  readonly waitUntil: WaitUntil | undefined;
}

/** One request on its way: what the caller gave, or what a redirect made of it. */
interface Hop {
  readonly url: URL;
  readonly method: string;
  /** Our own copy: nobody else sees it but the fetch that is sent with. */
  readonly headers: Headers;
  /** The caller's Request, when it gave one: the body is taken from there. */
  readonly request: Request | undefined;
  readonly init: RequestInit | undefined;
  readonly hasBody: boolean;
  /** Whether the body can be sent again: for a replay, or to where a redirect leads. */
  readonly resendable: boolean;
  /** The caller set an Authorization of its own. */
  readonly hasAuthorization: boolean;
  /** How many redirects led here. */
  readonly redirects: number;
  /** A redirect came from an origin that may not have the token: it must not choose what is sent with one. */
  readonly strayed: boolean;
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
    fetch: given,
    replay = true,
    waitUntil,
    isReplayable = isReplayableRequest,
  } = options ?? {};
  const manager = requireTokenManager(options?.manager, name);
  if (given !== undefined && typeof given !== "function")
    throw configError(`${name}: fetch must be a function.`);
  // Twice around the same fetch is once.
  if (given !== undefined && wrappers.get(given) === manager) return given;
  const wrapper: Wrapper = { manager, origins: originRules(options), replay, waitUntil };

  const wrapped: Fetch = async (input, init) => {
    const fetch = given ?? globalThis.fetch;
    const hop = firstHop(input, init, isReplayable);
    // Not a URL: the platform has its own words for that.
    if (hop === undefined) return fetch(input, init);
    const mode = init?.redirect ?? hop.request?.redirect ?? "follow";
    // Without a token of ours the request is sent as the caller made it, and redirects are the platform's business.
    const authorized = !hop.hasAuthorization && wrapper.origins.judge(hop.url).allowed;
    if (!authorized) return fetch(input, init);
    if (mode === "follow" && !isBrowser()) return follow(wrapper, hop, fetch);
    return (await sendHop(wrapper, hop, { fetch, mode, replay })).response;
  };
  wrappers.set(wrapped, manager);
  return wrapped;
}

async function follow(wrapper: Wrapper, first: Hop, fetch: Fetch): Promise<Response> {
  let hop = first;
  let { replay } = wrapper;
  for (;;) {
    const { response, replayed } = await sendHop(wrapper, hop, { fetch, mode: "manual", replay });
    // One replay for one request of the caller, however many hops it has.
    if (replayed) replay = false;
    const target = redirectTarget(response, hop);
    if (target === undefined) return hop.redirects === 0 ? response : markRedirected(response);
    await discard(response);
    if (hop.redirects === maxRedirects) throw new TypeError(`More than ${maxRedirects} redirects`);
    if (target.keepsBody && hop.hasBody && !hop.resendable) {
      throw new TypeError(`Redirect (${response.status}) of a request whose body cannot be sent again`);
    }
    const strayed = hop.strayed || !wrapper.origins.judge(hop.url, { mayPass: true }).allowed;
    hop = nextHop(hop, target, strayed);
  }
}

async function sendHop(
  { manager, origins, waitUntil }: Wrapper,
  hop: Hop,
  { fetch, mode, replay }: { fetch: Fetch; mode: RequestRedirect; replay: boolean },
): Promise<{ response: Response; replayed: boolean }> {
  let sends = 0;
  const response = await sendAuthorized<Response>({
    manager,
    origins,
    url: hop.url,
    hasAuthorization: hop.strayed,
    replayable: replay && hop.resendable,
    signal: hop.init?.signal ?? hop.request?.signal,
    waitUntil,
    mayPass: hop.redirects > 0,
    send: (token, url) => {
      sends++;
      if (token !== undefined) hop.headers.set("authorization", `Bearer ${token.accessToken}`);
      return sendOnce(fetch, hop, url, mode);
    },
    // A platform that followed redirects may have dropped the token on the way.
    isUnauthorized: ({ status, redirected, url }) =>
      status === 401 && (!redirected || parseUrl(url)?.origin === hop.url.origin),
    discard,
  });
  return { response, replayed: sends > 1 };
}

/** One send to the wire. A Request is cloned as long as its body may be wanted again. */
function sendOnce(fetch: Fetch, hop: Hop, url: URL, redirect: RequestRedirect): Promise<Response> {
  const { init, request, headers, hasBody, resendable, redirects, method } = hop;
  const own = { ...init, headers, redirect };
  if (request === undefined) return fetch(url.href, redirects === 0 ? own : { ...own, method });
  const sent = hasBody && resendable ? request.clone() : request;
  return fetch(redirects === 0 ? sent : new Request(url.href, sent), own);
}

function firstHop(
  input: RequestInfo | URL,
  init: RequestInit | undefined,
  isReplayable: (request: Request) => boolean,
): Hop | undefined {
  // A Request as the second argument is read like an init by the platform; here it becomes the first.
  const request = isRequest(init) ? new Request(input, init) : isRequest(input) ? input : undefined;
  const own = isRequest(init) ? undefined : init;
  const text = request?.url ?? (typeof input === "string" ? input : (input as URL).href);
  const url = parseUrl(text, globalThis.location?.href);
  if (url === undefined) return undefined;
  const headers = new Headers(own?.headers ?? request?.headers);
  const ownBody = own?.body ?? undefined;
  return {
    url,
    method: (own?.method ?? request?.method ?? "GET").toUpperCase(),
    headers,
    request,
    init: own,
    // Some browsers do not have `body` on a Request: then there may be one.
    hasBody: ownBody !== undefined || (request !== undefined && request.body !== null),
    resendable:
      ownBody !== undefined || request === undefined ? isReplayableBody(ownBody) : isReplayable(request),
    hasAuthorization: headers.has("authorization"),
    redirects: 0,
    strayed: false,
  };
}

function nextHop(hop: Hop, target: RedirectTarget, strayed: boolean): Hop {
  const headers = redirectHeaders(hop.headers, target);
  // Ours; the next hop gets its own, if any.
  headers.delete("authorization");
  const next = {
    ...hop,
    url: target.url,
    method: target.method,
    headers,
    strayed,
    redirects: hop.redirects + 1,
  };
  if (target.keepsBody) return next;
  const { body: _, ...init } = hop.init ?? {};
  const request = hop.request && withoutBody(hop.request, target.method);
  return { ...next, init, request, hasBody: false, resendable: true };
}

function withoutBody(request: Request, method: string): Request {
  const init: Record<string, unknown> = { method };
  for (const key of ["cache", "credentials", "integrity", "keepalive", "referrerPolicy", "signal"] as const) {
    // Not every runtime has them all, and some throw on what they do not have.
    if (request[key] !== undefined) init[key] = request[key];
  }
  return new Request(request.url, init);
}

/** By its shape: several runtimes have more than one Request class. */
function isRequest(value: unknown): value is Request {
  return (
    typeof value === "object" && value !== null && "url" in value && "headers" in value && "clone" in value
  );
}

function discard(response: Response): Promise<void> | undefined {
  return response.body?.cancel().catch(() => {});
}

/** A response that was come to by redirects says so, as one of the platform does. */
function markRedirected(response: Response): Response {
  return Object.defineProperty(response, "redirected", { value: true, configurable: true });
}
