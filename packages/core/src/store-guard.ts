import type { Clock } from "./clock.ts";
import { after, type Scope } from "./deadline.ts";
import { errorWord } from "./errors.ts";
import { type StoreOperation, type TokenManagerEvent, tell } from "./events.ts";

/** One call of a store, for whom it is made, and how long it may take. */
interface StoreCall<T> {
  readonly scope: Scope;
  readonly onEvent: (event: TokenManagerEvent) => unknown;
  readonly operation: StoreOperation;
  readonly patienceMs: number;
  run(signal: AbortSignal): Promise<T>;
  /** What to do with a result that came when nobody waited any more. */
  late?(value: T): unknown;
}

/** Keeps a store that does not work from costing more than its patience. */
export interface StoreGuard {
  /** Whether the store is being left alone. */
  isResting(clock: Clock): boolean;
  /** The result of a call, or undefined when the store failed. Rejects only when the scope is ended. */
  ask<T>(call: StoreCall<T>): Promise<{ readonly value: T } | undefined>;
}

/** What the store gave is not what a store gives. */
export class GarbageError extends Error {}

const firstPauseMs = 100;
const longestPauseMs = 30_000;
const slices = 3;

/**
 * Makes a guard for a store: each call races a timer of our own, because clients of stores queue commands while they are
 * disconnected; after a failure the store is left alone for a tenth of a second, and for twice as long after each further one,
 * up to half a minute.
 */
export function createStoreGuard(): StoreGuard {
  let failures = 0;
  let restsUntil = -Infinity;

  function failed({ scope: { clock }, onEvent, operation }: StoreCall<never>, problem: string): undefined {
    const pauseMs = Math.min(firstPauseMs * 2 ** failures++, longestPauseMs);
    restsUntil = clock.monotonicNow() + pauseMs;
    tell(onEvent, { type: "store_failed", operation, problem, pauseMs });
  }

  return {
    isResting: (clock) => clock.monotonicNow() < restsUntil,
    ask<T>(call: StoreCall<T>): Promise<{ readonly value: T } | undefined> {
      const controller = new AbortController();
      let waiting = true;
      return new Promise((resolve, reject) => {
        let leave = () => {};
        let slicesLeft = slices;
        // In slices: when this process itself is late, an answer that is already here is read before the next one.
        const wait = () => {
          leave = after(call.scope, Math.max(call.patienceMs, 0) / slices, (reason) => {
            if (reason === undefined && --slicesLeft > 0) return wait();
            waiting = false;
            if (reason === undefined) resolve(failed(call as StoreCall<never>, "timeout"));
            else reject(reason);
            controller.abort(reason);
          });
        };
        wait();
        // A store may throw at once.
        Promise.resolve(controller.signal)
          .then((signal) => call.run(signal))
          .then(
            async (value) => {
              if (!waiting) {
                await call.late?.(value);
                return;
              }
              failures = 0;
              leave();
              resolve({ value });
            },
            (error: unknown) => {
              if (!waiting) return;
              leave();
              const problem = error instanceof GarbageError ? "garbage" : errorWord(error);
              resolve(failed(call as StoreCall<never>, problem));
            },
          )
          // What is done about a late answer may fail as well.
          .catch(() => {});
      });
    },
  };
}
