import { describe, expect, test } from "vitest";
import {
  memoryStore,
  sharedStore,
  type TokenResponse,
  type TokenStore,
  tokenResponse,
} from "../src/index.ts";
import { createFleet } from "./fleet.ts";
import { settle } from "./settle-ciphering.ts";

const throwing = () => {
  throw new Error("gone");
};

describe("waiting for another process", () => {
  test("whose exchange never ends: the lock ends, one of the waiting takes it, and all are served", async () => {
    const fleet = createFleet();
    let dead = true;
    fleet.answer = () => (dead ? new Promise(() => {}) : fleet.granting());
    void fleet
      .process()
      .getToken()
      .catch(() => {});
    await fleet.clock.advance(10);
    dead = false;
    const outcomes = await Promise.all(
      Array.from({ length: 15 }, () => fleet.within(5_000, fleet.process().getToken())),
    );
    expect(outcomes.every(({ value }) => value?.accessToken === "token-1")).toBe(true);
    expect(Math.max(...outcomes.map(({ tookMs }) => tookMs))).toBeLessThanOrEqual(2_300);
    expect(fleet.requests).toHaveLength(2);
  });

  test("behind a lock that nobody lets go: each goes alone after the time it may wait", async () => {
    const inner = memoryStore();
    const fleet = createFleet({
      store: { ...inner, lock: async () => ({ state: "held", owner: "x" }) },
      waitMs: 3_000,
    });
    const { value, tookMs } = await fleet.within(5_000, fleet.process().getToken());
    expect(value?.accessToken).toBe("token-1");
    expect(tookMs).toBeGreaterThanOrEqual(3_000);
    expect(tookMs).toBeLessThanOrEqual(4_300);
  });

  test("behind such a lock with a deadline that is shorter than that time: half of the deadline is waited for", async () => {
    const inner = memoryStore();
    const fleet = createFleet({ store: { ...inner, lock: async () => ({ state: "held", owner: "x" }) } });
    const { value, tookMs } = await fleet.within(5_000, fleet.process({ deadlineMs: 3_000 }).getToken());
    expect(value?.accessToken).toBe("token-1");
    expect(tookMs).toBeGreaterThanOrEqual(1_500);
    expect(tookMs).toBeLessThanOrEqual(2_000);
  });

  test.for<[string, Partial<TokenStore>, string]>([
    ["loses what is written", { set: async () => true }, '{"access_token":"a","expires_in":3600}'],
    [
      "cannot be written to",
      { set: () => Promise.reject(new Error("full")) },
      '{"access_token":"a","expires_in":3600}',
    ],
    ["is never given anything, because tokens tell no lifetime", {}, '{"access_token":"a"}'],
  ])(
    "in turns, before a store that %s: nobody fails, and whoever has waited long enough goes alone",
    async ([, flaw, body]) => {
      const fleet = createFleet({ store: { ...memoryStore(), ...flaw } });
      fleet.latencyMs = 400;
      fleet.answer = () => tokenResponse({ status: 200, body });
      const outcomes = await Promise.all(
        Array.from({ length: 40 }, () => fleet.within(12_000, fleet.process().getToken())),
      );
      expect(outcomes.filter(({ error }) => error !== undefined)).toEqual([]);
      expect(Math.max(...outcomes.map(({ tookMs }) => tookMs))).toBeLessThanOrEqual(6_000);
    },
  );

  test("behind a lock that names another owner each time: whoever has waited long enough goes alone", async () => {
    let owners = 0;
    const fleet = createFleet({
      store: { ...memoryStore(), lock: async () => ({ state: "held", owner: `${++owners}` }) },
    });
    const { value, tookMs } = await fleet.within(12_000, fleet.process().getToken());
    expect(value?.accessToken).toBe("token-1");
    expect(tookMs).toBeLessThanOrEqual(5_500);
  });

  test("while the lock goes from hand to hand and no answer comes: all fail within the deadline, and none asks beside", async () => {
    const fleet = createFleet();
    fleet.answer = () => new Promise(() => {});
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, () => fleet.within(12_000, fleet.process().getToken())),
    );
    expect(outcomes.every(({ error }) => error !== undefined)).toBe(true);
    expect(Math.max(...outcomes.map(({ tookMs }) => tookMs))).toBeLessThanOrEqual(9_500);
    expect(fleet.requests.length).toBeLessThanOrEqual(9);
  });

  const subscriptions: Record<string, () => unknown> = {
    "throws at once": () => {
      throw new Error("canary");
    },
    rejects: () => Promise.reject(new Error("canary")),
    "gives a promise of what ends it": async () => () => {},
    "gives something else": () => "canary",
    "throws when it is left": () => () => {
      throw new Error("canary");
    },
    "rejects when it is left": () => () => Promise.reject(new Error("canary")),
  };
  test.for(Object.entries(subscriptions))(
    "through a store whose subscribe %s: the polls do without it",
    async ([, subscribe]) => {
      const fleet = createFleet();
      fleet.latencyMs = 300;
      const store = sharedStore({ ...fleet.broken.store, subscribe: subscribe as never });
      const managers = [fleet.process({ store }), fleet.process({ store })];
      const all = Promise.all(managers.map((manager) => manager.getToken()));
      const tokens = (await fleet.within(2_000, all)).value?.map(({ accessToken }) => accessToken);
      expect(tokens).toEqual(["token-1", "token-1"]);
      // An unhandled rejection fails the run.
      await settle();
      expect(fleet.requests).toHaveLength(1);
    },
  );

  test("that has written between the look and the lock: its token is taken, and nobody is asked", async () => {
    const inner = memoryStore();
    const other = createFleet({ store: inner });
    const fleet = createFleet({
      store: {
        ...inner,
        async lock(key, options) {
          await other.process().getToken();
          return (await inner.lock?.(key, options)) ?? { state: "held" };
        },
      },
    });
    await fleet.process().getToken();
    expect(other.requests).toHaveLength(1);
    expect(fleet.requests).toHaveLength(0);
  });

  test("a lock that comes too late to be used is let go again", async () => {
    const inner = memoryStore();
    const late: (() => void)[] = [];
    const fleet = createFleet({
      store: {
        ...inner,
        async lock(key, options) {
          await new Promise<void>((resolve) => late.push(resolve));
          return (await inner.lock?.(key, options)) ?? { state: "held" };
        },
      },
    });
    await fleet.within(1_000, fleet.process().getToken());
    for (const resolve of late) resolve();
    await settle();
    const locked = await Promise.all(
      fleet.broken.read.map((key) => inner.lock?.(key, { ttlMs: 1, signal: AbortSignal.abort() })),
    );
    expect(locked.map((lock) => lock?.state)).not.toContain("held");
    expect(locked.length).toBeGreaterThan(0);
  });

  const releases: Record<string, () => unknown> = {
    "throws at once": () => {
      throw new Error("canary");
    },
    rejects: () => Promise.reject(new Error("canary")),
    "gives no promise": () => undefined,
  };
  test.for(Object.entries(releases))(
    "a lock that comes too late, whose release %s, is nobody's failure",
    async ([, release]) => {
      const late: (() => void)[] = [];
      const fleet = createFleet({
        store: {
          ...memoryStore(),
          async lock() {
            await new Promise<void>((resolve) => late.push(resolve));
            return { state: "acquired", release: release as never };
          },
        },
      });
      const { value } = await fleet.within(1_000, fleet.process().getToken());
      expect(value?.accessToken).toBe("token-1");
      for (const resolve of late) resolve();
      // An unhandled rejection fails the run.
      await settle();
      expect(late).toHaveLength(1);
    },
  );

  test("that has its token and writes slowly: it lets go of the lock only then, and nobody asks beside", async () => {
    const fleet = createFleet();
    fleet.latencyMs = 300;
    const after = (ms: number) =>
      new Promise<void>((resolve) => fleet.clock.setTimer(resolve, ms, { background: false }));
    const { store } = fleet.broken;
    const slow = sharedStore({
      ...store,
      get: (key) => after(45).then(() => store.get(key)),
      set: (key, entry, options) => after(140).then(() => store.set(key, entry, options)),
      lock: async (key, options) =>
        after(45).then(async () => (await store.lock?.(key, options)) ?? { state: "held" }),
    });
    const managers = [fleet.process({ store: slow }), fleet.process({ store: slow })];
    const all = Promise.all(managers.map((manager) => manager.getToken()));
    const tokens = (await fleet.within(5_000, all)).value?.map(({ accessToken }) => accessToken);
    expect(tokens).toEqual(["token-1", "token-1"]);
    expect(fleet.events).not.toContainEqual(expect.objectContaining({ type: "store_failed" }));
  });

  test.for<[string, unknown]>([
    ["throws", throwing],
    ["is asynchronous", async () => () => {}],
    ["is asynchronous and fails", () => Promise.reject(new Error("gone"))],
    ["gives nothing that ends it", () => 5],
    ["cannot be ended", () => throwing],
    [
      "calls back at once each time",
      (_: string, changed: () => void) => {
        changed();
        return () => {};
      },
    ],
  ])("with a subscription that %s costs nobody a token", async ([, subscribe]) => {
    const fleet = createFleet();
    fleet.latencyMs = 400;
    const flawed = { ...memoryStore({ clock: fleet.clock }), subscribe } as TokenStore;
    const outcomes = await Promise.all(
      [1, 2].map(() => fleet.within(2_000, fleet.process({ store: sharedStore(flawed) }).getToken())),
    );
    expect(outcomes.map(({ value }) => value?.accessToken)).toEqual(["token-1", "token-1"]);
    expect(fleet.requests).toHaveLength(1);
  });

  test("an exchange that took too long does not write over the token of the next one", async () => {
    const fleet = createFleet();
    let answer = (_: TokenResponse) => {};
    fleet.answer = () =>
      new Promise<TokenResponse>((resolve) => {
        answer = resolve;
      });
    const slow = fleet.within(8_000, fleet.process().getToken());
    await fleet.clock.advance(2_100);
    const slowAnswer = answer;
    fleet.answer = fleet.granting;
    const next = await fleet.within(1_000, fleet.process().getToken());
    slowAnswer(tokenResponse({ status: 200, body: '{"access_token":"old","expires_in":3600}' }));
    expect((await slow).value?.accessToken).toBe("old");
    expect(next.value?.accessToken).toBe("token-1");
    expect((await fleet.process().getToken()).accessToken).toBe("token-1");
  });

  test("a caller that gives up leaves the others waiting", async () => {
    const fleet = createFleet();
    fleet.latencyMs = 500;
    void fleet.process().getToken();
    await fleet.clock.advance(10);
    const manager = fleet.process();
    const controller = new AbortController();
    const given = fleet.within(100, manager.getToken({ signal: controller.signal }));
    const other = fleet.within(2_000, manager.getToken());
    controller.abort(new Error("gone"));
    expect((await given).error?.message).toBe("gone");
    expect((await other).value?.accessToken).toBe("token-1");
  });
});
