import type { StoredEntry, TokenStore } from "@iam/core";

/** What of a Workers KV namespace is used. */
export interface KvNamespace {
  get(key: string): Promise<string | null>;
  put(key: string, value: string, options: { expirationTtl: number }): Promise<void>;
  delete(key: string): Promise<void>;
}

/** KV refuses anything shorter. */
const shortestS = 60;

/**
 * A token store on Cloudflare KV: eventually consistent, without locks, and without a word on how long an entry has to live.
 */
export function kvStore(namespace: KvNamespace): TokenStore {
  const seen = async (key: string): Promise<StoredEntry | undefined> => {
    const entry = await namespace.get(key);
    return entry === null ? undefined : { entry };
  };
  return {
    // KV does not tell when an entry ends: its age is told by what is within the seal, less a minute.
    wallClock: true,
    get: seen,
    async set(key, entry, { ttlMs, ifVersion }) {
      const expirationTtl = Math.floor(ttlMs / 1_000);
      if (expirationTtl < shortestS) return false;
      // As good as KV can: between the look and the write, and for 60 s after, others may see something else.
      const there = ifVersion === undefined ? undefined : await seen(key);
      if (there !== undefined && there.entry !== ifVersion) return false;
      await namespace.put(key, entry, { expirationTtl });
      return true;
    },
    async delete(key, { ifVersion }) {
      if ((await seen(key))?.entry === ifVersion) await namespace.delete(key);
    },
  };
}
