import { discard } from "./body.ts";
import { parseUrl } from "./token-request.ts";

/** What came back, as far as it tells of a redirect. */
export interface RedirectResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null | undefined };
  /** Is discarded when there is a redirect. */
  readonly body?: ReadableStream | null | undefined;
}

/** A request that was sent, as far as a redirect makes another one of it. */
export interface SentRequest {
  readonly url: string;
  /** Undefined for one that was given as a URL. */
  readonly request?: Request | undefined;
  /** What was given beside it. */
  readonly init: RequestInit & { readonly headers: readonly [string, string][] };
  /** Whether its body can be sent again. */
  readonly resendable: boolean;
}

/** As many as Fetch follows. */
export const maxRedirects = 20;

const describesBody = /^content-(encoding|language|location|type|length)$/i;
const credential = /^((proxy-)?authorization|cookie|host)$/i;

/**
 * The request that a redirect makes of the one before, as arguments of a fetch, or undefined when the response is none. No
 * headers that describe a body which stays behind go along, and no credentials to another origin.
 *
 * Errors: TypeError as Fetch has it, for a Location that cannot be gone to and for a body that is used up.
 * Source: https://fetch.spec.whatwg.org/#http-redirect-fetch
 *
 * @example
 * ```ts
 * import { redirected } from "@iam/core";
 * export async function nextOf(url: string, response: Response) {
 *   return redirected(response, { url, init: { headers: [] }, resendable: true });
 * }
 * ```
 */
export async function redirected(
  { status, headers, body }: RedirectResponse,
  { url, request, init, resendable }: SentRequest,
): Promise<[string, RequestInit] | undefined> {
  // The status first: it costs a tenth of a look into the headers, and is enough for nearly every response.
  const location = /^30[12378]$/.test(`${status}`) ? headers.get("location") : undefined;
  if (location == null) return undefined;
  await discard(body);
  const from = new URL(url);
  const to = parseUrl(fromUtf8(location), from);
  if (to === undefined || !/^https?:$/.test(to.protocol))
    throw new TypeError(`Redirect of ${from.origin} to no http(s) URL`);
  to.hash ||= from.hash;
  const method = init.method ?? request?.method ?? "GET";
  const keepsBody = status === 303 ? /^(GET|HEAD)$/i.test(method) : status > 303 || !/^POST$/i.test(method);
  if (keepsBody && !resendable) {
    throw new TypeError(`Redirect (${status}) of a body that cannot be sent again: give text or bytes.`);
  }
  const crossOrigin = to.origin !== from.origin;
  // Not every runtime has them all.
  const given: Partial<Request> & { cf?: unknown } = request ?? {};
  const { cache, cf, credentials, integrity, keepalive, referrerPolicy, signal } = given;
  const settings = { cache, cf, credentials, integrity, keepalive, referrerPolicy, signal };
  const next = {
    ...settings,
    ...init,
    method: keepsBody ? method : "GET",
    headers: init.headers.filter(
      ([name]) => (keepsBody || !describesBody.test(name)) && !(crossOrigin && credential.test(name)),
    ),
    body: keepsBody ? (init.body ?? (request?.body ? await request.arrayBuffer() : null)) : null,
  };
  return [to.href, next as RequestInit];
}

/** A Location in UTF-8, of which each byte has become a character, as platforms read it; any other stays as it is. */
function fromUtf8(location: string): string {
  try {
    return decodeURIComponent(escape(location));
  } catch {
    return location;
  }
}
