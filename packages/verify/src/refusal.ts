import { BearerError, IamError, type IamErrorOptions } from "@iam/core";

/**
 * Why a token is refused, as a word for logs and metrics; on `reason` of the BearerError.
 *
 * - `malformed`: no string of three base64url segments.
 * - `too-large`: longer than 16,384 characters.
 * - `encrypted`: five segments, as a JWE has them.
 * - `encoding`: white space, padding, bits that mean nothing, or bytes that are not UTF-8.
 * - `header`: the header is no JSON object.
 * - `algorithm`: signed, if at all, in a way that is not accepted.
 * - `embedded-key`: the header brings its own key or says where to get one (`jwk`, `jku`, `x5u`, `x5c`).
 * - `critical`: the header demands an extension (`crit`, `b64`, `zip`).
 * - `nested`: it holds another token (`cty`).
 * - `type`: its `typ` is that of something else.
 * - `key-id`: its `kid` is missing or none.
 * - `unknown-key`: no published key has its `kid`.
 * - `signature`: it was not signed by the key that it names.
 * - `duplicate`: a member of its header or claims is there twice.
 * - `claims`: a claim is missing or of another type than IAM's.
 * - `issuer`, `audience`, `account`, `subject-type`: it is of, or for, somebody else.
 * - `account-invalid`: IAM does not call the account valid.
 * - `expired`, `not-yet-valid`, `lifetime`: its time is over, has not come, or is longer than IAM gives.
 * - `inactive`: IAM itself says that it is not active.
 */
export type RefusalReason =
  | "malformed"
  | "too-large"
  | "encrypted"
  | "encoding"
  | "header"
  | "algorithm"
  | "embedded-key"
  | "critical"
  | "nested"
  | "type"
  | "key-id"
  | "unknown-key"
  | "signature"
  | "duplicate"
  | "claims"
  | "issuer"
  | "audience"
  | "account"
  | "account-invalid"
  | "subject-type"
  | "expired"
  | "not-yet-valid"
  | "lifetime"
  | "inactive";

/** The error for a token that is refused. The message names claims and headers, never what they hold. */
export function refusal(reason: RefusalReason, message: string): BearerError {
  return new BearerError(message, {
    reason,
    error: "invalid_token",
    // The one thing that a caller can do something about; RFC 6750 section 3 has it as its example.
    description: reason === "expired" ? "The access token expired" : undefined,
  });
}

/** The error for a token that cannot be judged: it may be good. */
export class VerificationUnavailableError extends IamError {
  override name = "VerificationUnavailableError";
  /** Milliseconds until the next attempt. */
  declare readonly retryAfterMs: number;

  constructor(message: string, options: { cause?: unknown; retryAfterMs: number }) {
    // Of what is left of a time that a clock tells in fractions: never before it, never in the past.
    const retryAfterMs = Math.max(0, Math.ceil(options.retryAfterMs));
    const all = { ...options, retryAfterMs, retryable: true };
    super("ERR_IAM_VERIFICATION_UNAVAILABLE", message, all as IamErrorOptions);
  }
}
