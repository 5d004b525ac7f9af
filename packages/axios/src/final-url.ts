/** What a request's URL is made of; `params` come behind it and cannot change its origin. */
export interface UrlParts {
  readonly baseURL?: string;
  readonly url?: string;
  readonly allowAbsoluteUrls?: boolean;
}

/**
 * The URL that axios would send to, as text: `url` when it is absolute, else behind `baseURL`. Pure.
 *
 * Not `instance.getUri`: up to axios 1.8.1 it does not know `allowAbsoluteUrls`, which the adapters of 1.8 follow. Here it is
 * followed whatever the version.
 */
export function finalUrl(
  { baseURL, url, allowAbsoluteUrls }: UrlParts,
  page: string | undefined = globalThis.location?.href,
): string {
  const wanted = String(url ?? "");
  const absolute = /^([a-z][a-z\d+\-.]*:)?\/\//i.test(wanted);
  const behindBase = baseURL && (!absolute || allowAbsoluteUrls === false);
  const joined = !behindBase
    ? wanted
    : wanted === ""
      ? baseURL
      : `${baseURL.replace(/\/+$/, "")}/${wanted.replace(/^\/+/, "")}`;
  // In a page what is relative is relative to it; elsewhere the origin rules say that it is no URL.
  return page !== undefined && URL.canParse(joined, page) ? new URL(joined, page).href : joined;
}
