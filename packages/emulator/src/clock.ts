/**
 * The emulator's clock: every `iat`, `exp`, `expiration`, `Date` header and expiry check follows it.
 *
 * Units: epoch milliseconds and milliseconds. Default: it runs with real time.
 *
 * @example
 * ```ts
 * import type { Emulator } from "@iam/emulator";
 * export const expireEveryToken = (emulator: Emulator) => emulator.clock.advance(3_600_000); // an hour passes
 * ```
 */
export interface EmulatorClock {
  /** The current moment, in epoch milliseconds. */
  now(): number;
  /** Makes it `epochMs` now; the clock runs on from there, or stays there when it is frozen. */
  set(epochMs: number): void;
  /** Moves the clock by `ms`, backwards when negative. */
  advance(ms: number): void;
  /** Stops the clock, at `epochMs` or where it is. */
  freeze(epochMs?: number): void;
  /** Lets a frozen clock run on from where it stands. */
  resume(): void;
  /** Makes the clock run `ms` ahead of real time, behind it when negative. */
  skew(ms: number): void;
  /** Goes back to real time. */
  reset(): void;
}

/**
 * Makes a clock that follows `realNow` until it is told otherwise.
 *
 * Units: epoch milliseconds. Errors: a RangeError for a moment or a duration that a Date cannot hold.
 */
export function createClock(realNow: () => number): EmulatorClock {
  let offsetMs = 0;
  let frozenAt: number | undefined;
  const now = () => frozenAt ?? realNow() + offsetMs;
  const moveTo = (epochMs: number) => {
    if (frozenAt === undefined) offsetMs = epochMs - realNow();
    else frozenAt = epochMs;
  };
  return {
    now,
    set: (epochMs) => moveTo(sane(epochMs)),
    advance: (ms) => moveTo(now() + sane(ms)),
    freeze(epochMs = now()) {
      frozenAt = sane(epochMs);
    },
    resume() {
      const at = now();
      frozenAt = undefined;
      moveTo(at);
    },
    skew(ms) {
      offsetMs = sane(ms);
      frozenAt = undefined;
    },
    reset() {
      offsetMs = 0;
      frozenAt = undefined;
    },
  };
}

function sane(value: number): number {
  if (Math.abs(value) <= latestMoment) return value;
  throw new RangeError(`The emulator's clock takes milliseconds within ±8.64e15, not ${value}.`);
}

/** The last moment that a Date can hold. */
const latestMoment = 8.64e15;
