/** What a failed exchange says about the next one. */
interface Failure {
  /** Whether the endpoint may answer differently without a change. */
  readonly retryable: boolean;
  readonly retryAfterMs?: number | undefined;
}

/**
 * Milliseconds to wait before the next attempt of the same exchange, or undefined when there should be none.
 *
 * Full jitter over 0.5 s, then 1 s. A Retry-After is honoured when it fits into what is left of the deadline.
 */
export function retryDelayMs(
  { retryable, retryAfterMs = 0 }: Failure,
  attempt: number,
  remainingMs: number,
  random: () => number,
): number | undefined {
  const delayMs = Math.max(random() * 250 * 2 ** attempt, retryAfterMs);
  return retryable && delayMs < remainingMs ? delayMs : undefined;
}

/**
 * Milliseconds during which nobody asks the token endpoint again after so many failed exchanges in a row, for somebody
 * whose held token stays usable for `usableMs`, or who has none.
 *
 * A refusal: 30 s. Otherwise, without a usable token 1 s, 2 s, then 3.5 to 5 s; with one 2^n s up to 30 s, but never
 * more than a quarter of its remaining life. A Retry-After is a floor, honoured up to an hour.
 */
export function coolDownMs(
  { retryable, retryAfterMs = 0 }: Failure,
  failures: number,
  usableMs: number | undefined,
  random: () => number,
): number {
  const pauseMs = !retryable
    ? 30_000
    : usableMs !== undefined
      ? Math.min(1000 * 2 ** failures, 30_000, Math.max(usableMs / 4, 50))
      : failures < 3
        ? failures * 1000
        : 3500 + random() * 1500;
  return Math.max(pauseMs, Math.min(retryAfterMs, 3_600_000));
}

/**
 * A Retry-After header in milliseconds from now, or undefined when it is absent or unreadable. Never more than a timer
 * can wait: one that is set for longer fires at once.
 *
 * A date is compared with the response's own Date, so that a wrong local clock does no harm.
 *
 * Source: RFC 9110 section 10.2.3.
 */
export function retryAfterMs(header = "", date: string | undefined, nowMs: number): number | undefined {
  const text = header.trim();
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : httpDateMs(text) - (httpDateMs(date) || nowMs);
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), 2 ** 31 - 1);
}

/**
 * An HTTP-date in epoch milliseconds, in any of its three forms; NaN for anything else.
 *
 * `Date.parse` alone reads far more than those, each engine in its own way, and takes the form without a zone for local
 * time.
 *
 * Source: RFC 9110 section 5.6.7.
 */
export function httpDateMs(text = ""): number {
  return Date.parse(`${httpDate.exec(text)?.[0]} GMT`);
}

const httpDate =
  /^[SMTWF]([a-z]{2}, \d\d [A-Z][a-z]{2} \d{4}|[a-z]+day, \d\d-[A-Z][a-z]{2}-\d\d) [\d:]{8}(?= GMT$)|^[SMTWF][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:]{8} \d{4}$/;
