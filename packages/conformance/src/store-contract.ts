import { expect } from "vitest";
import { repeat } from "./repeat.ts";
import type { StoreCapability, StoreShape, StoreSubject } from "./store-subject.ts";

/** One rule of the contract of a store, as data. */
export interface StoreCase {
  /** A sentence; the same for every store. */
  readonly name: string;
  readonly needs: readonly StoreCapability[];
  /** Rejects when the store breaks the rule. */
  run(subject: StoreSubject): Promise<void>;
}

/** What a case works with. */
interface StoreScene {
  /** Two ways to the same data. */
  readonly one: StoreShape;
  readonly two: StoreShape;
  /** A key that nobody has used. */
  readonly key: string;
}

const longMs = 3_600_000;
const cases: StoreCase[] = [];

/** The whole contract of a token store: `testStore` registers it, a test of the tests runs parts of it. */
export const storeContract: readonly StoreCase[] = cases;

function add(
  name: string,
  play: (scene: StoreScene) => Promise<void>,
  needs: readonly StoreCapability[] = [],
): void {
  cases.push({
    name,
    needs,
    async run({ open }) {
      const { stores, close } = await open();
      try {
        await play({ one: stores[0], two: stores[1], key: freshKey() });
      } finally {
        await close?.();
      }
    },
  });
}

/** Of the length and the characters that the keys of core have. */
function freshKey(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
}

async function until(met: () => Promise<boolean>): Promise<void> {
  await expect.poll(met, { interval: 10, timeout: 5_000 }).toBe(true);
}

async function lock(store: StoreShape, key: string, ttlMs: number = longMs) {
  const taken = await store.lock?.(key, { ttlMs, signal: new AbortController().signal });
  if (taken === undefined) throw new Error("the store cannot lock");
  return taken;
}

async function acquire(store: StoreShape, key: string, ttlMs: number = longMs) {
  const taken = await lock(store, key, ttlMs);
  if (taken.state !== "acquired") throw new Error("the lock should have been free");
  return taken;
}

add("a key that was never written is a miss", async ({ one, key }) => {
  expect(await one.get(key)).toBeUndefined();
});

add("what one writes, the other reads", async ({ one, two, key }) => {
  expect(await one.set(key, "entry", { ttlMs: longMs })).toBe(true);
  expect((await two.get(key))?.entry).toBe("entry");
});

add(
  "an entry says what is left of its life, and never more than it was given",
  async ({ one, two, key }) => {
    await one.set(key, "entry", { ttlMs: longMs });
    const { ttlMs = Number.NaN } = (await two.get(key)) ?? {};
    expect(ttlMs).toBeLessThanOrEqual(longMs);
    expect(ttlMs).toBeGreaterThan(longMs - 10_000);
  },
  ["keep time"],
);

add(
  "an entry ends by itself when its time is over",
  async ({ one, two, key }) => {
    await one.set(key, "entry", { ttlMs: 80 });
    expect(await two.get(key)).toBeDefined();
    await until(async () => (await two.get(key)) === undefined);
  },
  ["keep time"],
);

add("a life that is no whole number of milliseconds is taken", async ({ one, key }) => {
  await one.set(key, "entry", { ttlMs: longMs + 0.75 });
  expect(await one.get(key)).toBeDefined();
});

add(
  "an entry is what it was: 100,000 characters of those that seals are made of",
  async ({ one, two, key }) => {
    const entry = Buffer.from(crypto.getRandomValues(new Uint8Array(65_536))).toString("base64url");
    await one.set(key, entry, { ttlMs: longMs });
    expect((await two.get(key))?.entry).toBe(entry);
  },
);

add("keys are apart", async ({ one, key }) => {
  const other = freshKey();
  await one.set(key, "mine", { ttlMs: longMs });
  expect(await one.get(other)).toBeUndefined();
  await one.set(other, "theirs", { ttlMs: longMs });
  expect((await one.get(key))?.entry).toBe("mine");
});

add("a later entry replaces an earlier one, and its life", async ({ one, key }) => {
  await one.set(key, "first", { ttlMs: 100_000 });
  await one.set(key, "second", { ttlMs: longMs });
  const { entry, ttlMs = longMs } = (await one.get(key)) ?? {};
  expect(entry).toBe("second");
  expect(ttlMs).toBeGreaterThan(100_000);
});

add("with the entry that was seen, only that one is replaced", async ({ one, two, key }) => {
  await one.set(key, "first", { ttlMs: longMs });
  expect(await one.set(key, "second", { ttlMs: longMs, ifVersion: "first" })).toBe(true);
  expect(await two.set(key, "third", { ttlMs: longMs, ifVersion: "first" })).toBe(false);
  expect((await one.get(key))?.entry).toBe("second");
});

add("when none was seen, none is replaced", async ({ one, two, key }) => {
  expect(await one.set(key, "first", { ttlMs: longMs, ifVersion: null })).toBe(true);
  expect(await two.set(key, "second", { ttlMs: longMs, ifVersion: null })).toBe(false);
  expect((await one.get(key))?.entry).toBe("first");
});

add("an entry that has gone since it was seen does not stand in the way", async ({ one, key }) => {
  expect(await one.set(key, "second", { ttlMs: longMs, ifVersion: "first" })).toBe(true);
  expect((await one.get(key))?.entry).toBe("second");
});

add("deleting takes the entry that was seen, and no newer one", async ({ one, two, key }) => {
  await one.set(key, "first", { ttlMs: longMs });
  await two.delete(key, { ifVersion: "another" });
  expect((await one.get(key))?.entry).toBe("first");
  await two.delete(key, { ifVersion: "first" });
  expect(await one.get(key)).toBeUndefined();
  await two.delete(key, { ifVersion: "first" });
});

add(
  "of 50 who saw the same entry one replaces it",
  async ({ one, two, key }) => {
    await one.set(key, "seen", { ttlMs: longMs });
    const written = await Promise.all(
      Array.from({ length: 50 }, (_, at) =>
        (at % 2 ? one : two).set(key, `entry-${at}`, { ttlMs: longMs, ifVersion: "seen" }),
      ),
    );
    expect(written.filter(Boolean)).toHaveLength(1);
    expect((await two.get(key))?.entry).toBe(`entry-${written.indexOf(true)}`);
  },
  ["compare"],
);

add(
  "of 50 who want a lock one gets it",
  async ({ one, two, key }) => {
    const locks = await Promise.all([
      ...repeat(25, () => lock(one, key)),
      ...repeat(25, () => lock(two, key)),
    ]);
    expect(locks.filter(({ state }) => state === "acquired")).toHaveLength(1);
  },
  ["lock"],
);

add(
  "a lock that is released is free",
  async ({ one, two, key }) => {
    const held = await acquire(one, key);
    expect((await lock(two, key)).state).toBe("held");
    await held.release();
    await acquire(two, key);
  },
  ["lock"],
);

add(
  "a lock ends by itself, as after the death of its owner",
  async ({ one, two, key }) => {
    await acquire(one, key, 80);
    await until(async () => (await lock(two, key)).state === "acquired");
  },
  ["lock"],
);

add(
  "releasing a lock that has passed to another leaves it to the other",
  async ({ one, two, key }) => {
    const late = await acquire(one, key, 50);
    await until(async () => (await lock(two, key)).state === "acquired");
    await late.release();
    expect((await lock(one, key)).state).toBe("held");
  },
  ["lock"],
);

add(
  "releasing twice does no harm",
  async ({ one, two, key }) => {
    const held = await acquire(one, key);
    await held.release();
    await acquire(two, key);
    await held.release();
    expect((await lock(one, key)).state).toBe("held");
  },
  ["lock"],
);

add(
  "locks of different keys are apart, and a lock is no entry",
  async ({ one, two, key }) => {
    await acquire(one, key);
    await acquire(two, freshKey());
    expect(await two.get(key)).toBeUndefined();
    expect(await two.set(key, "entry", { ttlMs: longMs, ifVersion: null })).toBe(true);
    expect((await lock(one, key)).state).toBe("held");
  },
  ["lock"],
);

add(
  "a holder, when it is told at all, is the same while it holds and another after",
  async ({ one, two, key }) => {
    const held = await acquire(one, key);
    const [first, again] = [await lock(two, key), await lock(two, key)];
    expect(again).toEqual(first);
    await held.release();
    await acquire(one, key);
    const next = await lock(two, key);
    if (first.state === "held" && first.owner !== undefined) expect(next).not.toEqual(first);
  },
  ["lock"],
);

add(
  "whoever listens hears of a new entry, and nothing after having left",
  async ({ one, two, key }) => {
    let heard = 0;
    const leave = one.subscribe?.(key, () => heard++);
    await two.set(key, "entry", { ttlMs: longMs });
    await until(async () => heard > 0);
    leave?.();
    const before = heard;
    await two.set(key, "next", { ttlMs: longMs });
    expect(heard).toBe(before);
  },
  ["subscribe"],
);
