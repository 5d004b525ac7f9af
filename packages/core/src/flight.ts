import type { Instant } from "./clock.ts";
import type { ExchangeReason } from "./events.ts";
import type { ExchangeRun } from "./exchange.ts";

/** An exchange under way, as those see it who wait for it. */
export interface Flight<Result> extends ExchangeRun {
  /** Counts the exchanges that a manager has begun. */
  readonly sequence: number;
  readonly reason: ExchangeReason;
  readonly start: Instant;
  /** What it will give. */
  readonly result: Promise<Result>;
  /** Signs of life: its timers live in the request that began it, and end with it. */
  beats: number;
}
