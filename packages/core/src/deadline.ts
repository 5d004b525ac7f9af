import type { Clock } from "./clock.ts";

/**
 * Runs something under a deadline. Its signal aborts when the time is up, and the promise rejects then whether or not
 * the signal is heeded. The controller and the timer belong to this one call.
 *
 * Workers: a signal may not be touched from another request, so nothing outside of this call ever sees it.
 */
export async function withDeadline<T>(
  options: {
    clock: Clock;
    ms: number;
    background: boolean;
    onTimeout: () => unknown;
    /** Ends this call when it aborts. It must belong to the same exchange. */
    parent?: AbortSignal;
    /** Receives what ends this call from outside. */
    onEnd?: (end: (reason: unknown) => void) => void;
  },
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock, ms, background, onTimeout, parent, onEnd } = options;
  const controller = new AbortController();
  let cancelTimer = () => {};
  let cancelParent = () => {};
  const timeout = new Promise<never>((_, reject) => {
    const end = (reason: unknown) => {
      reject(reason);
      controller.abort(reason);
    };
    cancelTimer = clock.setTimer(() => end(onTimeout()), ms, { background });
    onEnd?.(end);
    const onAbort = () => end(parent?.reason);
    parent?.addEventListener("abort", onAbort, { once: true });
    cancelParent = () => parent?.removeEventListener("abort", onAbort);
    if (parent?.aborted) onAbort();
  });
  timeout.catch(() => {});
  try {
    return await Promise.race([run(controller.signal), timeout]);
  } finally {
    cancelTimer();
    cancelParent();
  }
}

/** Waits, or less when the signal aborts; its timer ends with it. */
export function pause(options: {
  clock: Clock;
  ms: number;
  background: boolean;
  signal: AbortSignal;
}): Promise<void> {
  const { clock, ms, background, signal } = options;
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.setTimer(done, ms, { background });
    signal.addEventListener("abort", done, { once: true });
  });
}
