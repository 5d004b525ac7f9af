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
const b64token = /^[\w\-.~+/]+=*$/;

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
export function parseTokenResponse(response: TokenResponse): ParsedTokenResponse {
  const body = jsonObject(response.body);
  if (body === undefined) throw invalid("it is no JSON object; did a proxy or a login page answer?");
  const { access_token, token_type = "Bearer", refresh_token, scope } = body;
  // RFC 6749 section 5.2 puts errors under other statuses; some servers do not.
  if ((body.error ?? body.errorCode ?? undefined) !== undefined)
    throw invalid("it holds an error", codeOf(body));
  if (typeof access_token !== "string" || !b64token.test(access_token))
    throw invalid("it has no access_token as of RFC 6750");
  if (typeof token_type !== "string" || !/^bearer$/i.test(token_type))
    throw invalid("its token_type is not Bearer");
  for (const value of [refresh_token, scope]) {
    if (typeof (value ?? "") !== "string") throw invalid("its refresh_token or scope is not a string");
  }
  const lifetimeS = lifetimeSeconds(body, access_token, response.date);
  // NaN included: whatever cannot be read is not a lifetime.
  if (lifetimeS !== undefined && !(lifetimeS > 0 && lifetimeS <= maxLifetimeS)) {
    throw invalid("its lifetime is not a whole number of seconds from 1 to a year");
  }
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
  date = "",
): number | undefined {
  if ((expires_in ?? undefined) !== undefined) return seconds(expires_in);
  const sentAt = httpDateMs(date) / 1000;
  if ((expiration ?? undefined) !== undefined && !Number.isNaN(sentAt)) return seconds(expiration) - sentAt;
  const { exp, iat } = jwtClaims(accessToken);
  return typeof exp === "number" && typeof iat === "number" ? exp - iat : undefined;
}

/** RFC 6749 appendix A.14 wants digits; servers write them as a number or as a string. */
function seconds(value: unknown): number {
  return Number.isSafeInteger(value) || (typeof value === "string" && /^\d{1,15}$/.test(value))
    ? Number(value)
    : Number.NaN;
}

/** The claims of a JWT, not verified; none for an opaque token. */
function jwtClaims(accessToken: string): Record<string, unknown> {
  try {
    return (
      jsonObject(atob((accessToken.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/"))) ?? {}
    );
  } catch {
    return {};
  }
}

function jsonObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && !Array.isArray(value)
      ? ((value as Record<string, unknown> | null) ?? undefined)
      : undefined;
  } catch {
    return undefined;
  }
}

function invalid(what: string, errorCode?: string): IamError {
  return new TokenEndpointError(
    "ERR_IAM_TOKEN_RESPONSE_INVALID",
    `The token endpoint answered 200, but not with a token response: ${what}.`,
    { errorCode, status: 200, retryable: true },
  );
}

/** What to do about the codes that people meet; docs/errors.md has them all. */
const advice: Readonly<Record<string, string>> = {
  BXNIM0308E: "it wants clientId and clientSecret",
  BXNIM0310E: "the client was not found; check clientId",
  BXNIM0398E: "this identity may not assume the trusted profile",
  BXNIM0415E: "the API key was not found; keys are listed at https://cloud.ibm.com/iam/apikeys",
  BXNIM0434E: "the API key was found in a public place and blocked; make a new one",
  BXNIM0462E: "the API key is disabled; see https://cloud.ibm.com/iam/apikeys",
};

/**
 * The error that an answer other than 2xx is, or undefined for 2xx. Pure.
 *
 * Decided by the class of the status, not by a list of codes: IAM's list is not public.
 *
 * Source: RFC 6749 section 5.2; IAM's error body.
 */
export function parseTokenErrorResponse(
  response: TokenResponse,
  { endpoint, nowMs }: { endpoint: string; nowMs: number },
): TokenEndpointError | undefined {
  const { status, date } = response;
  if (status >= 200 && status < 300) return undefined;
  const errorCode = codeOf(jsonObject(response.body) ?? {});
  const retryable = status === 408 || status === 429 || (status >= 500 && status !== 501);
  // A header may hold anything; an identifier is all that is wanted.
  const transactionId = /^[\w.-]{1,80}$/.exec(response.transactionId ?? "")?.[0];
  return new TokenEndpointError(
    retryable ? "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE" : "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
    `The token endpoint ${endpoint} ${retryable ? "cannot answer now" : "refused"}: ${adviceFor(status, errorCode)} (HTTP ${[
      status,
      errorCode,
      transactionId && `transaction ${transactionId}`,
    ]
      .filter(Boolean)
      .join(", ")}).`,
    {
      status,
      errorCode,
      transactionId,
      retryable,
      retryAfterMs: retryable ? retryAfterMs(response.retryAfter, { date, nowMs }) : undefined,
    },
  );
}

function adviceFor(status: number, errorCode = ""): string {
  if (status === 429) return "too many token requests";
  if (status >= 500) return "try again later";
  if (status < 400) return "it redirects, which is never followed with a secret; check tokenEndpoint";
  if (status === 404 || status === 405) return "it is no token endpoint; check tokenEndpoint";
  return advice[errorCode] ?? "check the credentials and the parameters of the grant";
}

/** The machine-readable code of an error body: IAM's, RFC 6749's or the metadata service's; never free text. */
function codeOf({ errorCode, error, errors }: Record<string, unknown>): string | undefined {
  const code = errorCode ?? error ?? (errors as { code?: unknown }[] | undefined)?.[0]?.code;
  return typeof code === "string" &&
    /^(?=.{1,64}$)(BXN[A-Z]+\d{4}[A-Z]|[a-z]+(_[a-z]+){1,4}|unauthenticated|unauthorized)$/.test(code)
    ? code
    : undefined;
}
