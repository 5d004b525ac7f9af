import type { Clock } from "./clock.ts";

/**
 * What one exchange runs in. Its controllers and timers are its own: on Workers those of one request may not be touched
 * from another.
 */
export interface Scope {
  readonly clock: Clock;
  /** Whether nobody waits: its timers let the process end. */
  readonly background: boolean;
  /** What ends each thing that is under way in it. */
  readonly ends: Set<(reason: unknown) => void>;
}

/**
 * Runs something under a deadline. Its signal aborts when the time is up, and the promise rejects then whether or not
 * the signal is heeded.
 */
export function withDeadline<T>(
  { clock, background, ends }: Scope,
  ms: number,
  onTimeout: () => unknown,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  return new Promise((resolve, reject) => {
    const end = (reason: unknown) => {
      leave();
      reject(reason);
      controller.abort(reason);
    };
    const leave = () => {
      cancel();
      ends.delete(end);
    };
    const cancel = clock.setTimer(() => end(onTimeout()), ms, { background });
    ends.add(end);
    // What runs may throw at once.
    Promise.resolve(controller.signal).then(run).then(resolve, reject).finally(leave);
  });
}

/** Waits; less when the scope is ended. */
export function pause({ clock, background, ends }: Scope, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      cancel();
      ends.delete(end);
      resolve();
    };
    const cancel = clock.setTimer(end, ms, { background });
    ends.add(end);
  });
}
