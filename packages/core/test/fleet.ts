import {
  apiKeyGrant,
  type Clock,
  createTokenManager,
  memoryStore,
  type SharedStoreOptions,
  sharedStore,
  type TokenManager,
  type TokenManagerEvent,
  type TokenManagerOptions,
  type TokenResponse,
  type TokenStore,
  tokenResponse,
} from "../src/index.ts";
import { settle } from "./settle-ciphering.ts";

export const apiKey = "canary-key-0123456789-abcdefghijklmnopqrstuv";

/** An answer of the token endpoint with that status. */
export const failing =
  (status: number, fields: { retryAfter?: string } = {}) =>
  () =>
    tokenResponse({
      status,
      body: JSON.stringify({ errorCode: status === 400 ? "BXNIM0415E" : undefined }),
      ...fields,
    });
/** No answer at all. */
export const unreachable = () => {
  throw Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNREFUSED" } });
};

/** One time for everybody, moved by hand. */
export interface FleetClock extends Clock {
  advance(ms: number): Promise<void>;
  /** How many timers are set. */
  waiting(): number;
}

function fleetClock(): FleetClock {
  let now = 5_000;
  let order = 0;
  const timers = new Set<{ dueAt: number; order: number; run: () => void }>();
  const next = () => [...timers].sort((a, b) => a.dueAt - b.dueAt || a.order - b.order)[0];
  return {
    wallNow: () => 1_800_000_000_000 + now,
    monotonicNow: () => now,
    setTimer(run, delayMs) {
      const timer = { dueAt: now + Math.max(0, delayMs), order: order++, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    waiting: () => timers.size,
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (let timer = next(); timer !== undefined && timer.dueAt <= end; timer = next()) {
        timers.delete(timer);
        now = timer.dueAt;
        timer.run();
        await settle();
      }
      now = end;
    },
  };
}

/** How a store misbehaves. */
interface StoreFault {
  /** Milliseconds before each answer. */
  delayMs?: number;
  /** What each call throws. */
  error?: Error;
  /** Nothing is answered at all. */
  hangs?: boolean;
  /** What `get` gives whatever the key. */
  answer?: unknown;
}

/** A store that can be broken. The rest is the real one in memory. */
function breakable(inner: TokenStore, clock: Clock) {
  const state = {
    fault: {} as StoreFault,
    calls: { get: 0, set: 0, delete: 0, lock: 0 },
    /** What was written, in order. */
    entries: [] as { key: string; entry: string; ttlMs: number }[],
    /** The keys that were asked for. */
    read: [] as string[],
  };
  async function through<T>(name: keyof typeof state.calls, call: () => Promise<T>): Promise<T> {
    state.calls[name]++;
    const { delayMs = 0, error, hangs, answer } = state.fault;
    if (hangs) await new Promise(() => {});
    if (delayMs > 0)
      await new Promise<void>((resolve) => clock.setTimer(resolve, delayMs, { background: false }));
    if (error) throw error;
    return name === "get" && answer !== undefined ? (answer as T) : call();
  }
  const store: TokenStore = {
    wallClock: inner.wallClock,
    get: (key) => {
      state.read.push(key);
      return through("get", () => inner.get(key));
    },
    set: (key, entry, options) => {
      state.entries.push({ key, entry, ttlMs: options.ttlMs });
      return through("set", () => inner.set(key, entry, options));
    },
    delete: (key, options) => through("delete", () => inner.delete(key, options)),
    ...(inner.lock && {
      lock: (key, options) =>
        through("lock", async () => (await inner.lock?.(key, options)) ?? { state: "held" as const }),
    }),
  };
  return Object.assign(state, { store });
}

/** What the token endpoint does with one request. */
type FleetAnswer = () => TokenResponse | Promise<TokenResponse>;

/** Processes that share a store and a token endpoint, on one clock. */
export function createFleet(options: SharedStoreOptions & { store?: TokenStore; expiresIn?: number } = {}) {
  const { expiresIn = 3600, store: own, ...sharing } = options;
  const clock = fleetClock();
  const broken = breakable(own ?? memoryStore({ clock }), clock);
  const events: TokenManagerEvent[] = [];
  let tokens = 0;
  const granting: FleetAnswer = () =>
    tokenResponse({
      status: 200,
      body: JSON.stringify({ access_token: `token-${++tokens}`, expires_in: fleet.expiresIn }),
    });
  const fleet = {
    clock,
    /** The store that they share, and what it was asked. */
    broken,
    events,
    expiresIn,
    granting,
    /** What the endpoint does. */
    answer: granting,
    /** Monotonic times of the token requests. */
    requests: [] as number[],
    /** Lets the endpoint take so long. */
    latencyMs: 0,
    random: 0.5,
    process(more: Partial<TokenManagerOptions> & { sharing?: SharedStoreOptions } = {}): TokenManager {
      const { sharing: ownSharing, ...manager } = more;
      return createTokenManager({
        grant: apiKeyGrant(apiKey),
        clock,
        random: () => fleet.random,
        onEvent: (event) => events.push(event),
        store: sharedStore(broken.store, { ...sharing, ...ownSharing }),
        transport: async (_request, { signal }) => {
          fleet.requests.push(clock.monotonicNow());
          if (fleet.latencyMs > 0)
            await new Promise<void>((resolve) =>
              clock.setTimer(resolve, fleet.latencyMs, { background: false }),
            );
          signal.throwIfAborted();
          return fleet.answer();
        },
        ...manager,
      });
    },
    /** What a promise comes to while time goes by. */
    async within<T>(ms: number, promise: Promise<T>): Promise<{ value?: T; error?: Error; tookMs: number }> {
      const from = clock.monotonicNow();
      let outcome: { value?: T; error?: Error; tookMs: number } | undefined;
      promise.then(
        (value) => {
          outcome = { value, tookMs: clock.monotonicNow() - from };
        },
        (error: Error) => {
          outcome = { error, tookMs: clock.monotonicNow() - from };
        },
      );
      await settle();
      for (let passed = 0; passed < ms && outcome === undefined; passed += 5) await clock.advance(5);
      if (outcome === undefined) throw new Error(`nothing came of it in ${ms} ms`);
      return outcome;
    },
  };
  return fleet;
}
