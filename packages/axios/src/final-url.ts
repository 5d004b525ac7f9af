/** What a request's URL is made of; `params` come behind it and cannot change its origin. */
export interface UrlParts {
  readonly baseURL?: string;
  readonly url?: string;
  readonly allowAbsoluteUrls?: boolean;
}

/**
 * The URL that axios would send to, as text: `url` when it is absolute, else behind `baseURL`; in a page, what is relative
 * is relative to the page. Pure.
 *
 * Not `instance.getUri`: up to axios 1.8.1 it does not know `allowAbsoluteUrls`, which the adapters of 1.8 follow. Here it is
 * followed whatever the version.
 */
export function finalUrl(
  { baseURL, url = "", allowAbsoluteUrls }: UrlParts,
  page: string | undefined = globalThis.location?.href,
): string {
  const absolute = /^([a-z][a-z\d+\-.]*:)?\/\//i.test(url);
  const joined =
    !baseURL || (absolute && allowAbsoluteUrls !== false)
      ? url
      : url && `${baseURL.replace(/\/+$/, "")}/${url.replace(/^\/+/, "")}`;
  return page ? new URL(joined || baseURL || "", page).href : joined || baseURL || "";
}
