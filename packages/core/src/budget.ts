const windowMs = 60_000;

/**
 * A ceiling on token requests in any 60 s: a guard against bugs, ours or the caller's, before IAM blocks an account.
 *
 * What it makes gives 0 when a request may be made now, else the milliseconds until it may.
 */
export function createBudget(max: number): (nowMs: number) => number {
  let sentAt: number[] = [];
  return (nowMs) => {
    sentAt = sentAt.filter((at) => nowMs - at < windowMs);
    const [oldest = 0] = sentAt;
    if (sentAt.length + 1 > max) return windowMs - (nowMs - oldest);
    sentAt.push(nowMs);
    return 0;
  };
}
