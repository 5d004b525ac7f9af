import { testStore } from "@iam/conformance";
import {
  hasRedisServer,
  type RedisCluster,
  type RedisServer,
  startRedisCluster,
  startRedisServer,
} from "@iam/conformance/redis-server";
import { createClient } from "redis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type NodeRedisClient, redisStore } from "../src/index.ts";
import { clients } from "./redis-clients.ts";

const signal = new AbortController().signal;
const longMs = 3_600_000;

test.for([undefined, null, {}, { client: {} }, { client: { get() {} } }, { client: Promise.resolve({}) }])(
  "%o is no client",
  (options) => {
    const message = "redisStore needs { client }: a client of node-redis or ioredis.";
    expect(() => redisStore(options as never)).toThrow(
      expect.objectContaining({ code: "ERR_IAM_CONFIG", message }),
    );
  },
);

test.for<[word: string | undefined, message: string]>([
  ["OOM", "OOM command not allowed when used memory > 'maxmemory'. script: 4e1, on @user_script:1."],
  ["READONLY", "READONLY You can't write against a read only replica. script: 4e1, on @user_script:1."],
  ["NOPERM", "NOPERM User app has no permissions to run the 'eval' command"],
  ["NOAUTH", "NOAUTH Authentication required."],
  [
    "WRONGTYPE",
    "ERR Error running script (call to f_4e1): @user_script:1: WRONGTYPE Operation against a key",
  ],
  [
    "OOM",
    "ERR Error running script (call to f_4e1): @user_script:1: @user_script: 1: -OOM command not allowed",
  ],
  ["ERR", "ERR unknown command 'eval'"],
  [undefined, "Connection is closed."],
])("Redis' word %s is the code of an error that has none", async ([code, message]) => {
  const store = redisStore({ client: { eval: () => Promise.reject(new Error(message)) } });
  const error: unknown = await store.get("key").catch((reason: unknown) => reason);
  expect(error).toMatchObject({ message });
  expect((error as { code?: unknown }).code).toBe(code);
});

test("an error that has a code keeps it", async () => {
  const error = Object.assign(new Error("OOM of the client"), { code: "ECONNRESET" });
  const store = redisStore({ client: { eval: () => Promise.reject(error) } });
  await expect(store.get("key")).rejects.toBe(error);
});

test.for(["a{b}", "{", 5])("the prefix %o is refused", (prefix) => {
  const client = { eval: async () => "" };
  expect(() => redisStore({ client, prefix } as never)).toThrow(/braces/);
});

describe.skipIf(!hasRedisServer)("a real redis-server", () => {
  let server: RedisServer;
  let client: ReturnType<typeof createClient>;
  beforeAll(async () => {
    server = await startRedisServer();
    client = createClient({ url: server.url });
    await client.on("error", () => {}).connect();
  });
  afterAll(async () => {
    client?.destroy();
    await server?.stop();
  });

  test("keys have the prefix, and one slot of a cluster for entry and lock", async () => {
    const store = redisStore({ client, prefix: "mine:" });
    await store.set("key-1", "entry", { ttlMs: longMs });
    await store.lock?.("key-1", { ttlMs: longMs, signal });
    const keys = (await client.keys("mine:*")).sort();
    expect(keys).toEqual(["mine:{key-1}", "mine:{key-1}:lock"]);
    const slots = await Promise.all(keys.map((key) => client.clusterKeySlot(key).catch(() => undefined)));
    expect(new Set(slots).size).toBe(1);
    const other = redisStore({ client });
    expect(await other.get("key-1")).toBeUndefined();
  });

  test("a lock is SET NX PX with an owner that nobody else has", async () => {
    const store = redisStore({ client });
    await store.lock?.("locked", { ttlMs: 60_000, signal });
    expect(await client.get("iam:{locked}:lock")).toMatch(/^[\da-f-]{36}$/);
    const ttl = await client.pTTL("iam:{locked}:lock");
    expect(ttl).toBeGreaterThan(50_000);
    expect(ttl).toBeLessThanOrEqual(60_000);
  });

  test("an entry that somebody has made endless does not say how long it lives", async () => {
    const store = redisStore({ client });
    await client.set("iam:{endless}", "entry");
    expect(await store.get("endless")).toEqual({ entry: "entry" });
  });

  test.for(Object.entries(clients))(
    "what %s is given stays the user's: connected, and never closed",
    async ([, { connect }]) => {
      const { client, close } = await connect(server.port);
      onTestFinished(close);
      const store = redisStore({ client });
      await store.set("key", "entry", { ttlMs: longMs });
      await store.get("key");
      expect("status" in client ? client.status === "ready" : client.isReady).toBe(true);
    },
  );

  /** A client that holds commands back, as all do while they are disconnected. */
  function queueing() {
    let open = () => {};
    let gate = Promise.resolve();
    const queued: NodeRedisClient = {
      async eval(script, options) {
        await gate;
        return client.eval(script, options);
      },
    };
    return {
      store: redisStore({ client: queued }),
      hold() {
        gate = new Promise((resolve) => {
          open = resolve;
        });
      },
      release: () => open(),
    };
  }

  test("an entry that a client kept in its queue until it had ended is not written", async () => {
    const { store, hold, release } = queueing();
    await store.get("late-1");
    hold();
    const written = store.set("late-1", "entry", { ttlMs: 60 });
    await new Promise((resolve) => setTimeout(resolve, 120));
    release();
    expect(await written).toBe(false);
    expect(await client.get("iam:{late-1}")).toBeNull();
  });

  test("time in the queue is time off the life of an entry", async () => {
    const { store, hold, release } = queueing();
    await store.get("late-2");
    hold();
    const written = store.set("late-2", "entry", { ttlMs: 100_000 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    release();
    expect(await written).toBe(true);
    expect(await client.pTTL("iam:{late-2}")).toBeLessThanOrEqual(99_700);
  });

  test("many keys that are read and never written are not all remembered", async () => {
    const store = redisStore({ client });
    for (let batch = 0; batch < 30; batch++)
      await Promise.all(Array.from({ length: 50 }, (_, at) => store.get(`read-${batch}-${at}`)));
    expect(await store.set("read-0-0", "entry", { ttlMs: longMs })).toBe(true);
  });

  test.for(Object.entries(clients))(
    "%s fails at once when the server it was connected to has gone",
    async ([, { connect }]) => {
      const own = await startRedisServer();
      const { client, close } = await connect(own.port);
      onTestFinished(async () => {
        close();
        await own.stop();
      });
      const store = redisStore({ client });
      await store.get("key");
      await own.stop();
      await expect
        .poll(() => ("status" in client ? client.status !== "ready" : !client.isReady), { timeout: 5_000 })
        .toBe(true);
      await expect(store.get("key")).rejects.toMatchObject({ code: "ERR_REDIS_NOT_CONNECTED" });
    },
  );
});

describe.skipIf(!hasRedisServer)("a cluster of three nodes", () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  }, 60_000);
  afterAll(() => cluster?.stop());

  for (const [name, { connectCluster }] of Object.entries(clients)) {
    testStore({
      name: `redisStore over the cluster client of ${name}`,
      async open() {
        const { client, close } = await connectCluster(cluster.ports);
        const store = redisStore({ client });
        return { stores: [store, store], close: async () => close() };
      },
      cannot: { subscribe: "It takes a connection of its own, which polls do without." },
    });
  }

  test("keys are spread over all nodes", async () => {
    const { client, close } = await (clients["node-redis 6"]?.connectCluster(cluster.ports) ??
      Promise.reject(new Error("no client")));
    onTestFinished(close);
    const store = redisStore({ client });
    await Promise.all(
      Array.from({ length: 60 }, (_, at) => store.set(`spread-${at}`, "entry", { ttlMs: longMs })),
    );
    for (const port of cluster.ports) {
      const node = createClient({ url: `redis://127.0.0.1:${port}` });
      await node.on("error", () => {}).connect();
      expect(await node.dbSize()).toBeGreaterThan(0);
      node.destroy();
    }
  });
});
