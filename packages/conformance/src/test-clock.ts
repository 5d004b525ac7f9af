/**
 * The two clocks of a token manager, in the hand of a test: they stand still until they are moved. Timers are real.
 *
 * Units: milliseconds.
 */
export interface TestClock {
  wallNow(): number;
  monotonicNow(): number;
  setTimer(run: () => void, delayMs: number, options: { background: boolean }): () => void;
  /** Time passes, on both clocks. */
  advance(ms: number): void;
  /** Somebody sets the date, forward or back. */
  stepWall(ms: number): void;
}

/** Makes the clocks. `wallOffsetMs`: how wrong the date is from the start. Default: 0. */
export function createTestClock({ wallOffsetMs = 0 }: { wallOffsetMs?: number } = {}): TestClock {
  let wall = Date.now() + wallOffsetMs;
  let monotonic = 1000;
  return {
    wallNow: () => wall,
    monotonicNow: () => monotonic,
    setTimer(run, delayMs, { background }) {
      const timer = setTimeout(run, delayMs);
      if (background) timer.unref();
      return () => clearTimeout(timer);
    },
    advance(ms) {
      wall += ms;
      monotonic += ms;
    },
    stepWall(ms) {
      wall += ms;
    },
  };
}
