import { TokenEndpointError } from "./errors.ts";

const windowMs = 60_000;

/**
 * A ceiling on token requests in any 60 s: a guard against bugs, ours or the caller's, before IAM blocks an account.
 *
 * Errors of what it makes: `ERR_IAM_TOKEN_REQUEST_BUDGET` when no request may be made now.
 */
export function createBudget(max: number): (nowMs: number) => void {
  let sentAt: number[] = [];
  return (nowMs) => {
    sentAt = sentAt.filter((at) => nowMs - at < windowMs);
    const [oldest = nowMs] = sentAt;
    if (sentAt.length + 1 > max)
      throw new TokenEndpointError(
        "ERR_IAM_TOKEN_REQUEST_BUDGET",
        `${max} token requests in a minute: look for endless 401s, or raise maxTokenRequestsPerMinute.`,
        { retryable: true, retryAfterMs: Math.ceil(oldest + windowMs - nowMs) },
      );
    sentAt.push(nowMs);
  };
}
