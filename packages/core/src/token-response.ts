import { type IamError, TokenEndpointError } from "./errors.ts";
import { httpDateMs, retryAfterMs } from "./retry.ts";
import { conceal } from "./secret.ts";

/**
 * The HTTP answer of a token endpoint, as a transport hands it over: read to its end, not yet judged. The body may
 * hold a token: it is read by name and shown nowhere.
 *
 * Source: RFC 6749 sections 5.1 and 5.2.
 */
export interface TokenResponse {
  /** HTTP status. */
  readonly status: number;
  /** The body, decoded as UTF-8. */
  readonly body: string;
  /** The `Date` response header, as sent. */
  readonly date?: string | undefined;
  /** The `Retry-After` response header, as sent. */
  readonly retryAfter?: string | undefined;
  /** The `transaction-id` response header, as sent. */
  readonly transactionId?: string | undefined;
}

/** The same without the guard against being shown. */
export type TokenResponseFields = { [K in keyof TokenResponse]: TokenResponse[K] };

/**
 * Makes a {@link TokenResponse}; for transports and for grants whose server answers in another shape.
 *
 * @example
 * ```ts
 * import { tokenResponse } from "@iam/core";
 * export const answer = tokenResponse({ status: 200, body: JSON.stringify({ access_token: "abc", expires_in: 60 }) });
 * ```
 */
export function tokenResponse(fields: TokenResponseFields): TokenResponse {
  const { body, ...shown } = fields;
  return conceal(shown, { body });
}

/** What a token response says, checked. */
export interface ParsedTokenResponse {
  readonly accessToken: string;
  /** Undefined when the server gave none, or wrote IAM's `not_supported`. */
  readonly refreshToken?: string | undefined;
  readonly scope?: string | undefined;
  /** Milliseconds from the start of the request; undefined when nothing tells it. */
  readonly lifetimeMs: number | undefined;
}

/** A year and a day. Longer is a mistake, most likely a date where a duration belongs. */
const maxLifetimeS = 367 * 86_400;
/** What a bearer token is made of. Source: RFC 6750 section 2.1. */
export const b64token: RegExp = /^[\w\-.~+/]+=*$/;

/**
 * Reads a successful token response. Pure.
 *
 * The lifetime is `expires_in`, else `expiration` minus the response's `Date`, else `exp - iat` of a JWT, else unknown:
 * never a comparison of the server's date with the local clock.
 *
 * Units: `expires_in` in seconds, a whole number or a string of digits.
 * Errors: `ERR_IAM_TOKEN_RESPONSE_INVALID`, without anything of the body.
 * Source: RFC 6749 section 5.1, RFC 6750 section 2.1.
 *
 * @example
 * ```ts
 * import { parseTokenResponse, tokenResponse } from "@iam/core";
 * const body = '{"access_token":"abc","token_type":"Bearer","expires_in":3600}';
 * export const { lifetimeMs } = parseTokenResponse(tokenResponse({ status: 200, body })); // 3_600_000
 * ```
 */
export function parseTokenResponse({ body, date }: TokenResponse): ParsedTokenResponse {
  const members = jsonMembers(() => body);
  const { access_token, token_type = "Bearer", refresh_token, scope } = members;
  // RFC 6749 section 5.2 puts errors under other statuses; some servers do not.
  if ((members.error ?? members.errorCode) != null) throw invalidResponse("an error", codeOf(members));
  if (typeof access_token !== "string" || !b64token.test(access_token))
    throw invalidResponse("no usable access_token in JSON: perhaps a proxy or a login page");
  if (typeof token_type !== "string" || !/^bearer$/i.test(token_type))
    throw invalidResponse("a token_type other than Bearer");
  if (typeof (refresh_token ?? "") !== "string" || typeof (scope ?? "") !== "string")
    throw invalidResponse("a refresh_token or scope that is no string");
  const lifetimeS = lifetimeSeconds(members, access_token, date);
  // NaN included: whatever cannot be read is not a lifetime.
  if (lifetimeS !== undefined && !(lifetimeS > 0 && lifetimeS <= maxLifetimeS))
    throw invalidResponse("no lifetime from 1 s to a year (expires_in)");
  return conceal(
    { lifetimeMs: lifetimeS && lifetimeS * 1000, scope: (scope as string | null) ?? undefined },
    {
      accessToken: access_token,
      refreshToken:
        refresh_token === "not_supported" ? undefined : (refresh_token as string | null) || undefined,
    },
  );
}

function lifetimeSeconds(
  { expires_in, expiration }: Record<string, unknown>,
  accessToken: string,
  date: string | undefined,
): number | undefined {
  if (expires_in != null) return seconds(expires_in);
  if (expiration != null) {
    const expiresAt = seconds(expiration);
    const sentAt = httpDateMs(date) / 1000;
    if (sentAt || !expiresAt) return expiresAt - sentAt;
  }
  const { exp, iat } = jwtClaims(accessToken);
  return typeof exp === "number" && typeof iat === "number" ? exp - iat : undefined;
}

/** The claims of a JWT, not verified; none in an opaque token. */
export function jwtClaims(accessToken: string): Record<string, unknown> {
  return jsonMembers(() => atob((accessToken.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/")));
}

/** RFC 6749 appendix A.14 wants digits; servers write them as a number or as a string. 0 for anything else. */
function seconds(value: unknown): number {
  return typeof value !== "object" && /^\d{1,15}$/.test(value as string) ? Number(value) : 0;
}

/** The members of a JSON object; none for any other text, and for one that cannot be had. */
export function jsonMembers(text: () => string): Record<string, unknown> {
  try {
    return JSON.parse(text()) ?? {};
  } catch {
    return {};
  }
}

/** The error for an answer that is no token response; `what` completes the sentence. */
export function invalidResponse(what: string, errorCode?: string, status: number = 200): IamError {
  return new TokenEndpointError(
    "ERR_IAM_TOKEN_RESPONSE_INVALID",
    `The token endpoint answered HTTP ${status} with ${what}.`,
    { errorCode, status, retryable: true },
  );
}

/** IAM's transaction id. A header may hold anything; an identifier is all that is wanted. */
export function transactionIdOf({ transactionId = "" }: TokenResponse): string | undefined {
  return /^[\w.-]{1,80}$/.exec(transactionId)?.[0];
}

/**
 * The error that an answer other than 2xx is, or undefined for 2xx. Pure.
 *
 * Decided by the class of the status, not by a list of codes: IAM's list is not public.
 *
 * Source: RFC 6749 section 5.2; IAM's error body.
 */
export function parseTokenErrorResponse(
  response: TokenResponse,
  endpoint: string,
  nowMs: number,
): TokenEndpointError | undefined {
  const { status, body, date, retryAfter } = response;
  if (status >= 200 && status < 300) return undefined;
  const retryable = status === 408 || status === 429 || (status >= 500 && status !== 501);
  const said = {
    status,
    errorCode: codeOf(jsonMembers(() => body)),
    transactionId: transactionIdOf(response),
  };
  return new TokenEndpointError(
    retryable ? "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE" : "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
    `The token endpoint ${endpoint} answered HTTP ${Object.values(said).filter(Boolean).join(", ")}: ${generalAdvice(said, retryable)}.`,
    { ...said, retryable, retryAfterMs: retryable ? retryAfterMs(retryAfter, date, nowMs) : undefined },
  );
}

/** What to do, where the grant has no words of its own; docs/errors.md has it for each code. */
export function generalAdvice(
  { status, errorCode }: { status: number; errorCode: string | undefined },
  retryable: boolean,
): string {
  if (retryable) return status === 429 ? "too many token requests" : "try again later";
  if (status < 400 || status === 404 || status === 405 || status >= 500)
    return "a redirect, or no token endpoint; check tokenEndpoint";
  return errorCode === "BXNIM0415E"
    ? "the API key was not found among https://cloud.ibm.com/iam/apikeys"
    : "check the credentials";
}

/** The machine-readable code of an error body: IAM's, RFC 6749's or the metadata service's; never free text. */
function codeOf({ errorCode, error, errors }: Record<string, unknown>): string | undefined {
  const code = errorCode ?? error ?? (errors as { code?: unknown }[] | undefined)?.[0]?.code;
  return typeof code === "string" &&
    /^(BXN[A-Z]{1,4}\d{4}[A-Z]|[a-z]{1,20}(_[a-z]{1,20}){1,4}|unauth[a-z]{1,12})$/.test(code)
    ? code
    : undefined;
}
