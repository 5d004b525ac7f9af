/** What a store has under a key. */
export interface StoredEntry {
  /** As it was given to `set`. */
  readonly entry: string;
  /**
   * Milliseconds until the store forgets it, by the store's own clock. Without it the entry is not used, unless the store
   * says `wallClock`.
   */
  readonly ttlMs?: number | undefined;
}

/** What came of asking for a lock. */
export type StoreLock =
  /** Ours until `ttlMs` is over or `release` is called. Releasing a lock that has passed to another leaves it alone. */
  | { readonly state: "acquired"; release(): Promise<void> }
  /** Another's. `owner` differs from holder to holder, when the store can tell: a lock that changes hands works. */
  | { readonly state: "held"; readonly owner?: string | undefined };

/**
 * Where processes keep what they share: short strings under opaque keys, for a limited time. `sharedStore` seals them first,
 * so a store learns neither token nor key.
 *
 * A promise that rejects is a failure of the store: the caller goes on without it. A store that answers late is not waited
 * for. `ifVersion` is the entry that the caller has seen: when there is another by now, the call does nothing.
 *
 * Units: milliseconds.
 *
 * @example
 * ```ts
 * import type { StoredEntry, TokenStore } from "@iam/core";
 * // The least that a store is: no lock, so that processes which start together each ask for a token.
 * const entries = new Map<string, { entry: string; endsAt: number }>();
 * const current = (key: string): StoredEntry | undefined => {
 *   const { entry = "", endsAt = 0 } = entries.get(key) ?? {};
 *   return endsAt > Date.now() ? { entry, ttlMs: endsAt - Date.now() } : undefined;
 * };
 * export const store: TokenStore = {
 *   get: async (key) => current(key),
 *   async set(key, entry, { ttlMs, ifVersion }) {
 *     const there = current(key)?.entry;
 *     if (ifVersion !== undefined && there !== undefined && there !== ifVersion) return false;
 *     entries.set(key, { entry, endsAt: Date.now() + ttlMs });
 *     return true;
 *   },
 *   async delete(key, { ifVersion }) {
 *     if (current(key)?.entry === ifVersion) entries.delete(key);
 *   },
 * };
 * ```
 */
export interface TokenStore {
  /** What is under a key, if it has not ended. */
  get(key: string): Promise<StoredEntry | undefined>;
  /**
   * Keeps an entry for so long, unless another than `ifVersion` is there by now: with `null`, any at all. Resolves with
   * whether it was written.
   */
  set(
    key: string,
    entry: string,
    options: { ttlMs: number; ifVersion?: string | null | undefined },
  ): Promise<boolean>;
  /** Forgets an entry, if it is still that one: a late rejection of an old token must not delete a newer one. */
  delete(key: string, options: { ifVersion: string }): Promise<void>;
  /** A lock beside the entry that ends by itself; never waits. Only spares work: nothing relies on it. */
  lock?(key: string, options: { ttlMs: number; signal: AbortSignal }): Promise<StoreLock>;
  /** Calls back when the entry may have changed, until the function that it returns is called. Only saves polls. */
  subscribe?(key: string, changed: () => void): () => void;
  /**
   * The store cannot tell how long an entry has to live. Its age is then told by the wall clocks of two machines, and a
   * minute is taken off for their difference. Default: false.
   */
  readonly wallClock?: boolean | undefined;
}
