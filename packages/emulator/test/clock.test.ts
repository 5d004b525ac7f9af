import { describe, expect, test } from "vitest";
import { createClock } from "../src/clock.ts";
import { askToken, emulating, jsonOf } from "./emulating.ts";

describe("the clock", () => {
  const make = () => {
    const real = { now: 1000 };
    return { real, clock: createClock(() => real.now) };
  };

  test("follows the time that it is given", () => {
    const { real, clock } = make();
    real.now = 2000;
    expect(clock.now()).toBe(2000);
  });

  test.for<[string, (clock: ReturnType<typeof createClock>) => void, number, number]>([
    ["set: runs on from there", (clock) => clock.set(5000), 5000, 5010],
    ["advance: runs on from there", (clock) => clock.advance(500), 1500, 1510],
    ["advance: backwards", (clock) => clock.advance(-500), 500, 510],
    ["skew: ahead of real time", (clock) => clock.skew(7000), 8000, 8010],
    ["freeze: stands still", (clock) => clock.freeze(), 1000, 1000],
    ["freeze: at a moment", (clock) => clock.freeze(9), 9, 9],
  ])("%s", ([, change, before, after]) => {
    const { real, clock } = make();
    change(clock);
    expect(clock.now()).toBe(before);
    real.now += 10;
    expect(clock.now()).toBe(after);
    clock.reset();
    expect(clock.now()).toBe(1010);
  });

  test("frozen can be moved, and resumes from where it stands", () => {
    const { real, clock } = make();
    clock.freeze(100);
    clock.advance(5);
    clock.set(clock.now() + 5);
    real.now += 50;
    expect(clock.now()).toBe(110);
    clock.resume();
    real.now += 50;
    expect(clock.now()).toBe(160);
  });

  test.for([Number.NaN, Number.POSITIVE_INFINITY, 9e15])("refuses %d", (moment) => {
    const { clock } = make();
    for (const change of [clock.set, clock.advance, clock.freeze, clock.skew])
      expect(() => change(moment)).toThrow(RangeError);
  });
});

test("everything that the emulator says follows its clock", async () => {
  const emulator = await emulating({ now: () => Date.UTC(2030, 0, 1) });
  emulator.clock.skew(-7_200_000);
  const response = await askToken(emulator);
  expect(response.headers.get("date")).toBe("Mon, 31 Dec 2029 22:00:00 GMT");
  expect((await jsonOf(response)).expiration).toBe(Date.UTC(2029, 11, 31, 23) / 1000);
  expect(emulator.log[0]?.at).toBe(Date.UTC(2029, 11, 31, 22));
});
