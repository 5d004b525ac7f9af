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
  /** Absent when the server gave none, or wrote IAM's `not_supported`. */
  readonly refreshToken?: string;
  readonly scope?: string;
  /** Milliseconds from the start of the request; undefined when nothing tells it. */
  readonly lifetimeMs: number | undefined;
}

/** A year and a day. Longer is a mistake, most likely a date where a duration belongs. */
const maxLifetimeS = 367 * 86_400;
const b64token = /^[A-Za-z0-9\-._~+/]+=*$/;

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
  if (body === undefined)
    throw invalid("is not a JSON object. A proxy or a login page may have answered instead of it");
  // RFC 6749 section 5.2 puts errors under other statuses; some servers do not.
  if ((body.error ?? body.errorCode ?? undefined) !== undefined)
    throw invalid("holds an error under HTTP 200", codeOf(body));
  const { access_token, token_type, refresh_token, scope } = body;
  if (typeof access_token !== "string" || access_token === "") throw invalid("has no access_token");
  if (!b64token.test(access_token))
    throw invalid("has an access_token with characters that RFC 6750 does not allow");
  if (token_type !== undefined && (typeof token_type !== "string" || !/^bearer$/i.test(token_type))) {
    throw invalid("has a token_type other than Bearer");
  }
  for (const [name, value] of Object.entries({ refresh_token, scope })) {
    if (value !== undefined && value !== null && typeof value !== "string")
      throw invalid(`has a ${name} that is not a string`);
  }
  const lifetimeS = lifetimeSeconds(body, access_token, response.date);
  return conceal(
    {
      lifetimeMs: lifetimeS === undefined ? undefined : lifetimeS * 1000,
      ...(typeof scope === "string" && { scope }),
    },
    {
      accessToken: access_token,
      ...(typeof refresh_token === "string" &&
        refresh_token !== "" &&
        refresh_token !== "not_supported" && { refreshToken: refresh_token }),
    },
  );
}

function lifetimeSeconds(
  body: Record<string, unknown>,
  accessToken: string,
  date: string | undefined,
): number | undefined {
  const { expires_in, expiration } = body;
  if (expires_in !== undefined && expires_in !== null)
    return checkLifetime(seconds(expires_in), "expires_in");
  const sentAt = httpDateMs(date ?? "") / 1000;
  if (expiration !== undefined && expiration !== null) {
    const expiresAt = seconds(expiration);
    if (Number.isNaN(expiresAt)) throw invalid("has an expiration that is not a number of seconds");
    if (!Number.isNaN(sentAt)) return checkLifetime(expiresAt - sentAt, "expiration");
  }
  const claims = jwtClaims(accessToken);
  if (typeof claims?.exp === "number" && typeof claims.iat === "number") {
    return checkLifetime(claims.exp - claims.iat, "exp claim");
  }
  return undefined;
}

/** RFC 6749 appendix A.14 wants digits; servers write them as a number or as a string. */
function seconds(value: unknown): number {
  return Number.isSafeInteger(value) || (typeof value === "string" && /^\d{1,15}$/.test(value))
    ? Number(value)
    : Number.NaN;
}

function checkLifetime(lifetimeS: number, what: string): number {
  if (lifetimeS > 0 && lifetimeS <= maxLifetimeS) return lifetimeS;
  throw invalid(
    `has an ${what} that gives no usable lifetime: a whole number of seconds above 0 and up to a year is expected`,
  );
}

/** The claims of a JWT, not verified; undefined for an opaque token. */
function jwtClaims(accessToken: string): Record<string, unknown> | undefined {
  const payload = accessToken.split(".")[1];
  if (payload === undefined) return undefined;
  try {
    return jsonObject(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    return undefined;
  }
}

function jsonObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function invalid(what: string, errorCode?: string): IamError {
  return new TokenEndpointError("ERR_IAM_TOKEN_RESPONSE_INVALID", `The token endpoint's answer ${what}.`, {
    errorCode,
    status: 200,
    retryable: true,
  });
}

/** What the codes mean for the person who reads the message: what happened and what to do. Source: facts of IAM's API. */
const advice: Readonly<Record<string, string>> = {
  BXNIM0308E: "it wants client authentication: give the grant a clientId and a clientSecret.",
  BXNIM0310E: "the client id is not known there: check clientId and clientSecret.",
  BXNIM0398E:
    "the trusted profile may not be assumed by this identity: check the profile's trust conditions.",
  BXNIM0407E: "the token or refresh token is not valid.",
  BXNIM0408E: "the refresh token has expired.",
  BXNIM0415E:
    "the API key was not found. It was deleted, mistyped, or belongs to another environment. Keys are listed at https://cloud.ibm.com/iam/apikeys (those of service IDs under https://cloud.ibm.com/iam/serviceids).",
  BXNIM0430E: "logging in from this IP address is not allowed: check the account's IP address restrictions.",
  BXNIM0434E: "the API key was blocked because it was found in a public place: revoke it and make a new one.",
  BXNIM0436E: "the user is suspended in the account.",
  BXNIM0439E: "the session ended because it was not used.",
  BXNIM0462E: "the API key is disabled: enable it, or use another one, at https://cloud.ibm.com/iam/apikeys.",
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
  context: { endpoint: string; nowMs: number },
): TokenEndpointError | undefined {
  const { status, transactionId, retryAfter, date } = response;
  if (status >= 200 && status < 300) return undefined;
  const errorCode = codeOf(jsonObject(response.body) ?? {});
  const retryable = isRetryableStatus(status);
  const details = {
    status,
    errorCode,
    // A header may hold anything; an identifier is all that is wanted.
    transactionId: /^[\w.-]{1,80}$/.test(transactionId ?? "") ? transactionId : undefined,
    retryable,
    retryAfterMs: retryable ? retryAfterMs(retryAfter, { date, nowMs: context.nowMs }) : undefined,
  };
  const http = `HTTP ${status}${errorCode === undefined ? "" : `, ${errorCode}`}`;
  const trace = details.transactionId === undefined ? "" : ` Transaction id: ${details.transactionId}.`;
  if (retryable) {
    const why = status === 429 ? "is limiting the rate of token requests" : "is not able to answer now";
    return new TokenEndpointError(
      "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE",
      `The token endpoint ${context.endpoint} ${why} (${http}).${trace}`,
      details,
    );
  }
  return new TokenEndpointError(
    "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
    `The token endpoint ${context.endpoint} refused (${http}): ${adviceFor(status, errorCode)}${trace}`,
    details,
  );
}

function adviceFor(status: number, errorCode: string | undefined): string {
  const known = errorCode === undefined ? undefined : advice[errorCode];
  if (known !== undefined) return known;
  if (status === 0 || (status >= 300 && status < 400)) {
    return "it answered with a redirect, which is never followed with a secret. Check tokenEndpoint, or a proxy in between.";
  }
  if (status === 404 || status === 405)
    return "this does not look like a token endpoint. Check tokenEndpoint.";
  return "check the credentials and the parameters of the grant.";
}

/** Whether an answer with this status may be different a moment later. */
function isRetryableStatus(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501);
}

/** The machine-readable code of an error body: IAM's, RFC 6749's or the metadata service's; never free text. */
function codeOf(body: Record<string, unknown>): string | undefined {
  const errors: unknown = body.errors;
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  const code = body.errorCode ?? body.error ?? (first as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" &&
    /^(?=.{1,64}$)(BXN[A-Z]{1,4}\d{4}[A-Z]|[a-z]+(_[a-z]+){1,4}|unauthenticated|unauthorized)$/.test(code)
    ? code
    : undefined;
}
