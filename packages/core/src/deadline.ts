import type { Clock } from "./clock.ts";

/**
 * What waits run in. Those of one exchange have one of their own: on Workers the controllers and timers of one request
 * may not be touched from another.
 */
export interface Scope {
  readonly clock: Clock;
  /** Whether nobody waits: its timers let the process end. */
  readonly background: boolean;
  /** What ends each wait that is under way in it. */
  readonly ends: Set<(reason?: unknown) => void>;
}

/**
 * Calls a function once: without an argument after a delay, with a reason when the scope is ended or the signal aborts.
 * Returns what calls it off.
 */
export function after(
  { clock, background, ends }: Scope,
  delayMs: number,
  run: (reason?: unknown) => void,
  signal?: AbortSignal,
): () => void {
  const abort = () => end(signal?.reason);
  const leave = () => {
    cancel();
    ends.delete(end);
    signal?.removeEventListener("abort", abort);
  };
  const end = (reason?: unknown) => {
    leave();
    run(reason);
  };
  const cancel = clock.setTimer(end, delayMs, { background });
  ends.add(end);
  signal?.addEventListener("abort", abort);
  return leave;
}

/**
 * What a promise gives, waited for in a scope: undefined when the time is up, and a rejection when the scope is ended or the
 * signal aborts.
 *
 * It has a timer of its own: on Workers the promise of a request that has ended never settles.
 */
export function within<T>(
  scope: Scope,
  ms: number,
  promise: Promise<T>,
  signal?: AbortSignal,
): Promise<T | undefined> {
  return new Promise<T | undefined>((resolve, reject) => {
    const leave = after(
      scope,
      ms,
      (reason) => (reason === undefined ? resolve(undefined) : reject(reason)),
      signal,
    );
    promise.then(resolve, reject).finally(leave);
  });
}
