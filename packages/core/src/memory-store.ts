import { type Clock, type Instant, systemClock } from "./clock.ts";
import { configError } from "./errors.ts";
import { ageMs } from "./expiry.ts";
import type { TokenStore } from "./token-store.ts";

/** Options of {@link memoryStore}. */
export interface MemoryStoreOptions {
  /** How many entries are kept at most. Default: 10,000. */
  maxEntries?: number | undefined;
  /** Where time comes from. Default: `systemClock`. */
  clock?: Clock | undefined;
}

interface Kept {
  readonly value: string;
  readonly since: Instant;
  readonly ttlMs: number;
}

/**
 * A token store in the memory of this process: for managers that share within it, and for tests. Bounded; what has ended goes
 * first, then what was written longest ago.
 *
 * Errors: `ERR_IAM_CONFIG` for a `maxEntries` that is not a whole number, 1 or more.
 *
 * @example
 * ```ts
 * import { memoryStore, sharedStore } from "@iam/core";
 * export const store = sharedStore(memoryStore({ maxEntries: 1_000 }));
 * ```
 */
export function memoryStore({
  maxEntries = 10_000,
  clock = systemClock,
}: MemoryStoreOptions = {}): TokenStore {
  if (!(Number.isSafeInteger(maxEntries) && maxEntries >= 1))
    throw configError("memoryStore: maxEntries must be a whole number, 1 or more.");
  const entries = new Map<string, Kept>();
  const locks = new Map<string, Kept>();
  const listeners = new Map<string, Set<() => void>>();
  let owners = 0;

  /** By the clock that says less: in a suspend the monotonic one may stand still, and tokens grow old all the same. */
  function leftMs({ since, ttlMs }: Kept): number {
    return ttlMs - ageMs(since, clock);
  }

  function current(kept: Map<string, Kept>, key: string): Kept | undefined {
    const found = kept.get(key);
    if (found === undefined || leftMs(found) > 0) return found;
    kept.delete(key);
    return undefined;
  }

  function keep(kept: Map<string, Kept>, key: string, value: string, ttlMs: number): void {
    kept.delete(key);
    if (kept.size >= maxEntries) for (const [old, each] of kept) if (leftMs(each) <= 0) kept.delete(old);
    for (const oldest of kept.keys()) {
      if (kept.size < maxEntries) break;
      kept.delete(oldest);
    }
    kept.set(key, { value, since: { wall: clock.wallNow(), monotonic: clock.monotonicNow() }, ttlMs });
  }

  function changed(key: string): void {
    for (const listener of [...(listeners.get(key) ?? [])]) listener();
  }

  return {
    async get(key) {
      const found = current(entries, key);
      return found && { entry: found.value, ttlMs: leftMs(found) };
    },
    async set(key, entry, { ttlMs, ifVersion }) {
      const there = current(entries, key)?.value;
      if (ifVersion !== undefined && there !== undefined && there !== ifVersion) return false;
      keep(entries, key, entry, ttlMs);
      changed(key);
      return true;
    },
    async delete(key, { ifVersion }) {
      if (current(entries, key)?.value !== ifVersion) return;
      entries.delete(key);
      changed(key);
    },
    async lock(key, { ttlMs }) {
      const holder = current(locks, key);
      if (holder !== undefined) return { state: "held", owner: holder.value };
      const owner = `${++owners}`;
      keep(locks, key, owner, ttlMs);
      return {
        state: "acquired",
        async release() {
          if (current(locks, key)?.value === owner) locks.delete(key);
        },
      };
    },
    subscribe(key, listener) {
      const of = listeners.get(key) ?? new Set();
      listeners.set(key, of.add(listener));
      return () => {
        of.delete(listener);
        if (of.size === 0) listeners.delete(key);
      };
    },
  };
}
