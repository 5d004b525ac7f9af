import type { Clock, Instant } from "./clock.ts";
import { isIamError } from "./errors.ts";
import type { ExchangeReason } from "./events.ts";
import type { ExchangeRun } from "./exchange.ts";

/** An exchange under way, as those see it who wait for it. */
export interface Flight<Result> extends ExchangeRun {
  /** Counts the exchanges that a manager has begun. */
  readonly sequence: number;
  readonly reason: ExchangeReason;
  readonly start: Instant;
  /** What it will give. */
  result: Promise<Result>;
  /** Signs of life: its timers live in the request that began it, and end with it. */
  beats: number;
}

/** Two signs of life in each wait of a joiner, as long as the timers of the exchange run. Returns what stops them. */
export function startBeating(flight: { beats: number }, clock: Clock, joinTimeoutMs: number): () => void {
  let cancel: () => void;
  const again = () => {
    cancel = clock.setTimer(
      () => {
        flight.beats++;
        again();
      },
      joinTimeoutMs / 2,
      { background: true },
    );
  };
  again();
  return () => cancel();
}

/** Those who wait for exchanges of one manager: what is called ends the wait of each with its argument. */
export type Waiting = Set<(reason: unknown) => void>;

/**
 * One caller's wait for an exchange: its result, its failure, or undefined when it is time to look again.
 *
 * A caller that joined somebody else's exchange (`patienceMs`) waits on a timer of its own besides: on Workers the promise
 * of a request that has ended never settles, or rejects with the runtime's own error.
 */
export function waitFor<Result>(
  result: Promise<Result>,
  {
    clock,
    waiting,
    signal,
    patienceMs,
  }: { clock: Clock; waiting: Waiting; signal: AbortSignal | undefined; patienceMs: number | undefined },
): Promise<Result | undefined> {
  let leave = () => {};
  return new Promise<Result | undefined>((resolve, reject) => {
    const onAbort = () => reject(signal?.reason);
    const cancelTimer =
      patienceMs === undefined
        ? undefined
        : clock.setTimer(() => resolve(undefined), patienceMs, { background: false });
    leave = () => {
      cancelTimer?.();
      signal?.removeEventListener("abort", onAbort);
      waiting.delete(reject);
    };
    signal?.addEventListener("abort", onAbort);
    waiting.add(reject);
    result.then(resolve, (error: unknown) => (isIamError(error) ? reject(error) : resolve(undefined)));
  }).finally(() => leave());
}
