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
  from: URL,
  method: string,
): RedirectTarget | undefined {
  const location = headers.get("location");
  if (location === null || !/^30[12378]$/.test(`${status}`)) return undefined;
  const url = parseUrl(location, from);
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new TypeError(`Redirect of ${from.origin} to a location that is not an http(s) URL`);
  url.hash ||= from.hash;
  const keepsBody = status === 303 ? /^(GET|HEAD)$/.test(method) : status > 303 || method !== "POST";
  return { url, method: keepsBody ? method : "GET", keepsBody, crossOrigin: url.origin !== from.origin };
}

const describesBody = /^content-(encoding|language|location|type|length)$/;
const credentials = /^((proxy-)?authorization|cookie|host)$/;

/** The headers of the next hop: none that describe a body which stays behind, no credentials to another origin. */
export function redirectHeaders(headers: Headers, { keepsBody, crossOrigin }: RedirectTarget): Headers {
  return new Headers(
    [...headers].filter(
      ([name]) => !((!keepsBody && describesBody.test(name)) || (crossOrigin && credentials.test(name))),
    ),
  );
}
