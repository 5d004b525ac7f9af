import { IamError, type TokenStore } from "@iam/core";
import { type Evaluate, evaluator, type RedisClient } from "./redis-client.ts";
import { deleteScript, getScript, lockScript, setScript } from "./scripts.ts";

/** Options of {@link redisStore}. */
export interface RedisStoreOptions {
  /** A node-redis (5, 6) or ioredis (5, 6) client or cluster client. It is used, and never connected or closed. */
  client: RedisClient;
  /** What the keys begin with. Default: `"iam:"`. */
  prefix?: string | undefined;
}

/** How many keys are remembered between reading and writing them. */
const maxClocks = 1_000;

/**
 * A token store on Redis 5 or newer, or Valkey; standalone, with Sentinel, or as a cluster.
 *
 * Keys are `<prefix>{<key>}` and, for locks, `<prefix>{<key>}:lock`: one slot of a cluster each. Every call is one script, so
 * the user that the client logs in as needs EVAL, GET, SET, DEL, PTTL and TIME.
 *
 * Units: milliseconds.
 * Errors: `ERR_IAM_CONFIG` for what is not a client. What it makes rejects with the client's errors, with Redis' word as `code`;
 * `sharedStore` takes care of them.
 *
 * @example
 * ```ts
 * import { apiKeyGrant, createTokenManager, sharedStore } from "@iam/core";
 * import { redisStore } from "@iam/store-redis";
 * import { createClient } from "redis";
 * const client = createClient({ url: "redis://127.0.0.1:6379" }).on("error", console.error);
 * await client.connect();
 * export const manager = createTokenManager({
 *   grant: apiKeyGrant(process.env.IBMCLOUD_API_KEY),
 *   store: sharedStore(redisStore({ client })),
 * });
 * ```
 */
export function redisStore(options: RedisStoreOptions): TokenStore {
  const { client, prefix = "iam:" } = options ?? {};
  if (typeof client?.eval !== "function")
    throw new IamError("ERR_IAM_CONFIG", "redisStore needs { client }: a client of node-redis or ioredis.");
  // A brace of the user's own would decide the slot.
  if (typeof prefix !== "string" || /[{}]/.test(prefix))
    throw new IamError("ERR_IAM_CONFIG", "redisStore: prefix must be a string without braces.");
  const evaluate = evaluator(client);
  const clocks = createClocks(evaluate);
  const entryKey = (key: string) => `${prefix}{${key}}`;

  return {
    async get(key) {
      const { entry, ttlMs } = await clocks.read(entryKey(key));
      if (entry === null) return undefined;
      // PTTL says -1 for a key without an end: not one of ours.
      return { entry, ...(ttlMs >= 0 && { ttlMs }) };
    },
    async set(key, entry, { ttlMs, ifVersion }) {
      const name = entryKey(key);
      const endsAt = Math.floor((await clocks.now(name)) + ttlMs);
      const expected = ifVersion === undefined ? "any" : ifVersion === null ? "none" : `=${ifVersion}`;
      return (
        Number(await evaluate(setScript, name, [entry, `${Math.floor(ttlMs)}`, `${endsAt}`, expected])) === 1
      );
    },
    async delete(key, { ifVersion }) {
      await evaluate(deleteScript, entryKey(key), [ifVersion]);
    },
    async lock(key, { ttlMs }) {
      const name = `${entryKey(key)}:lock`;
      const owner = globalThis.crypto.randomUUID();
      const holder = textOf(await evaluate(lockScript, name, [owner, `${Math.floor(ttlMs)}`]));
      if (holder !== owner) return { state: "held", owner: holder };
      return {
        state: "acquired",
        async release() {
          await evaluate(deleteScript, name, [owner]);
        },
      };
    },
  };
}

/**
 * Reads entries, and with each the clock of the server that has it. It is remembered until the key is written, so that the
 * end of the entry can be told in the server's own time, whenever the command gets there.
 */
function createClocks(evaluate: Evaluate) {
  const aheadMs = new Map<string, number>();

  async function read(name: string) {
    const reply = await evaluate(getScript, name, []);
    if (!Array.isArray(reply)) throw new TypeError("Redis gave something else than a list.");
    const [entry, ttlMs, serverMs] = reply;
    // After the answer: the end is told too early rather than too late.
    aheadMs.set(name, Number(serverMs) - performance.now());
    for (const oldest of aheadMs.keys()) {
      if (aheadMs.size <= maxClocks) break;
      aheadMs.delete(oldest);
    }
    return { entry: entry === null ? null : textOf(entry), ttlMs: Number(ttlMs) };
  }

  return {
    read,
    async now(name: string): Promise<number> {
      if (!aheadMs.has(name)) await read(name);
      const ahead = aheadMs.get(name) ?? Number.NaN;
      aheadMs.delete(name);
      return performance.now() + ahead;
    },
  };
}

/** A reply that is a text; clients can be told to give bytes. */
function textOf(reply: unknown): string {
  if (typeof reply === "string") return reply;
  if (reply instanceof Uint8Array) return new TextDecoder().decode(reply);
  throw new TypeError("Redis gave something else than a text.");
}
