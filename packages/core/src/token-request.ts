import { configError } from "./errors.ts";
import { definedFields } from "./grant.ts";
import { conceal } from "./secret.ts";

/** Where IBM Cloud IAM answers token requests. Source: https://cloud.ibm.com/apidocs/iam-identity-token-api */
const defaultTokenEndpoint = "https://iam.cloud.ibm.com";

/**
 * One HTTP request that asks for a token. Headers and body hold secrets: they are read by name and shown nowhere.
 *
 * Source: RFC 6749 sections 2.3.1 and 4.
 */
export interface TokenRequest {
  /** HTTP method; `POST` for every OAuth 2 token endpoint. */
  readonly method: string;
  /** The absolute URL. */
  readonly url: string;
  /** Header names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The encoded body; undefined for none. */
  readonly body?: string | undefined;
}

/**
 * Makes a token request out of form fields. Pure.
 *
 * Fields that are undefined are left out. `clientId` and `clientSecret` become Basic client authentication over the
 * UTF-8 bytes of `id:secret`, as IAM reads it.
 *
 * Source: RFC 6749 sections 2.3.1 and 4.
 *
 * @example
 * ```ts
 * import { buildTokenRequest } from "@iam/core";
 * export const request = buildTokenRequest({
 *   tokenEndpoint: "https://iam.cloud.ibm.com/identity/token",
 *   form: { grant_type: "client_credentials", scope: "read" },
 *   clientId: "my-client",
 *   clientSecret: "its-secret",
 * });
 * ```
 */
export function buildTokenRequest({
  tokenEndpoint,
  form,
  clientId,
  clientSecret = "",
}: {
  tokenEndpoint: string;
  form: Readonly<Record<string, string | undefined>>;
  clientId?: string | undefined;
  clientSecret?: string | undefined;
}): TokenRequest {
  const headers: Record<string, string> = {
    accept: "application/json",
    "content-type": "application/x-www-form-urlencoded",
  };
  if (clientId !== undefined) {
    const bytes = new TextEncoder().encode(`${clientId}:${clientSecret}`);
    headers.authorization = `Basic ${btoa(String.fromCharCode(...bytes))}`;
  }
  return conceal(
    { method: "POST", url: tokenEndpoint },
    { headers, body: `${new URLSearchParams(definedFields(form))}` },
  );
}

/**
 * The absolute URL of a token endpoint. An origin alone gets IAM's path.
 *
 * Default: `https://iam.cloud.ibm.com/identity/token`.
 * Errors: `ERR_IAM_CONFIG` for what is not a URL, has credentials, a query or a fragment, or is not https.
 */
export function resolveTokenEndpoint(
  endpoint: unknown = defaultTokenEndpoint,
  options: { allowInsecure?: boolean | undefined },
): string {
  const url = parseUrl(endpoint);
  // An empty query ("https://host/?") leaves nothing in `search`, but is a mistake all the same.
  if (!url || hasCredentials(url) || /[?#]/.test(endpoint as string)) {
    throw configError("tokenEndpoint must be an absolute URL without credentials, query and fragment.");
  }
  requireSecure(url, "tokenEndpoint", options);
  if (/^(\/identity\/token)?\/*$/.test(url.pathname)) url.pathname = "/identity/token";
  return url.href;
}

/** The parsed URL, or undefined for what is not one. */
export function parseUrl(text: unknown, base?: string | URL): URL | undefined {
  try {
    return new URL(text as string, base);
  } catch {
    return undefined;
  }
}

/** Whether a URL has a user name or a password in it. */
export function hasCredentials(url: URL): boolean {
  return url.username + url.password !== "";
}

/**
 * Refuses to send a secret in the clear.
 *
 * Errors: `ERR_IAM_CONFIG` unless the URL is https, http to loopback, or insecure transport was asked for.
 */
export function requireSecure(
  url: URL | undefined,
  what: string,
  { allowInsecure }: { allowInsecure?: boolean | undefined },
): void {
  if (isSecure(url) || (allowInsecure && url?.protocol === "http:")) return;
  throw configError(`${what} ${url?.protocol}//${url?.host} must be https, or http to loopback.`);
}

/**
 * Whether nobody on the way can read along: https, or http that does not leave this machine.
 *
 * That is told by the very spelling of the host: 127.0.0.0/8, `[::1]`, or exactly `localhost`. Names that merely resolve to
 * loopback are not: who answers for them is not in our hands.
 *
 * @example
 * ```ts
 * import { isSecure } from "@iam/core";
 * export const verdicts = [isSecure(new URL("https://example.com")), isSecure(new URL("http://example.com"))]; // [true, false]
 * ```
 */
export function isSecure(url: URL | undefined): boolean {
  return /^https:|^http:\/\/(localhost|\[::1\]|127(\.\d+){3})$/.test(`${url?.protocol}//${url?.hostname}`);
}
