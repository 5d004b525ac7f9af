import { describe, expect, test } from "vitest";
import {
  apiKeyGrant,
  createTokenPool,
  memoryStore,
  sharedStore,
  type TokenManagerEvent,
  type TokenPoolOptions,
  tokenResponse,
} from "../src/index.ts";
import { createFleet } from "./fleet.ts";
import { settle } from "./settle-ciphering.ts";

function pooled(options: Partial<TokenPoolOptions> = {}) {
  const fleet = createFleet();
  const requested: string[] = [];
  const grants: string[] = [];
  const events: [string, TokenManagerEvent][] = [];
  const pool = createTokenPool({
    max: 100,
    clock: fleet.clock,
    random: () => 0.5,
    grantFor(tenant) {
      grants.push(tenant);
      return apiKeyGrant(`key-of-${tenant}`);
    },
    transport: async ({ body = "" }) => {
      requested.push(new URLSearchParams(body).get("apikey")?.slice("key-of-".length) ?? "");
      return fleet.answer();
    },
    onEvent: (event, tenant) => events.push([tenant, event]),
    ...options,
  });
  return { fleet, pool, requested, grants, events };
}
const failing = (status: number) => () => tokenResponse({ status, body: "{}" });

describe("a pool of tenants", () => {
  test("gives each its own token, and the same manager each time", async () => {
    const { pool, requested } = pooled();
    const [a, b] = [pool.managerFor("a"), pool.managerFor("b")];
    expect(pool.managerFor("a")).toBe(a);
    const tokens = [await a.getToken(), await b.getToken(), await pool.managerFor("a").getToken()];
    expect(tokens[0]).toBe(tokens[2]);
    expect(tokens[0]?.accessToken).not.toBe(tokens[1]?.accessToken);
    expect(a.peek()).toBe(tokens[0]);
    expect(requested).toEqual(["a", "b"]);
    expect(pool.size).toBe(2);
  });

  test("makes one grant for 1,000 concurrent first calls of a tenant", async () => {
    const { pool, requested } = pooled();
    await Promise.all(Array.from({ length: 1_000 }, () => pool.managerFor("a").getToken()));
    expect(requested).toEqual(["a"]);
  });

  test("asks for the grant of an idle tenant only when it needs an exchange again, and refreshes beside", async () => {
    const { fleet, pool, requested, grants } = pooled();
    const { getToken } = pool.managerFor("a");
    const first = await getToken();
    await fleet.clock.advance(2_500_000);
    expect(await getToken({ signal: new AbortController().signal })).toBe(first);
    expect(grants).toEqual(["a"]);
    await fleet.clock.advance(400_000);
    expect(await getToken()).toBe(first);
    await settle();
    expect((await getToken()).accessToken).not.toBe(first.accessToken);
    expect(grants).toEqual(["a", "a"]);
    expect(requested).toEqual(["a", "a"]);
  });

  test("tells whose events they are", async () => {
    const { pool, events } = pooled();
    await pool.managerFor("a").getToken();
    expect(events.map(([tenant, { type }]) => [tenant, type])).toEqual([
      ["a", "exchange_started"],
      ["a", "exchange_succeeded"],
    ]);
  });

  test("a rejected token is replaced once, and 200 late rejections of it cost nothing", async () => {
    const { fleet, pool, requested } = pooled();
    const manager = pool.managerFor("a");
    const rejected = await manager.getToken();
    await fleet.clock.advance(60_000);
    const origin = "https://a.example";
    const replaced = await Promise.all(
      Array.from({ length: 200 }, () => pool.managerFor("a").getToken({ rejected, origin })),
    );
    expect(new Set(replaced.map(({ accessToken }) => accessToken)).size).toBe(1);
    expect(replaced[0]?.accessToken).not.toBe(rejected.accessToken);
    expect(manager.peek()).toBe(replaced[0]);
    expect(requested).toHaveLength(2);
  });

  test("an API that always refuses costs a tenant one more token, however often the tenant was idle", async () => {
    const { fleet, pool, requested } = pooled();
    const origin = "https://always-401.example";
    for (let sent = 0; sent < 21; sent++) {
      const rejected = await pool.managerFor("a").getToken();
      await pool.managerFor("a").getToken({ rejected, origin });
      await fleet.clock.advance(1_000);
    }
    expect(requested).toHaveLength(2);
  });

  test("it costs no more when the requests are far apart: the origin is remembered, and on hold for longer each time", async () => {
    const { fleet, pool, requested } = pooled();
    const origin = "https://always-401.example";
    for (let sent = 0; sent < 40; sent++) {
      // Asked in a way that wakes the manager, and lets it go again when nothing else is to be remembered.
      const rejected = await pool.managerFor("a").getToken({ minValidityMs: 1 });
      await pool.managerFor("a").getToken({ rejected, origin });
      await fleet.clock.advance(6_000);
    }
    // At 0 s, after 30 s on hold, and after 60 s more; then for two minutes not.
    expect(requested.length).toBeLessThanOrEqual(6);
  });

  test("a rejected token is not peeked at while it is being replaced", async () => {
    const { fleet, pool } = pooled();
    const manager = pool.managerFor("a");
    const rejected = await manager.getToken();
    fleet.answer = () => new Promise(() => {});
    void manager.getToken({ rejected }).catch(() => {});
    await settle();
    expect(manager.peek()).toBeUndefined();
  });

  test("the first 401 of an origin replaces the token of a tenant that was idle for long", async () => {
    const { fleet, pool, requested } = pooled();
    const origin = "https://a.example";
    await pool.managerFor("a").getToken();
    await fleet.clock.advance(2_900_000);
    // Wakes the manager with what was kept.
    const held = await pool.managerFor("a").getToken({ minValidityMs: 1 });
    await settle();
    await fleet.clock.advance(6_000);
    const rejected = await pool.managerFor("a").getToken();
    expect(rejected.accessToken).not.toBe(held.accessToken);
    await pool.managerFor("a").getToken({ rejected, origin });
    expect(requested).toHaveLength(3);
  });

  test("without an origin a tenant's token is replaced every five seconds at most", async () => {
    const { fleet, pool, requested } = pooled();
    for (let sent = 0; sent < 10; sent++) {
      const rejected = await pool.managerFor("a").getToken();
      await pool.managerFor("a").getToken({ rejected });
      await fleet.clock.advance(1_000);
    }
    // At 0 s and at 5 s, after the first one.
    expect(requested).toHaveLength(3);
  });

  test("an origin that accepts a token again is forgotten, once in a quarter of an hour", async () => {
    const { fleet, pool, requested } = pooled();
    const origin = "https://a.example";
    const manager = pool.managerFor("a");
    for (let round = 1; round <= 3; round++) {
      const rejected = await manager.getToken();
      const token = await manager.getToken({ rejected, origin });
      manager.accepted(token, origin);
      expect(requested).toHaveLength(1 + round);
      await fleet.clock.advance(900_000);
    }
  });

  test("a tenant whose key was refused fails fast until the cool-down ends", async () => {
    const { fleet, pool, requested } = pooled();
    fleet.answer = failing(400);
    for (let s = 0; s < 29; s++) {
      await expect(pool.managerFor("a").getToken()).rejects.toMatchObject({
        code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
      });
      await fleet.clock.advance(1_000);
    }
    expect(requested).toHaveLength(1);
  });

  test("an outage never costs a tenant the token it holds", async () => {
    const { fleet, pool } = pooled();
    const first = await pool.managerFor("a").getToken();
    await fleet.clock.advance(2_900_000);
    fleet.answer = failing(503);
    for (let s = 0; s < 600; s++) {
      expect(await pool.managerFor("a").getToken()).toBe(first);
      await fleet.clock.advance(1_000);
    }
  });

  test("with a store tenants share with another pool", async () => {
    const store = sharedStore(memoryStore());
    const [one, two] = [pooled({ store }), pooled({ store })];
    const token = await one.pool.managerFor("a").getToken();
    expect((await two.pool.managerFor("a").getToken()).accessToken).toBe(token.accessToken);
    await two.pool.managerFor("b").getToken();
    expect([one.requested, two.requested]).toEqual([["a"], ["b"]]);
  });
});

describe("the bound of a pool", () => {
  test("is kept whatever comes", async () => {
    const { pool } = pooled({ max: 10 });
    for (let i = 0; i < 1_000; i++) {
      pool.managerFor(`idle-${i}`);
      await pool.managerFor(`tenant-${i}`).getToken();
      expect(pool.size).toBeLessThanOrEqual(10);
    }
    expect(pool.size).toBe(10);
  });

  test("those go first that have no usable token", async () => {
    const { fleet, pool, requested } = pooled({ max: 3 });
    await pool.managerFor("old").getToken();
    await fleet.clock.advance(3_600_000);
    await pool.managerFor("a").getToken();
    await pool.managerFor("b").getToken();
    await pool.managerFor("c").getToken();
    expect(requested).toEqual(["old", "a", "b", "c"]);
    for (const tenant of ["a", "b", "c"]) await pool.managerFor(tenant).getToken();
    expect(requested).toHaveLength(4);
  });

  test("then those that were not asked for lately", async () => {
    const { pool, requested } = pooled({ max: 3 });
    for (const tenant of ["a", "b", "c", "d"]) await pool.managerFor(tenant).getToken();
    for (const tenant of ["e", "f", "g", "h"]) {
      await pool.managerFor("c").getToken();
      await pool.managerFor(tenant).getToken();
    }
    const before = requested.length;
    await pool.managerFor("c").getToken();
    expect(requested).toHaveLength(before);
  });

  test("never one whose exchange is under way", async () => {
    const { fleet, pool, requested } = pooled({ max: 2 });
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    fleet.answer = async () => {
      await gate;
      return fleet.granting();
    };
    const waiting = [pool.managerFor("a").getToken(), pool.managerFor("b").getToken()];
    await settle();
    // No room: it works, and is not kept.
    const third = pool.managerFor("c");
    const more = third.getToken();
    await settle();
    expect(pool.size).toBe(2);
    waiting.push(pool.managerFor("a").getToken(), pool.managerFor("b").getToken());
    open();
    await Promise.all([...waiting, more]);
    expect(requested).toEqual(["a", "b", "c"]);
    expect(third.peek()).toBeDefined();
    await pool.managerFor("c").getToken();
    expect(pool.size).toBe(2);
  });

  test("an exchange in the background keeps its tenant too, and one that never ends does not keep it for ever", async () => {
    const { fleet, pool } = pooled({ max: 1 });
    const a = pool.managerFor("a");
    await a.getToken();
    await fleet.clock.advance(2_900_000);
    fleet.answer = () => new Promise(() => {});
    await a.getToken();
    pool.managerFor("b");
    expect(pool.managerFor("a")).toBe(a);
    await fleet.clock.advance(12_000);
    const b = pool.managerFor("b");
    expect(pool.managerFor("b")).toBe(b);
    expect(pool.size).toBe(1);
  });
});

describe("disposal", () => {
  test("of a pool ends every manager, and callers that wait", async () => {
    const { fleet, pool } = pooled();
    const a = pool.managerFor("a");
    await a.getToken();
    fleet.answer = () => new Promise(() => {});
    const waiting = fleet.within(100, pool.managerFor("b").getToken());
    await settle();
    await pool[Symbol.asyncDispose]();
    expect((await waiting).error).toMatchObject({ code: "ERR_IAM_CONFIG" });
    await expect(a.getToken()).rejects.toThrow(/disposed/);
    expect(a.peek()).toBeUndefined();
    expect(() => pool.managerFor("c")).toThrow(/disposed/);
    expect(pool.size).toBe(0);
  });

  test("of one tenant's manager leaves the others, and the pool makes another one", async () => {
    const { pool, requested } = pooled();
    const [a, b] = [pool.managerFor("a"), pool.managerFor("b")];
    await Promise.all([a.getToken(), b.getToken()]);
    await a[Symbol.asyncDispose]();
    await expect(a.getToken()).rejects.toThrow(/disposed/);
    expect(b.peek()).toBeDefined();
    await pool.managerFor("a").getToken();
    expect(requested).toEqual(["a", "b", "a"]);
  });
});

describe("options", () => {
  const grantFor = () => apiKeyGrant("key-0123456789");
  test.for([
    [undefined, "grantFor"],
    [{ max: 1 }, "grantFor"],
    [{ grantFor }, "max"],
    [{ grantFor, max: 0 }, "max"],
    [{ grantFor, max: 1.5 }, "max"],
    [{ grantFor, max: 1, deadlineMs: -1 }, "deadlineMs"],
    [{ grantFor, max: 1, tokenEndpoint: "http://example.com" }, "tokenEndpoint"],
    [{ grantFor, max: 1, store: memoryStore() }, "sharedStore"],
  ] as const)("%o: refused at once, by name", ([options, name]) => {
    expect(() => createTokenPool(options as never)).toThrow(
      expect.objectContaining({ code: "ERR_IAM_CONFIG", message: expect.stringContaining(name) }),
    );
  });

  test("a tenant that is no string is refused", () => {
    expect(() => createTokenPool({ grantFor, max: 1 }).managerFor(5 as never)).toThrow(/a string/);
  });

  test("a grantFor that throws fails the call with a typed error, without what it said, and the next call works", async () => {
    let broken = true;
    const { pool } = pooled({
      grantFor() {
        if (broken) throw new Error("canary: no such tenant");
        return apiKeyGrant("key-of-a");
      },
    });
    const error = await pool
      .managerFor("a")
      .getToken()
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
    expect(String(error)).not.toContain("canary");
    broken = false;
    await expect(pool.managerFor("a").getToken()).resolves.toBeDefined();
  });

  test("what a grant says of a tenant's key is what its caller hears", async () => {
    const { pool } = pooled({ grantFor: () => apiKeyGrant(undefined) });
    await expect(pool.managerFor("a").getToken()).rejects.toMatchObject({
      code: "ERR_IAM_CONFIG",
      message: "The API key is missing or empty.",
    });
  });
});
