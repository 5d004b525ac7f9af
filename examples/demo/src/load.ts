import { setInterval } from "node:timers/promises";

/** What the callers of the protected resource have seen. */
interface LoadCounts {
  /** Requests begun. */
  readonly requests: number;
  /** Requests that ended with 200. */
  readonly succeeded: number;
  /** Requests that ended otherwise, and what the first of them said. */
  readonly failures: number;
  readonly firstFailure: string | undefined;
  /** From the call to the end of the answer; milliseconds. */
  readonly longestWaitMs: number;
}

/** Callers of the protected resource who know nothing of tokens. */
export interface Load {
  readonly counts: LoadCounts;
  /** Makes that many requests at once, and resolves when all have ended. */
  burst(requests: number): Promise<void>;
  /** Makes requests at a steady pace until the signal aborts, and resolves when all have ended. */
  steady(signal: AbortSignal): Promise<void>;
  /** The longest wait since this was last asked; milliseconds. */
  longestWaitSinceMs(): number;
}

const everyMs = 50;
const requestsEach = 5;
/** More than this many are not begun on top of those under way. */
const mostUnderWay = 200;

/** Makes the callers; `fetch` is the only thing that they are given. */
export function createLoad(fetch: typeof globalThis.fetch, url: string): Load {
  const counts = {
    requests: 0,
    succeeded: 0,
    failures: 0,
    firstFailure: undefined as string | undefined,
    longestWaitMs: 0,
  };
  let sinceMs = 0;

  function fail(why: string): void {
    counts.failures++;
    counts.firstFailure ??= why;
  }

  async function call(): Promise<void> {
    const startedAt = performance.now();
    counts.requests++;
    try {
      const response = await fetch(url);
      await response.arrayBuffer();
      if (response.status === 200) counts.succeeded++;
      else fail(`HTTP ${response.status}`);
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error));
    }
    const waitMs = performance.now() - startedAt;
    counts.longestWaitMs = Math.max(counts.longestWaitMs, waitMs);
    sinceMs = Math.max(sinceMs, waitMs);
  }

  async function burst(requests: number): Promise<void> {
    await Promise.all(Array.from({ length: requests }, call));
  }

  return {
    counts,
    burst,
    async steady(until) {
      const underWay = new Set<Promise<void>>();
      try {
        for await (const _ of setInterval(everyMs, undefined, { signal: until })) {
          if (underWay.size >= mostUnderWay) continue;
          for (let each = 0; each < requestsEach; each++) {
            const made = call().finally(() => underWay.delete(made));
            underWay.add(made);
          }
        }
      } catch (error) {
        if (!until.aborted) throw error;
      }
      await Promise.all(underWay);
    },
    longestWaitSinceMs() {
      const ms = sinceMs;
      sinceMs = 0;
      return ms;
    },
  };
}
