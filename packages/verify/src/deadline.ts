import type { Clock } from "@iam/core";

/** Runs something under a deadline. Its signal aborts when the time is up, and the promise rejects then, heeded or not. */
export function within<T>(
  clock: Clock,
  ms: number,
  run: (signal: AbortSignal) => Promise<T>,
  { background = false }: { background?: boolean } = {},
): Promise<T> {
  const controller = new AbortController();
  return new Promise((resolve, reject) => {
    const cancel = clock.setTimer(
      () => {
        const late = new DOMException(`No answer within ${ms / 1000} s.`, "TimeoutError");
        reject(late);
        controller.abort(late);
      },
      ms,
      { background },
    );
    run(controller.signal).then(resolve, reject).finally(cancel);
  });
}
