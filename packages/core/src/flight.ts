import type { ExchangeRun } from "./exchange-run.ts";

/** An exchange under way, as those see it who wait for it. */
export interface Flight<Result> extends ExchangeRun {
  /** Counts the exchanges that a manager has begun. */
  readonly sequence: number;
  /** What it will give. */
  readonly result: Promise<Result>;
  /** Another one after each sign of life: its timers live in the request that began it, and end with it. */
  stopBeating: () => void;
}
