import { parseUrl } from "./token-request.ts";

/** Where a redirect leads, and what is sent there. */
export interface RedirectTarget {
  readonly url: URL;
  readonly method: string;
  /** Whether the body goes along. */
  readonly keepsBody: boolean;
  readonly crossOrigin: boolean;
}

/** As many as Fetch follows. */
export const maxRedirects = 20;

/**
 * Where a response redirects to by the rules of Fetch, or undefined when it does not. Pure.
 *
 * Errors: TypeError as Fetch has it, for a Location that cannot be gone to.
 * Source: https://fetch.spec.whatwg.org/#http-redirect-fetch
 */
export function redirectTarget(
  { status, headers }: { readonly status: number; readonly headers: Headers },
  sentTo: string,
  method: string,
): RedirectTarget | undefined {
  // The status first: it costs a tenth of a look into the headers, and is enough for nearly every response.
  const location = /^30[12378]$/.test(`${status}`) ? headers.get("location") : null;
  if (location === null) return undefined;
  const from = new URL(sentTo);
  const url = parseUrl(location, from);
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new TypeError(`Redirect of ${from.origin} to no http(s) URL`);
  url.hash ||= from.hash;
  const keepsBody = status === 303 ? /^(GET|HEAD)$/.test(method) : status > 303 || method !== "POST";
  return { url, method: keepsBody ? method : "GET", keepsBody, crossOrigin: url.origin !== from.origin };
}

const describesBody = /^content-(encoding|language|location|type|length)$/i;
const credentials = /^((proxy-)?authorization|cookie|host)$/i;

/** The headers of the next hop: none that describe a body which stays behind, no credentials to another origin. */
export function redirectHeaders(
  headers: readonly [string, string][],
  { keepsBody, crossOrigin }: RedirectTarget,
): [string, string][] {
  return headers.filter(
    ([name]) => !((!keepsBody && describesBody.test(name)) || (crossOrigin && credentials.test(name))),
  );
}
