import { describe, expect, test } from "vitest";
import { type Clock, type Instant, systemClock } from "../src/clock.ts";
import { ageMs, type Freshness, freshness, type Lifetime, lifetimeFrom } from "../src/expiry.ts";

const start: Instant = { wall: 1_700_000_000_000, monotonic: 5_000 };
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** Both clocks, moved on from the start. */
const at = (wallMs: number, monotonicMs = wallMs): Instant => ({
  wall: start.wall + wallMs,
  monotonic: start.monotonic + monotonicMs,
});

/** A clock that stands still. */
const clockAt = ({ wall, monotonic }: Instant): Clock => ({
  ...systemClock,
  wallNow: () => wall,
  monotonicNow: () => monotonic,
});

// Length, end of usability, and the refresh point at the draws 0 and 0.5, by hand.
const tokens: [string, number, number, number, number][] = [
  ["1 s", second, 900, 630, 697.5],
  ["25 s", 25 * second, 22_500, 15_750, 17_437.5],
  ["90 s", 90 * second, 81_000, 56_700, 62_775],
  ["5 min", 5 * minute, 290_000, 203_000, 224_750],
  ["1 h", hour, 3_590_000, 2_513_000, 2_782_250],
  ["60 d", 60 * day, 5_183_990_000, 3_628_793_000, 4_017_592_250],
];

describe.for(tokens)("a token of %s", ([, lifetimeMs, usableMs, firstMs, middleMs]) => {
  const of = (draw: number): Lifetime => lifetimeFrom(start, lifetimeMs, () => draw);

  test("has its ages counted from the start of the request", () => {
    expect(of(0)).toEqual({ start, lifetimeMs, usableMs, refreshMs: expect.closeTo(firstMs, 3) });
    expect(of(0.5).refreshMs).toBeCloseTo(middleMs, 3);
  });

  test("is refreshed between 70 % and 85 % of the time until its margin, wherever the draw falls", () => {
    for (const draw of [0, 0.001, 0.25, 0.999, 1 - 2 ** -53]) {
      const point = of(draw).refreshMs;
      expect(point / usableMs).toBeGreaterThanOrEqual(0.7 - 1e-9);
      expect(point / usableMs).toBeLessThanOrEqual(0.85 + 1e-9);
      expect(point / usableMs).toBeCloseTo(0.7 + 0.15 * draw, 9);
    }
  });

  const table: [string, Instant, Freshness][] = [
    ["at its start", at(0), "fresh"],
    ["1 ms before the refresh point", at(firstMs - 1), "fresh"],
    ["at the refresh point", at(firstMs), "expiring"],
    ["1 ms after the refresh point", at(firstMs + 1), "expiring"],
    ["1 ms before the margin", at(usableMs - 1), "expiring"],
    ["at the margin", at(usableMs), "expired"],
    ["1 ms after the margin", at(usableMs + 1), "expired"],
    ["at its expiry", at(lifetimeMs), "expired"],
    ["long after", at(lifetimeMs * 10), "expired"],
    ["with the refresh point on the wall clock alone", at(firstMs, firstMs - 1), "expiring"],
    ["with the refresh point on the monotonic clock alone", at(firstMs - 1, firstMs), "expiring"],
    ["with the margin on the wall clock alone", at(usableMs, usableMs - 1), "expired"],
    ["with the margin on the monotonic clock alone", at(usableMs - 1, usableMs), "expired"],
    ["with the wall clock stepped far ahead", at(day * 365, 0), "expired"],
    ["with the wall clock stepped back", at(-day, firstMs - 1), "fresh"],
    ["past the margin with the wall clock stepped back", at(-day, usableMs), "expired"],
    ["after a suspend that the monotonic clock slept through", at(usableMs, 1), "expired"],
  ];
  test.for(table)("%s is %s", ([, now, expected]) => {
    expect(freshness(of(0), clockAt(now))).toBe(expected);
  });

  test("with its refresh point spent is fresh until the margin, then expired", () => {
    const spent = { ...of(0), refreshMs: usableMs };
    expect(freshness(spent, clockAt(at(usableMs - 1)))).toBe("fresh");
    expect(freshness(spent, clockAt(at(usableMs)))).toBe("expired");
  });
});

test("the margin is a tenth up to 100 s and 10 s beyond", () => {
  const margin = (lifetimeMs: number) => {
    const { usableMs } = lifetimeFrom(start, lifetimeMs, () => 0);
    return lifetimeMs - usableMs;
  };
  expect([99_999, 100_000, 100_001].map(margin)).toEqual([
    expect.closeTo(9999.9, 6),
    10_000,
    expect.closeTo(10_000, 6),
  ]);
});

test("a token is drawn for once", () => {
  let draws = 0;
  lifetimeFrom(start, hour, () => {
    draws++;
    return 0;
  });
  expect(draws).toBe(1);
});

test("a token without a lifetime is fresh for ever, wherever the draw falls", () => {
  for (const draw of [0, 0.999]) {
    const lifetime = lifetimeFrom(start, Infinity, () => draw);
    expect(freshness(lifetime, clockAt(at(0)))).toBe("fresh");
    expect(freshness(lifetime, clockAt(at(1000 * 365 * day)))).toBe("fresh");
  }
});

test.for<[string, Instant, number]>([
  ["at its start", at(0), 0],
  ["later", at(1000), 1000],
  ["by the wall clock, which is ahead", at(400, 100), 400],
  ["by the monotonic clock, which is ahead", at(100, 400), 400],
  ["with the wall clock stepped back", at(-5000, 2000), 2000],
  ["after a suspend that the monotonic clock slept through", at(day, 1), day],
])("the age of a token %s", ([, now, ms]) => {
  expect(ageMs(start, clockAt(now))).toBe(ms);
});
