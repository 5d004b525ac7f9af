/**
 * Milliseconds to wait before the next attempt of the same exchange, or undefined when there should be none.
 *
 * Full jitter over 0.5 s, then 1 s. A Retry-After is honoured when it fits into what is left of the deadline.
 */
export function retryDelayMs(failure: {
  attempt: number;
  attempts: number;
  retryable: boolean;
  retryAfterMs: number | undefined;
  remainingMs: number;
  random: () => number;
}): number | undefined {
  const { attempt, attempts, retryable, retryAfterMs: floorMs = 0, remainingMs, random } = failure;
  const delayMs = Math.max(random() * 250 * 2 ** attempt, floorMs);
  return retryable && attempt < attempts && delayMs < remainingMs ? delayMs : undefined;
}

/**
 * Milliseconds during which nobody asks the token endpoint again after a failed exchange.
 *
 * A refusal: 30 s. Otherwise, without a usable token 1 s, 2 s, then 3.5 to 5 s; with one 2^n s up to 30 s, but never
 * more than a quarter of its remaining life. A Retry-After is a floor, honoured up to an hour.
 */
export function coolDownMs(failure: {
  /** Whether the endpoint may answer differently without a change. */
  retryable: boolean;
  /** Failed exchanges in a row, this one included. */
  failures: number;
  /** Milliseconds that the held token stays usable; undefined without one. */
  usableMs: number | undefined;
  retryAfterMs: number | undefined;
  random: () => number;
}): number {
  const { retryable, failures, usableMs, retryAfterMs: floorMs = 0, random } = failure;
  const withoutToken = failures < 3 ? failures * 1000 : 3500 + random() * 1500;
  const withToken = (usableMs ?? 0) / 4;
  const pauseMs = !retryable
    ? 30_000
    : usableMs === undefined
      ? withoutToken
      : Math.min(1000 * 2 ** Math.min(failures, 5), 30_000, Math.max(withToken, 50));
  return Math.max(pauseMs, Math.min(floorMs, 3_600_000));
}

/**
 * A Retry-After header in milliseconds from now, or undefined when it is absent or unreadable.
 *
 * A date is compared with the response's own Date, so that a wrong local clock does no harm.
 *
 * Source: RFC 9110 section 10.2.3.
 */
export function retryAfterMs(
  header: string | undefined,
  { date = "", nowMs }: { date: string | undefined; nowMs: number },
): number | undefined {
  const text = header?.trim() ?? "";
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const until = httpDateMs(text);
  return Number.isNaN(until) ? undefined : Math.max(0, until - (httpDateMs(date) || nowMs));
}

const httpDate =
  /^((Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT|(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \d\d-(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d\d \d\d:\d\d:\d\d GMT|(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d \d{4})$/;

/**
 * An HTTP-date in epoch milliseconds, in any of its three forms; NaN for anything else.
 *
 * `Date.parse` alone reads far more than those, each engine in its own way, and takes the form without a zone for local
 * time.
 *
 * Source: RFC 9110 section 5.6.7.
 */
export function httpDateMs(text: string): number {
  if (!httpDate.test(text)) return Number.NaN;
  return Date.parse(text.endsWith("GMT") ? text : `${text} GMT`);
}
