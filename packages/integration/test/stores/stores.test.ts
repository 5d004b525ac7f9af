import { join } from "node:path";
import { type StoreShape, testStore } from "@iam/conformance";
import { memoryStore } from "@iam/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundledWorker, startIsolate } from "../isolate.ts";

testStore({
  name: "memoryStore",
  async open() {
    const store = memoryStore();
    return { stores: [store, store] };
  },
});

describe("in workerd", () => {
  let isolate: Awaited<ReturnType<typeof startIsolate>>;
  beforeAll(async () => {
    isolate = await startIsolate(await bundledWorker(join(import.meta.dirname, "worker.ts")), {
      kvNamespaces: ["TOKENS"],
      durableObjects: { ENTRIES: "TokenEntry" },
    });
    await isolate.worker.ready;
  }, 30_000);
  afterAll(() => isolate?.[Symbol.asyncDispose]());

  async function ask<T>(path: string, ...args: unknown[]): Promise<T> {
    const response = await isolate.worker.dispatchFetch(`http://worker.test/${path}`, {
      method: "POST",
      body: JSON.stringify(args),
    });
    if (!response.ok) throw new Error(await response.text());
    return ((await response.json()) as { answer: T }).answer;
  }

  /** The store within the worker, as the contract wants it outside. */
  function remote(kind: "kv" | "do", locking: boolean): StoreShape {
    return {
      get: (key) => ask(`${kind}/get`, key),
      set: (key, entry, options) => ask(`${kind}/set`, key, entry, options),
      delete: (key, options) => ask(`${kind}/delete`, key, options),
      ...(locking && {
        async lock(key, { ttlMs }) {
          const lock = await ask<{ state: "held"; owner: string } | { state: "acquired"; name: string }>(
            `${kind}/lock`,
            key,
            { ttlMs },
          );
          return lock.state === "held"
            ? lock
            : { state: "acquired", release: () => ask(`${kind}/release`, lock.name) };
        },
      }),
    };
  }

  testStore({
    name: "the example on Cloudflare KV",
    async open() {
      const store = remote("kv", false);
      return { stores: [store, store] };
    },
    cannot: {
      lock: "KV has nothing that compares and writes in one step.",
      compare: "KV has nothing that compares and writes in one step.",
      "keep time": "KV keeps an entry for at least a minute, and does not tell how long it has to live.",
      subscribe: "KV calls nobody.",
    },
  });

  testStore({
    name: "the example on Durable Objects",
    async open() {
      const store = remote("do", true);
      return { stores: [store, store] };
    },
    cannot: { subscribe: "It would take a WebSocket, which polls do without." },
  });

  test.for(["kv", "do"])("two isolates' worth of managers share one grant through %s", async (kind) => {
    const before = isolate.emulator.counters.grants;
    const first = await ask<string>(`${kind}/token`);
    const second = await ask<string>(`${kind}/token`);
    expect(second).toBe(first);
    expect(isolate.emulator.counters.grants - before).toBe(1);
  });

  test("twenty cold managers at once make one grant through a Durable Object", async () => {
    // Nobody has a token any more: another key, and so other names.
    const apiKey = "canary-of-twenty";
    isolate.emulator.apiKeys.add(apiKey);
    const before = isolate.emulator.counters.grants;
    const tokens = await Promise.all(Array.from({ length: 20 }, () => ask<string>("do/token", apiKey)));
    expect(new Set(tokens).size).toBe(1);
    expect(isolate.emulator.counters.grants - before).toBe(1);
  });
});
