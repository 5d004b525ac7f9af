import { IamError, isIamError, TokenEndpointError } from "@iam/core";

/** An IamError as Express answers it: 503, and when to come back. */
export interface TokenUnavailableError extends IamError {
  /** What Express answers with; what IAM itself said is on `cause`. */
  readonly status: 503;
  readonly statusCode: 503;
  /** `Retry-After` in seconds. */
  readonly headers: Readonly<Record<string, string>>;
}

/** How long the manager leaves the token endpoint alone when its error does not say: refused, and unavailable. */
const refusedMs = 30_000;
const unavailableMs = 1000;

/**
 * What a handler, or `next`, gets for a token that could not be had.
 *
 * A new error each time: the manager gives the same one to everybody who waited, and its `status` is IAM's, which Express
 * would answer its own caller with. Anything but a failure to get a token is given back as it is.
 */
export function tokenUnavailable(error: unknown): unknown {
  if (!isIamError(error) || error.code === "ERR_IAM_ORIGIN_NOT_ALLOWED" || isUnavailable(error)) return error;
  const { errorCode, transactionId, retryAfterMs } = error as Partial<TokenEndpointError>;
  const { code, message, retryable } = error;
  // Each by its own name: one that says "token endpoint" of keys that cannot be had sends whoever reads it to the wrong place.
  const answer = code.startsWith("ERR_IAM_TOKEN_")
    ? new TokenEndpointError(code, message, { cause: error, retryable, errorCode, transactionId })
    : new IamError(code, message, { cause: error, retryable });
  const afterMs = retryAfterMs ?? (retryable ? unavailableMs : refusedMs);
  return Object.assign(answer, {
    retryAfterMs,
    status: 503,
    statusCode: 503,
    headers: { "Retry-After": seconds(afterMs) },
  });
}

/** Whether {@link tokenUnavailable} made it. */
export function isUnavailable(error: unknown): error is TokenUnavailableError {
  return isIamError(error) && "statusCode" in error && error.statusCode === 503;
}

function seconds(ms: number): string {
  return String(Math.max(1, Math.ceil(ms / 1000)));
}
