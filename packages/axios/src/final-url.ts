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
  { baseURL = "", url = "", allowAbsoluteUrls }: UrlParts,
  page: string | undefined = globalThis.location?.href,
): string {
  const base = allowAbsoluteUrls !== false && /^([a-z][a-z\d+\-.]*:)?\/\//i.test(url) ? "" : baseURL;
  const joined = base && url ? base.replace(/\/*$/, "/") + url.replace(/^\/*/, "") : base + url;
  return page ? new URL(joined, page).href : joined;
}
