import type { Instant } from "./clock.ts";
import { after } from "./deadline.ts";
import type { StoreOperation } from "./events.ts";
import { tell } from "./events.ts";
import type { ExchangeRun, SharingContext } from "./exchange-run.ts";
import type { Lifetime } from "./expiry.ts";
import type { Seal } from "./seal.ts";
import {
  instantOf,
  lifetimeInStore,
  packRefusal,
  packToken,
  type SharedRefusal,
  type SharedToken,
  unpackRefusal,
  unpackToken,
} from "./shared-entry.ts";
import { GarbageError, type StoreGuard } from "./store-guard.ts";
import type { StoredEntry, StoreLock, TokenStore } from "./token-store.ts";

/** A store, and what its users have in common. */
export interface Shared {
  readonly store: TokenStore;
  readonly guard: StoreGuard;
  readonly pepper: Uint8Array;
  readonly timeoutMs: number;
  readonly waitMs: number;
}

/** What a look into the store shows. */
export interface Found {
  readonly token: { readonly said: SharedToken; readonly life: Lifetime } | undefined;
  /** A failure of somebody's exchange, and for how long it says to ask no more. */
  readonly refusal: { readonly said: SharedRefusal; readonly leftMs: number } | undefined;
}

/** Whoever leads asks the token endpoint; `release` lets the next one. */
type Turn = StoreLock | { readonly state: "unlocked" };

/** The store as one exchange sees it: its own two keys, sealed. Undefined from any of these: the store has failed. */
export interface StoreVisit {
  look(): Promise<Found | undefined>;
  takeTurn(): Promise<Turn | undefined>;
  /** Waits until it may be time to look again. */
  untilChanged(ms: number): Promise<void>;
  /** Writes a token, unless another has been written since the last look, and takes back what was said of failures. */
  keepToken(token: SharedToken, ttlMs: number): Promise<void>;
  keepRefusal(refusal: SharedRefusal): Promise<void>;
  /** Waits for something that follows the exchange, as long as the caller can be kept for the sake of the store. */
  patiently(task: Promise<unknown>): Promise<void>;
  /** The caller waits for another process, or nobody waits: the calls that follow have the whole patience once more, together. */
  renewPatience(): void;
}

/** For how long a lock is held: an exchange that takes longer costs another, which beats waiting for one that is dead. */
export const lockMs = 2_000;

/** Makes the visit of one exchange. */
export async function visitStore(
  run: ExchangeRun,
  seal: Seal,
  { store, guard, timeoutMs }: Shared,
  { clock, random, onEvent }: SharingContext,
): Promise<StoreVisit> {
  const [tokenKey, refusalKey] = await Promise.all([seal.keyFor("token"), seal.keyFor("refusal")]);
  const wallClock = store.wallClock === true;
  let budgetMs = timeoutMs;
  /** What was under the keys at the last look. */
  let version: string | null = null;
  let refusalVersion: string | undefined;
  let garbageTold = false;
  /** What is being written. The lock is not let go before it is there, or the next one would find nothing and ask too. */
  let writing: Promise<unknown> = Promise.resolve();

  async function ask<T>(
    operation: StoreOperation,
    call: (signal: AbortSignal) => Promise<T>,
    { patienceMs = budgetMs, late }: { patienceMs?: number; late?: (value: T) => unknown } = {},
  ): Promise<{ readonly value: T } | undefined> {
    const from = clock.monotonicNow();
    const answer = await guard.ask({
      scope: run,
      onEvent,
      operation,
      patienceMs,
      run: call,
      ...(late && { late }),
    });
    budgetMs -= clock.monotonicNow() - from;
    return answer;
  }

  /** The text under a seal; undefined for none, and for what does not open: the next write replaces it. */
  async function opened(key: string, kept: StoredEntry | undefined): Promise<string | undefined> {
    if (kept === undefined) return undefined;
    const text = await seal.open(key, kept.entry);
    if (text === undefined && !garbageTold) {
      garbageTold = true;
      tell(onEvent, { type: "store_failed", operation: "get", problem: "garbage", pauseMs: 0 });
    }
    return text;
  }

  function tokenIn(text: string | undefined, kept: StoredEntry | undefined, readAt: Instant): Found["token"] {
    const said = unpackToken(text);
    const life = said && kept && lifetimeInStore(said, kept, readAt, { random, wallClock });
    return life && { said, life };
  }

  function refusalIn(text: string | undefined, kept: StoredEntry | undefined): Found["refusal"] {
    const said = unpackRefusal(text);
    return said && kept?.ttlMs !== undefined
      ? { said, leftMs: said.pauseMs - (said.keptMs - Math.min(kept.ttlMs, said.keptMs)) }
      : undefined;
  }

  async function look(): Promise<Found | undefined> {
    const readAt = instantOf(clock);
    const answer = await ask("get", async () =>
      (await Promise.all([store.get(tokenKey), wallClock ? undefined : store.get(refusalKey)])).map(
        checkEntry,
      ),
    );
    if (answer === undefined) return undefined;
    const [token, refusal] = answer.value;
    version = token?.entry ?? null;
    refusalVersion = refusal?.entry;
    return {
      token: tokenIn(await opened(tokenKey, token), token, readAt),
      refusal: refusalIn(await opened(refusalKey, refusal), refusal),
    };
  }

  async function takeTurn(): Promise<Turn | undefined> {
    if (store.lock === undefined) return { state: "unlocked" };
    const answer = await ask(
      "lock",
      async (signal) => checkLock(await store.lock?.(tokenKey, { ttlMs: lockMs, signal })),
      { late: (lock) => void (lock.state === "acquired" && letGo(lock).catch(() => {})) },
    );
    const lock = answer?.value;
    if (lock?.state !== "acquired") return lock;
    return {
      state: "acquired",
      async release() {
        await writing;
        // When the manager is disposed of meanwhile, the lock ends by itself.
        await ask("release", () => lock.release(), { patienceMs: timeoutMs }).catch(() => {});
      },
    };
  }

  async function keepToken(token: SharedToken, ttlMs: number): Promise<void> {
    const options = { ttlMs: Math.floor(ttlMs), ifVersion: version };
    if (options.ttlMs < 1) return;
    const entry = await seal.close(tokenKey, packToken(token));
    const stale = refusalVersion;
    await Promise.all([
      ask("set", () => store.set(tokenKey, entry, options), { patienceMs: timeoutMs }),
      stale !== undefined &&
        ask("delete", () => store.delete(refusalKey, { ifVersion: stale }), { patienceMs: timeoutMs }),
    ]);
  }

  async function keepRefusal(refusal: SharedRefusal): Promise<void> {
    if (wallClock) return;
    const entry = await seal.close(refusalKey, packRefusal(refusal));
    const options = { ttlMs: Math.floor(refusal.keptMs) };
    await ask("set", () => store.set(refusalKey, entry, options), { patienceMs: timeoutMs });
  }

  function beforeRelease(written: Promise<void>): Promise<void> {
    writing = written.catch(() => {});
    return written;
  }

  return {
    look,
    takeTurn,
    untilChanged(ms) {
      let subscribed: Promise<(() => unknown) | undefined> | undefined;
      return new Promise<void>((resolve, reject) => {
        const leave = after(run, ms, (reason) => (reason === undefined ? resolve() : reject(reason)));
        let listening = false;
        const changed = () => {
          // One that calls back at once says nothing new, and would have us look without end.
          if (!listening) return;
          leave();
          resolve();
        };
        // A store may fail here at once, later, or when it is left: the polls find out by themselves.
        subscribed = (async () => store.subscribe?.(tokenKey, changed))();
        listening = true;
        subscribed.catch(() => {});
      }).finally(() => {
        subscribed?.then((unsubscribe) => unsubscribe?.()).catch(() => {});
      });
    },
    keepToken: (token, ttlMs) => beforeRelease(keepToken(token, ttlMs)),
    keepRefusal: (refusal) => beforeRelease(keepRefusal(refusal)),
    patiently(task) {
      return new Promise((resolve) => {
        const leave = after(run, Math.max(budgetMs, 0), () => resolve());
        task
          .catch(() => {})
          .finally(() => {
            leave();
            resolve();
          });
      });
    },
    renewPatience() {
      budgetMs = timeoutMs;
    },
  };
}

/** The largest token response, sealed, is shorter. */
const longestEntry = 2 ** 21;

function checkEntry(kept: StoredEntry | undefined): StoredEntry | undefined {
  if (kept === undefined || kept === null) return undefined;
  const { entry, ttlMs } = kept;
  const timed = ttlMs === undefined || (typeof ttlMs === "number" && ttlMs >= 0 && ttlMs < Infinity);
  if (typeof entry !== "string" || entry.length > longestEntry || !timed) throw new GarbageError();
  return { entry, ttlMs };
}

/** Within a promise whatever the store does: one that throws at once, or gives none, is nobody's to catch when it is late. */
async function letGo(lock: StoreLock & { readonly state: "acquired" }): Promise<void> {
  await lock.release();
}

function checkLock(lock: StoreLock | undefined): StoreLock {
  if (lock?.state === "held" || (lock?.state === "acquired" && typeof lock.release === "function"))
    return lock;
  throw new GarbageError();
}
