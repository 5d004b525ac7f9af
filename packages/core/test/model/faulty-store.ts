import type { TokenStore } from "../../src/index.ts";

/** What a store can be asked. */
export type StoreOperation = "get" | "set" | "lock" | "release";

/** How a store answers: what, and when. It never gives back what it was given. */
export interface StoreMood {
  readonly what: "nothing" | "failure" | "garbage" | "what does not open";
  readonly when: "at once" | "late" | "never";
}

/** A store that does its worst by the schedule. */
export interface FaultyStore {
  readonly store: TokenStore;
  readonly moods: Record<StoreOperation, StoreMood>;
  /** How often it was asked; a look, which is at two keys, counts as once. */
  readonly calls: () => number;
}

const works: StoreMood = { what: "nothing", when: "at once" };

export function workingMoods(): Record<StoreOperation, StoreMood> {
  return { get: works, set: works, lock: works, release: works };
}

/** `later` is given what lets the answer to a call arrive. */
export function faultyStore(
  moods: Record<StoreOperation, StoreMood>,
  later: (call: number, operation: StoreOperation, mood: StoreMood, arrive: () => void) => void,
): FaultyStore {
  let calls = 0;
  let gets = 0;

  function answer<T>(
    operation: StoreOperation,
    right: T,
    garbage: unknown,
    mood = moods[operation],
  ): Promise<T> {
    const call = calls++;
    const { what, when } = mood;
    const settle = (resolve: (value: T) => void, reject: (error: Error) => void) => {
      if (what === "failure") reject(unreachable());
      else if (what === "garbage") resolve(garbage as T);
      else if (what === "what does not open" && operation === "get")
        resolve({ entry: "AQ", ttlMs: 60_000 } as T);
      else resolve(right);
    };
    return new Promise((resolve, reject) => {
      if (when === "at once") settle(resolve, reject);
      else if (when === "late") later(call, operation, mood, () => settle(resolve, reject));
    });
  }

  /** It does as the store was inclined when it was asked for the lock; what is garbage throws. */
  function releaseOf(mood: StoreMood): () => Promise<void> {
    return () => {
      if (mood.what !== "garbage") return answer("release", undefined, undefined, mood);
      calls++;
      throw unreachable();
    };
  }

  const store: TokenStore = {
    // The second key of a look, where failures are kept, has nothing.
    get: async () => (gets++ % 2 === 0 ? answer("get", undefined, 42) : undefined),
    set: () => answer("set", true, "?"),
    delete: async () => {},
    lock: () => answer("lock", { state: "acquired", release: releaseOf(moods.release) }, { state: "?" }),
  };
  return { store, moods, calls: () => calls };
}

function unreachable(): Error {
  return Object.assign(new Error("store: canary"), { code: "ECONNRESET" });
}
