const windowMs = 60_000;

/**
 * A ceiling on token requests in any 60 s: a guard against bugs, ours or the caller's, before IAM blocks an account.
 *
 * `take` gives 0 when the request may be made, else the milliseconds until it may.
 */
export function createBudget(max: number): { take(nowMs: number): number } {
  const sentAt: number[] = [];
  let next = 0;
  return {
    take(nowMs) {
      const oldest = sentAt[next];
      if (oldest !== undefined && nowMs - oldest < windowMs) return windowMs - (nowMs - oldest);
      sentAt[next] = nowMs;
      next = (next + 1) % Math.floor(max);
      return 0;
    },
  };
}
