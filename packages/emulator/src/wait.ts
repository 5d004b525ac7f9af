/**
 * Resolves after `ms` real milliseconds; rejects with the signal's reason as soon as it aborts.
 *
 * Units: milliseconds, longer waits than a timer can hold are made of several.
 */
export async function wait(ms: number, signal: AbortSignal): Promise<void> {
  const longest = 2 ** 31 - 1;
  for (let left = ms; left > longest; left -= longest) await once(longest, signal);
  await once(ms % longest, signal);
}

/** Rejects with the signal's reason when it aborts, and never settles before. */
export function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

function once(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}
