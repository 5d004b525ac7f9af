import { after, type Scope } from "./deadline.ts";
import { isIamError } from "./errors.ts";
import type { ExchangeRun } from "./exchange-run.ts";

/** An exchange under way, as those see it who wait for it. */
export interface Flight<Result> extends ExchangeRun {
  /** Counts the exchanges that a manager has begun. */
  readonly sequence: number;
  /** What it will give. */
  readonly result: Promise<Result>;
  /** Signs of life: its timers live in the request that began it, and end with it. */
  beats: number;
}

/** Two signs of life in each wait, as long as the timers of the exchange run. Returns what stops them. */
export function startBeating(flight: Scope & { beats: number }, joinTimeoutMs: number): () => void {
  let leave: () => void;
  const beat = () => {
    flight.beats++;
    again();
  };
  const again = () => {
    leave = after(flight, joinTimeoutMs / 2, beat);
  };
  again();
  return () => leave();
}

/**
 * One caller's wait for an exchange: its result, its failure, or undefined when it is time to look again.
 *
 * It has a timer of its own: on Workers the promise of a request that has ended never settles, or rejects with the
 * runtime's own error.
 */
export function waitFor<Result>(
  result: Promise<Result>,
  scope: Scope,
  patienceMs: number,
  signal: AbortSignal | undefined,
): Promise<Result | undefined> {
  return new Promise<Result | undefined>((resolve, reject) => {
    const leave = after(
      scope,
      patienceMs,
      (reason) => (reason === undefined ? resolve(undefined) : reject(reason)),
      signal,
    );
    result
      .then(resolve, (error: unknown) => (isIamError(error) ? reject(error) : resolve(undefined)))
      .finally(leave);
  });
}
