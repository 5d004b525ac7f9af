import type { Clock } from "@iam/core";

/** A clock for real sockets: time stands still while bytes travel, and goes to the next timer when told to. */
export interface DrivenClock extends Clock {
  /** Milliseconds since it was made. */
  readonly elapsedMs: number;
  /** Whether anybody waits for time to pass. */
  readonly isAwaited: boolean;
  /** Lets the time until the next timer pass, and fires it. */
  fireNext(): void;
  /** Lets time pass in which no timer is due. */
  advance(ms: number): void;
}

interface Timer {
  readonly dueAt: number;
  readonly run: () => void;
}

/**
 * Makes one. `passed` hears how much time has passed, each time some has; `wallOffsetMs` is how wrong the date is.
 *
 * Units: milliseconds.
 */
export function createDrivenClock(
  startAt: number,
  passed: (ms: number) => void,
  wallOffsetMs = 0,
): DrivenClock {
  let elapsedMs = 0;
  const timers = new Set<Timer>();
  const pass = (ms: number) => {
    elapsedMs += ms;
    passed(ms);
  };
  return {
    get elapsedMs() {
      return elapsedMs;
    },
    get isAwaited() {
      return timers.size > 0;
    },
    wallNow: () => startAt + wallOffsetMs + elapsedMs,
    monotonicNow: () => 1000 + elapsedMs,
    setTimer(run, delayMs) {
      const timer = { dueAt: elapsedMs + Math.max(0, delayMs), run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    fireNext() {
      const [next] = [...timers].sort((a, b) => a.dueAt - b.dueAt);
      if (next === undefined) return;
      timers.delete(next);
      pass(next.dueAt - elapsedMs);
      next.run();
    },
    advance(ms) {
      if ([...timers].some(({ dueAt }) => dueAt <= elapsedMs + ms)) throw new Error("A timer is due before.");
      pass(ms);
    },
  };
}
