import type { StoredEntry, StoreLock, TokenStore } from "@iam/core";

/** What of the storage of a Durable Object is used. */
interface Storage {
  get<T>(key: string): Promise<T | undefined>;
  put(key: string, value: unknown): Promise<void>;
  delete(key: string): Promise<boolean>;
}

/** What of a binding to a class of Durable Objects is used. */
export interface DurableObjects {
  idFromName(name: string): unknown;
  get(id: unknown): { fetch(url: string, init: { method: string; body: string }): Promise<Response> };
}

interface Kept {
  readonly value: string;
  readonly endsAt: number;
}

type Ask =
  | { readonly ask: "get" }
  | {
      readonly ask: "set";
      readonly entry: string;
      readonly ttlMs: number;
      readonly ifVersion?: string | null;
    }
  | { readonly ask: "delete"; readonly ifVersion: string }
  | { readonly ask: "lock"; readonly owner: string; readonly ttlMs: number }
  | { readonly ask: "release"; readonly owner: string };

/**
 * The object that has one entry: its requests run one at a time between waits, and storage holds back what comes meanwhile, so
 * that comparing and writing are one step, for everybody in the world.
 */
export class TokenEntry {
  readonly #storage: Storage;

  constructor({ storage }: { storage: Storage }) {
    this.#storage = storage;
  }

  async fetch(request: Request): Promise<Response> {
    return Response.json({ answer: await this.#answer((await request.json()) as Ask) });
  }

  async #current(key: string): Promise<Kept | undefined> {
    const kept = await this.#storage.get<Kept>(key);
    return kept !== undefined && kept.endsAt > Date.now() ? kept : undefined;
  }

  async #answer(asked: Ask): Promise<unknown> {
    const entry = await this.#current("entry");
    const lock = await this.#current("lock");
    switch (asked.ask) {
      case "get":
        return entry && { entry: entry.value, ttlMs: entry.endsAt - Date.now() };
      case "set":
        if (asked.ifVersion !== undefined && entry !== undefined && entry.value !== asked.ifVersion)
          return false;
        await this.#storage.put("entry", { value: asked.entry, endsAt: Date.now() + asked.ttlMs });
        return true;
      case "delete":
        return entry?.value === asked.ifVersion && this.#storage.delete("entry");
      case "lock":
        if (lock !== undefined) return lock.value;
        await this.#storage.put("lock", { value: asked.owner, endsAt: Date.now() + asked.ttlMs });
        return asked.owner;
      case "release":
        return lock?.value === asked.owner && this.#storage.delete("lock");
    }
  }
}

/** A token store on Durable Objects, one for each entry: strict, with a lock. */
export function durableObjectStore(objects: DurableObjects): TokenStore {
  async function ask<T>(key: string, asked: Ask): Promise<T> {
    const init = { method: "POST", body: JSON.stringify(asked) };
    const response = await objects.get(objects.idFromName(key)).fetch("https://token-entry/", init);
    return ((await response.json()) as { answer: T }).answer;
  }
  return {
    get: (key) => ask<StoredEntry | undefined>(key, { ask: "get" }),
    set: (key, entry, { ttlMs, ifVersion }) =>
      ask<boolean>(key, { ask: "set", entry, ttlMs, ...(ifVersion !== undefined && { ifVersion }) }),
    async delete(key, { ifVersion }) {
      await ask(key, { ask: "delete", ifVersion });
    },
    async lock(key, { ttlMs }): Promise<StoreLock> {
      const owner = crypto.randomUUID();
      const holder = await ask<string>(key, { ask: "lock", owner, ttlMs });
      return holder === owner
        ? { state: "acquired", release: () => ask(key, { ask: "release", owner }) }
        : { state: "held", owner: holder };
    },
  };
}
