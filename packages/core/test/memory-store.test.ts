import { expect, test } from "vitest";
import { memoryStore, systemClock } from "../src/index.ts";

function timed(maxEntries: number) {
  let nowMs = 0;
  const store = memoryStore({ maxEntries, clock: { ...systemClock, monotonicNow: () => nowMs } });
  const keep = (key: string, ttlMs = 1000) => store.set(key, `entry-${key}`, { ttlMs });
  return {
    store,
    keep,
    has: async (key: string) => (await store.get(key)) !== undefined,
    advance(ms: number) {
      nowMs += ms;
    },
  };
}

test("it keeps so many entries and no more: what was written longest ago goes", async () => {
  const { keep, has } = timed(3);
  for (const key of ["a", "b", "c", "a", "d"]) await keep(key);
  expect(await Promise.all(["a", "b", "c", "d"].map(has))).toEqual([true, false, true, true]);
});

test("what has ended goes before what has not", async () => {
  const { keep, has, advance } = timed(2);
  await keep("long", 1000);
  await keep("short", 10);
  advance(10);
  await keep("new", 1000);
  expect(await Promise.all(["long", "short", "new"].map(has))).toEqual([true, false, true]);
});

test("what is kept grows old in a suspend, when the monotonic clock stands still, and no older when the date is set back", async () => {
  let wallMs = 0;
  const store = memoryStore({ clock: { ...systemClock, monotonicNow: () => 0, wallNow: () => wallMs } });
  await store.set("a", "entry", { ttlMs: 1000 });
  wallMs = -5000;
  expect(await store.get("a")).toMatchObject({ ttlMs: 1000 });
  wallMs = 400;
  expect(await store.get("a")).toMatchObject({ ttlMs: 600 });
  wallMs = 1000;
  expect(await store.get("a")).toBeUndefined();
});

test("10,000 keys never hold more than the limit", async () => {
  const { store, keep, has } = timed(100);
  for (let i = 0; i < 10_000; i++) {
    await keep(`${i}`);
    await store.lock?.(`${i}`, { ttlMs: 1000, signal: new AbortController().signal });
  }
  const kept = await Promise.all(Array.from({ length: 10_000 }, (_, i) => has(`${i}`)));
  expect(kept.filter(Boolean)).toHaveLength(100);
});

test.for([0, -1, 1.5, Number.NaN, Infinity])("maxEntries: %d is refused", (maxEntries) => {
  expect(() => memoryStore({ maxEntries })).toThrow("maxEntries must be a whole number, 1 or more");
});
