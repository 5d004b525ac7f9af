import type { StoredEntry, StoreLock, TokenStore } from "../../src/index.ts";
import { type Lying, stillThere } from "./other-processes.ts";

/** What a store can be asked. */
export type StoreOperation = "get" | "set" | "lock" | "release";

/** How a store answers: what, and when. What it does, it does when it answers. */
export interface StoreMood {
  readonly what: "nothing" | "failure" | "failure, but it is done" | "garbage" | "what does not open";
  readonly when: "at once" | "late" | "never";
}

/** A store that does its worst by the schedule. */
export interface FaultyStore {
  readonly store: TokenStore;
  readonly moods: Record<StoreOperation, StoreMood>;
  /** How often it was asked; a look, which is at two keys, counts as once. */
  readonly calls: () => number;
  /** What is in it; nothing ever, in one that loses what it is given. */
  readonly entries: Map<string, Lying<string>>;
  /** Who has the lock of a key. */
  readonly locks: Map<string, Lying<string>>;
}

/** What a store is made of besides its moods. */
export interface FaultyStoreOptions {
  /** Whether it gives back what it was given, and a lock to one at a time. */
  readonly keeps: boolean;
  /** The store's own clock, in milliseconds. */
  now(): number;
  /** Is given what lets the answer to a call arrive. */
  later(call: number, operation: StoreOperation, mood: StoreMood, arrive: () => void): void;
  /** An entry has been given away. */
  gave(key: string, entry: string, ttlMs: number): void;
}

const works: StoreMood = { what: "nothing", when: "at once" };

export function workingMoods(): Record<StoreOperation, StoreMood> {
  return { get: works, set: works, lock: works, release: works };
}

export function faultyStore(
  moods: Record<StoreOperation, StoreMood>,
  { keeps, now, later, gave }: FaultyStoreOptions,
): FaultyStore {
  const entries = new Map<string, Lying<string>>();
  const locks = new Map<string, Lying<string>>();
  let calls = 0;
  let locked = 0;
  /** The key that was looked at first, and the look. The other key is looked at with it. */
  let looking: { readonly key: string; readonly answer: Promise<unknown> } | undefined;

  function answer<T>(
    operation: StoreOperation,
    right: () => T,
    garbage: unknown,
    mood = moods[operation],
  ): Promise<T> {
    const call = calls++;
    const { what, when } = mood;
    const settle = (resolve: (value: T) => void, reject: (error: Error) => void) => {
      if (what === "failure, but it is done") right();
      if (what.startsWith("failure")) reject(unreachable());
      else if (what === "garbage") resolve(garbage as T);
      else if (what === "what does not open" && operation === "get")
        resolve({ entry: "AQ", ttlMs: 60_000 } as T);
      else resolve(right());
    };
    return new Promise((resolve, reject) => {
      if (when === "at once") settle(resolve, reject);
      else if (when === "late") later(call, operation, mood, () => settle(resolve, reject));
    });
  }

  function entryOf(key: string): StoredEntry | undefined {
    const there = stillThere(entries.get(key), now());
    if (there === undefined) return undefined;
    const ttlMs = there.endsAt - now();
    gave(key, there.value, ttlMs);
    return { entry: there.value, ttlMs };
  }

  function write(key: string, entry: string, ttlMs: number, ifVersion: string | null | undefined): boolean {
    const there = stillThere(entries.get(key), now())?.value;
    if (ifVersion !== undefined && there !== undefined && there !== ifVersion) return false;
    if (keeps) entries.set(key, { value: entry, endsAt: now() + ttlMs });
    return true;
  }

  function takeLock(key: string, ttlMs: number, mood: StoreMood): StoreLock {
    const holder = stillThere(locks.get(key), now());
    if (holder !== undefined) return { state: "held", owner: holder.value };
    const owner = `mine-${++locked}`;
    if (keeps) locks.set(key, { value: owner, endsAt: now() + ttlMs });
    const letGo = () => {
      if (locks.get(key)?.value === owner) locks.delete(key);
    };
    return {
      state: "acquired",
      // It does as the store was inclined when it was asked for the lock; what is garbage throws.
      release() {
        if (mood.what !== "garbage") return answer("release", letGo, undefined, mood);
        calls++;
        throw unreachable();
      },
    };
  }

  const store: TokenStore = {
    get(key) {
      if (looking !== undefined && looking.key !== key) {
        const { answer } = looking;
        looking = undefined;
        return answer.then(() => entryOf(key));
      }
      const looked = answer<StoredEntry | undefined>("get", () => entryOf(key), 42);
      looking = { key, answer: looked };
      return looked;
    },
    set: (key, entry, { ttlMs, ifVersion }) => answer("set", () => write(key, entry, ttlMs, ifVersion), "?"),
    async delete(key, { ifVersion }) {
      if (stillThere(entries.get(key), now())?.value === ifVersion) entries.delete(key);
    },
    lock(key, { ttlMs }) {
      const { release } = moods;
      return answer("lock", () => takeLock(key, ttlMs, release), { state: "?" });
    },
  };
  return { store, moods, calls: () => calls, entries, locks };
}

function unreachable(): Error {
  return Object.assign(new Error("store: canary"), { code: "ECONNRESET" });
}
