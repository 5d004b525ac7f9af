import { hasRedisServer, type RedisServer, startRedisServer } from "@iam/conformance/redis-server";
import {
  apiKeyGrant,
  createTokenManager,
  sharedStore,
  type TokenManager,
  type TokenManagerEvent,
} from "@iam/core";
import { type RunningEmulator, startEmulator } from "@iam/emulator";
import { createClient } from "redis";
import { describe, expect, onTestFinished, test } from "vitest";
import { redisStore } from "../src/index.ts";
import { clients } from "./redis-clients.ts";

type Admin = ReturnType<typeof createClient>;

interface Scene {
  readonly emulator: RunningEmulator;
  readonly redis: RedisServer;
  readonly admin: Admin;
  readonly failures: Extract<TokenManagerEvent, { type: "store_failed" }>[];
  /** A process of its own, as far as tokens are concerned: one manager with its own connection. */
  process(apiKey?: string): Promise<TokenManager>;
}

async function scene(client: string): Promise<Scene> {
  const emulator = await startEmulator();
  const redis = await startRedisServer();
  const admin: Admin = createClient({ url: redis.url });
  await admin.on("error", () => {}).connect();
  const failures: Scene["failures"] = [];
  const closing: (() => unknown)[] = [() => admin.destroy(), () => emulator.close()];
  onTestFinished(async () => {
    redis.signal("SIGCONT");
    for (const close of closing) await close();
    await redis.stop();
  });
  return {
    emulator,
    redis,
    admin,
    failures,
    async process(apiKey = emulator.apiKey) {
      const connected = await clients[client]?.connect(redis.port);
      if (connected === undefined) throw new Error("no client");
      closing.unshift(connected.close);
      return createTokenManager({
        grant: apiKeyGrant(apiKey),
        tokenEndpoint: emulator.url,
        store: sharedStore(redisStore({ client: connected.client })),
        onEvent: (event) => void (event.type === "store_failed" && failures.push(event)),
      });
    },
  };
}

/** The keys of entries; locks are others. */
async function entryKeys(admin: Admin): Promise<string[]> {
  return (await admin.keys("iam:*")).filter((key) => !key.endsWith(":lock"));
}

/** What becomes of Redis, and the `problem` that the event tells of it. */
const faults: Readonly<Record<string, { problem: RegExp; breakIt: (scene: Scene) => unknown }>> = {
  "stands still": { problem: /^timeout$/, breakIt: ({ redis }) => redis.signal("SIGSTOP") },
  "has been killed": {
    problem: /^(ERR_REDIS_NOT_CONNECTED|ECONNREFUSED|ECONNRESET|timeout)$/,
    breakIt: ({ redis }) => redis.stop(),
  },
  "is full": {
    problem: /^OOM$/,
    breakIt: ({ admin }) => admin.sendCommand(["CONFIG", "SET", "maxmemory", "1"]),
  },
  "is read-only": {
    problem: /^(READONLY|MASTERDOWN)$/,
    breakIt: ({ admin, redis }) => admin.sendCommand(["REPLICAOF", "127.0.0.1", `${redis.port}`]),
  },
  "wants a password now": {
    problem: /^NOPERM$/,
    breakIt: ({ admin }) => admin.sendCommand(["ACL", "SETUSER", "default", "-@all", "+config", "+acl"]),
  },
};

describe.skipIf(!hasRedisServer).for(["node-redis 6", "ioredis 6"])("over %s", (client) => {
  test("processes share one grant, and a restarted Redis costs one more", async () => {
    const it = await scene(client);
    const managers = await Promise.all([it.process(), it.process(), it.process()]);
    const tokens = await Promise.all(managers.map((manager) => manager.getToken()));
    expect(new Set(tokens.map(({ accessToken }) => accessToken)).size).toBe(1);
    expect(it.emulator.counters.grants).toBe(1);
    await it.redis.restart();
    for (const manager of [await it.process(), await it.process()]) await manager.getToken();
    expect(it.emulator.counters.grants).toBe(2);
  });

  test.for(Object.entries(faults))(
    "a Redis that %s: requests succeed, an event tells what is wrong, nothing hangs",
    {
      timeout: 30_000,
    },
    async ([, { problem, breakIt }]) => {
      const it = await scene(client);
      const managers = [await it.process(), await it.process()];
      await Promise.all(managers.map((manager) => manager.getToken()));
      expect(it.failures).toEqual([]);
      // For both a token is due that is not in the store.
      await it.admin.sendCommand(["FLUSHALL"]);
      const cold = [await it.process(), await it.process()];
      await breakIt(it);
      const from = performance.now();
      await Promise.all(cold.map((manager) => manager.getToken()));
      expect(performance.now() - from).toBeLessThan(1_500);
      expect(it.failures.length).toBeGreaterThanOrEqual(2);
      expect(it.failures.every(({ pauseMs }) => pauseMs >= 100)).toBe(true);
      for (const failure of it.failures) expect(failure.problem).toMatch(problem);
      expect(managers.every((manager) => manager.peek() !== undefined)).toBe(true);
    },
  );

  const wrongs: Readonly<Record<string, (admin: Admin, key: string) => Promise<unknown>>> = {
    "a list": async (admin, key) => {
      await admin.del(key);
      await admin.rPush(key, "x");
    },
    "a text of somebody else": (admin, key) =>
      admin.set(key, "{}", { expiration: { type: "PX", value: 60_000 } }),
    "nothing at all": (admin, key) => admin.set(key, "", { expiration: { type: "PX", value: 60_000 } }),
    "an entry without an end": (admin, key) => admin.persist(key),
  };
  test.for(Object.entries(wrongs))(
    "what is under the key is %s: never taken for a token",
    async ([, put]) => {
      const it = await scene(client);
      const first = await (await it.process()).getToken();
      for (const key of await entryKeys(it.admin)) await put(it.admin, key);
      const token = await (await it.process()).getToken();
      expect(token.accessToken).not.toBe(first.accessToken);
      expect(it.emulator.counters.grants).toBe(2);
    },
  );

  test("another tenant's entry under the key is never taken", async () => {
    const it = await scene(client);
    const other = "canary-of-another-tenant";
    it.emulator.apiKeys.add(other);
    const mine = await (await it.process()).getToken();
    const [myKey = ""] = await entryKeys(it.admin);
    const theirs = await (await it.process(other)).getToken();
    const [theirKey = ""] = (await entryKeys(it.admin)).filter((key) => key !== myKey);
    await it.admin.set(myKey, (await it.admin.get(theirKey)) ?? "", {
      expiration: { type: "PX", value: 3_000_000 },
    });
    const { accessToken } = await (await it.process()).getToken();
    expect([mine.accessToken, theirs.accessToken]).not.toContain(accessToken);
    expect(it.failures).toMatchObject([{ problem: "garbage", pauseMs: 0 }]);
  });

  test("who reads everything in Redis finds no token and no key in it", async () => {
    const it = await scene(client);
    const { accessToken } = await (await it.process()).getToken();
    const dump: string[] = [];
    for (const key of await it.admin.keys("*")) dump.push(key, (await it.admin.get(key)) ?? "");
    expect(dump.length).toBeGreaterThanOrEqual(2);
    const forms = dump.flatMap((text) => [text, Buffer.from(text, "base64url").toString("latin1")]);
    for (const secret of [accessToken, it.emulator.apiKey, accessToken.split(".")[1] ?? "-", "127.0.0.1"])
      for (const form of forms) expect(form).not.toContain(secret);
  });
});
