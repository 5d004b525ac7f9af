/**
 * What went wrong, for programs. A code never changes its meaning within a major version.
 *
 * - `ERR_IAM_CONFIG`: an option, a key or a call is wrong, or a function that was passed in threw
 *   or gave nothing in time (then `retryable` is true).
 * - `ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE`: no usable answer came from the token endpoint (network, deadline, 429, 5xx).
 * - `ERR_IAM_TOKEN_ENDPOINT_REFUSED`: the token endpoint answered and refused.
 * - `ERR_IAM_TOKEN_RESPONSE_INVALID`: the token endpoint answered 200 with something that is not a token response.
 * - `ERR_IAM_TOKEN_REQUEST_BUDGET`: this manager has spent its token requests of the minute.
 * - `ERR_IAM_ORIGIN_NOT_ALLOWED`: the request goes to an origin that may not have the token.
 * - `ERR_IAM_BEARER`: an incoming request has no acceptable bearer token.
 * - `ERR_IAM_VERIFICATION_UNAVAILABLE`: what an incoming token is checked with cannot be had; nothing is said about the token.
 */
export type IamErrorCode =
  | "ERR_IAM_CONFIG"
  | "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE"
  | "ERR_IAM_TOKEN_ENDPOINT_REFUSED"
  | "ERR_IAM_TOKEN_RESPONSE_INVALID"
  | "ERR_IAM_TOKEN_REQUEST_BUDGET"
  | "ERR_IAM_ORIGIN_NOT_ALLOWED"
  | "ERR_IAM_BEARER"
  | "ERR_IAM_VERIFICATION_UNAVAILABLE";

/** Options of {@link IamError}. */
export interface IamErrorOptions {
  /** What was thrown below. Kept when it is an IamError; anything else is replaced by its name and code alone. */
  cause?: unknown;
  /** Whether the same call may succeed later without a change. Default: false. */
  retryable?: boolean;
}

const brand = Symbol.for("@iam/error");

/**
 * The base of every error of this project.
 *
 * No message, cause or property ever holds an API key, a token, a request body or a response body.
 *
 * @example
 * ```ts
 * import { type TokenManager, isIamError } from "@iam/core";
 * export async function callsIn(manager: TokenManager): Promise<string> {
 *   try {
 *     return (await manager.getToken()).tokenType;
 *   } catch (error) {
 *     if (isIamError(error) && error.retryable) return "later";
 *     throw error;
 *   }
 * }
 * ```
 */
export class IamError extends Error {
  override name = "IamError";
  /** See {@link IamErrorCode}. */
  declare readonly code: IamErrorCode;
  /** Whether the same call may succeed later without a change. */
  declare readonly retryable: boolean;

  constructor(
    code: IamErrorCode,
    message: string,
    { cause, retryable = false, ...members }: IamErrorOptions | TokenEndpointErrorOptions = {},
  ) {
    super(message, cause === undefined ? undefined : { cause: cleanCause(cause) });
    Object.assign(this, { code, retryable, ...members });
    Object.defineProperty(this, brand, { value: true });
  }
}

/** What a token endpoint's answer said of itself. */
export interface TokenEndpointErrorOptions extends IamErrorOptions {
  /** HTTP status; absent when no answer came. */
  status?: number | undefined;
  /** IAM's code such as `BXNIM0415E`, or the `error` of RFC 6749 section 5.2. */
  errorCode?: string | undefined;
  /** IAM's `transaction-id` response header: quote it to IBM support. */
  transactionId?: string | undefined;
  /** Milliseconds until the next attempt makes sense. */
  retryAfterMs?: number | undefined;
}

/**
 * An exchange with the token endpoint that gave no token.
 *
 * Source: RFC 6749 section 5.2; IAM's own error body.
 */
export class TokenEndpointError extends IamError {
  override name = "TokenEndpointError";
  /** HTTP status; undefined when no answer came. */
  declare readonly status: number | undefined;
  /** IAM's code such as `BXNIM0415E`, or the `error` of RFC 6749 section 5.2. */
  declare readonly errorCode: string | undefined;
  /** IAM's `transaction-id` response header: quote it to IBM support. */
  declare readonly transactionId: string | undefined;
  /** Milliseconds until the next attempt makes sense; undefined when nothing is known. */
  declare readonly retryAfterMs: number | undefined;
}

/**
 * Whether a value is an error of this project, also when it comes from another copy of the package.
 *
 * @example
 * ```ts
 * import { isIamError } from "@iam/core";
 * export const isConfiguration = (error: unknown) => isIamError(error) && error.code === "ERR_IAM_CONFIG";
 * ```
 */
export function isIamError(error: unknown): error is IamError {
  return read(error, brand) === true;
}

/** An error about an option, a key or a call: says what to change. */
export function configError(message: string, options?: IamErrorOptions): IamError {
  return new IamError("ERR_IAM_CONFIG", message, options);
}

/** The error for a function of the caller's that threw; what is one of ours already stays as it is. */
export function threw(what: string, cause: unknown): IamError {
  if (isIamError(cause)) return cause;
  return configError(`${what} threw ${errorWord(cause)}; more is not shown, it may hold a secret.`, {
    cause,
    retryable: true,
  });
}

/**
 * A stand-in for somebody else's error that keeps its name and code only.
 *
 * Foreign messages and properties are not ours to vouch for: undici, axios and openid-client put requests and
 * response bodies there.
 */
function cleanCause(cause: unknown): Error {
  if (isIamError(cause)) return cause;
  return Object.assign(new Error(errorWord(cause)), { name: word(cause, "name") ?? "Error" });
}

/** The code of a foreign error, looked for down its causes, else its name; only when it looks like an identifier. */
export function errorWord(error: unknown): string {
  let at = error;
  for (let depth = 0; depth < 4; depth++) {
    const code = word(at, "code");
    if (code !== undefined) return code;
    at = read(at, "cause") ?? read(read(at, "errors"), "0");
  }
  return word(error, "name") ?? "Error";
}

function word(from: unknown, key: string): string | undefined {
  const value = read(from, key);
  return typeof value === "string" && /^[A-Z]([A-Z\d_]{1,59}|[A-Za-z]{1,39})$/.test(value)
    ? value
    : undefined;
}

/** A member of somebody else's value, or undefined when reading it throws, as a getter or a revoked Proxy may. */
function read(from: unknown, key: PropertyKey): unknown {
  try {
    return (from as Record<PropertyKey, unknown> | null | undefined)?.[key];
  } catch {
    return undefined;
  }
}
