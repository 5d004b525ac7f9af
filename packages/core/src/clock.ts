/** One moment on the two clocks, each in milliseconds. */
export interface Instant {
  /** Epoch milliseconds: what the machine believes the date is. It can be wrong, and be stepped. */
  readonly wall: number;
  /** Milliseconds since some start that never go back. On many machines they stand still during a suspend. */
  readonly monotonic: number;
}

/**
 * Where time comes from. Pass one of your own to test with.
 *
 * Units: milliseconds everywhere.
 *
 * @example
 * ```ts
 * import { type Clock, systemClock } from "@iam/core";
 * export const anHourAhead: Clock = { ...systemClock, wallNow: () => Date.now() + 3_600_000 };
 * ```
 */
export interface Clock {
  /** Epoch milliseconds. */
  wallNow(): number;
  /** Monotonic milliseconds. */
  monotonicNow(): number;
  /**
   * Runs a function once after a delay, and returns what cancels it. `background: true` lets a process end before it
   * has run.
   */
  setTimer(run: () => void, delayMs: number, options: { background: boolean }): () => void;
}

/**
 * The runtime's own clocks and timers, looked up at each call so that patches and fake timers apply.
 *
 * @example
 * ```ts
 * import { systemClock } from "@iam/core";
 * export const startedAt = systemClock.wallNow();
 * ```
 */
export const systemClock: Clock = {
  wallNow: () => Date.now(),
  monotonicNow: () => performance.now(),
  setTimer(run, delayMs, { background }) {
    // `unref` is there only where it means something: browsers give a number, Node an object.
    const timer: unknown = setTimeout(run, delayMs);
    if (background) (timer as { unref?: () => void }).unref?.();
    return () => clearTimeout(timer as ReturnType<typeof setTimeout>);
  },
};
