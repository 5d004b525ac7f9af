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
  response: { readonly status: number; readonly headers: Headers },
  from: { readonly url: URL; readonly method: string },
): RedirectTarget | undefined {
  const { status } = response;
  const location = response.headers.get("location");
  if (location === null || ![301, 302, 303, 307, 308].includes(status)) return undefined;
  const url = parseLocation(location, from.url);
  if (url === undefined)
    throw new TypeError(`Redirect of ${from.url.origin} to a location that is not an http(s) URL`);
  if (url.hash === "") url.hash = from.url.hash;
  const becomesGet =
    (status === 303 && from.method !== "GET" && from.method !== "HEAD") ||
    ((status === 301 || status === 302) && from.method === "POST");
  return {
    url,
    method: becomesGet ? "GET" : from.method,
    keepsBody: !becomesGet,
    crossOrigin: url.origin !== from.url.origin,
  };
}

/** The headers of the next hop: none that describe a body which stays behind, no credentials to another origin. */
export function redirectHeaders(headers: Headers, target: RedirectTarget): Headers {
  const next = new Headers(headers);
  if (!target.keepsBody) {
    for (const name of ["encoding", "language", "location", "type", "length"]) next.delete(`content-${name}`);
  }
  if (target.crossOrigin)
    for (const name of ["authorization", "proxy-authorization", "cookie", "host"]) next.delete(name);
  return next;
}

function parseLocation(location: string, base: URL): URL | undefined {
  try {
    const url = new URL(location, base);
    return /^https?:$/.test(url.protocol) ? url : undefined;
  } catch {
    return undefined;
  }
}
