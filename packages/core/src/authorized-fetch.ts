import { discard, isReplayableBody, isReplayableRequest } from "./body.ts";
import { configError } from "./errors.ts";
import { type OriginOptions, type OriginRules, originRules } from "./origins.ts";
import { maxRedirects, redirected } from "./redirect.ts";
import { isBrowser } from "./runtime.ts";
import { replacementFor } from "./send-authorized.ts";
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
  readonly rules: readonly OriginRules[];
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
  let {
    manager,
    name = "authorizedFetch",
    fetch = platformFetch,
    replay = true,
    waitUntil,
    isReplayable = isReplayableRequest,
  } = options ?? {};
  requireTokenManager(manager, name);
  if (typeof fetch !== "function") throw configError(`${name}: fetch is no function.`);
  if (typeof replay !== "boolean") throw configError(`${name}: replay is no boolean.`);
  const rules = [originRules(options)];
  const inner = wrappers.get(fetch);
  if (inner?.manager === manager) {
    fetch = inner.fetch;
    rules.push(...inner.rules);
  }

  const browser = isBrowser();
  // A text that begins with an origin and a slash has that origin, whatever follows: it need not be parsed to be judged.
  let home: string | undefined;
  // A header of a kilobyte, which would be put together anew for each request.
  let held: Token | undefined;
  let bearer = "";

  /**
   * Sends a request with a token, or as it was made where none may go: redirects are then the platform's business. What a
   * redirect makes of a request is sent by this function again, and so is the replay, with its `replacement` of the token: one
   * rule for all. One replay for one request of the caller, however many hops it has.
   */
  async function send(
    input: RequestInfo | URL,
    init: RequestInit | undefined,
    redirects: number,
    mayReplay: boolean,
    replacement?: Token,
  ): Promise<Response> {
    // A Request as the second argument is read like an init by the platform; here it becomes the first.
    const request = isRequest(init) ? new Request(input, init) : isRequest(input) ? input : undefined;
    const own = isRequest(init) ? {} : membersOf(init);
    const headers = headerPairs(own.headers ?? request?.headers);
    if (headers.some(([name]) => /^authorization$/i.test(name))) return fetch(input, init);
    let target = `${request?.url ?? input}`;
    if (home === undefined || !target.startsWith(home) || target[home.length] !== "/") {
      const url = parseUrl(target, globalThis.location?.href);
      // Not a URL: the platform has its own words for that.
      if (url === undefined) return fetch(input, init);
      const mayPass = redirects > 0 || undefined;
      if (rules.map(({ judge }) => judge(url, { mayPass }).allowed).includes(false))
        return fetch(input, init);
      target = url.href;
      home = url.origin;
    }
    const origin = home;
    const wanted = own.redirect ?? request?.redirect ?? "follow";
    const follows = wanted === "follow" && !browser;
    const signal = own.signal ?? request?.signal;
    const source = own.body ?? request;
    const resendable = isRequest(source)
      ? source.body === null || isReplayable(source)
      : isReplayableBody(source);

    const token = replacement ?? manager.peek() ?? (await manager.getToken({ signal, waitUntil }));
    if (token !== held) {
      held = token;
      bearer = `Bearer ${token.accessToken}`;
    }
    // Not by the truth of `body`: Firefox does not tell it.
    const kept = resendable && isRequest(source) && source.body !== null ? source.clone() : request;
    const response = await fetch(kept ?? target, {
      ...own,
      // A copy that nobody else sees but the fetch that is sent with.
      headers: [...headers, ["authorization", bearer]],
      redirect: follows ? "manual" : wanted,
    });

    // A platform that followed redirects may have dropped the token on the way.
    if (response.status !== 401 || (response.redirected && !response.url.startsWith(`${origin}/`)))
      manager.accepted(token, origin);
    else if (!replacement) {
      const replayable = mayReplay && resendable;
      const other = await replacementFor(token, { manager, origin, replayable, signal, waitUntil });
      if (other) {
        await discard(response.body);
        return send(request ?? target, own, redirects, false, other);
      }
    }
    if (response.status < 300 || !follows) return response;

    const next = await redirected(response, { url: target, request, init: { ...own, headers }, resendable });
    if (!next) return response;
    if (redirects === maxRedirects) throw new TypeError(`More than ${maxRedirects} redirects`);
    const answer = await send(...next, redirects + 1, mayReplay);
    // The platform marks it so, too.
    return Object.defineProperty(answer, "redirected", { value: true, configurable: true });
  }

  const wrapped: Fetch = (input, init) => send(input, init, 0, replay);
  wrappers.set(wrapped, { manager, rules, fetch });
  return wrapped;
}

/**
 * A copy. The platform reads inherited members too: without them a PUT would go out as a GET. And it takes one that is
 * undefined for one that is not there, which does not hide that of a Request.
 */
function membersOf(init: RequestInit | undefined): RequestInit {
  const given = init as Record<string, unknown> | undefined;
  const members: Record<string, unknown> = {};
  for (const name in given) if (given[name] !== undefined) members[name] = given[name];
  return members;
}

/** A copy, each header a name and a value, as Fetch takes them. */
function headerPairs(headers: HeadersInit = []): [string, string][] {
  return Symbol.iterator in headers
    ? Array.from(headers as Iterable<[string, string]>)
    : Object.entries(headers);
}

/** By its shape: several runtimes have more than one Request class. */
function isRequest(value: unknown): value is Request {
  // The first question is for speed: a text has to be asked for `clone` by way of its prototype.
  return typeof value === "object" && typeof (value as Request | null)?.clone === "function";
}
