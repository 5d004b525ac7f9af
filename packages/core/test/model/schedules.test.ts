import { describe, expect, test } from "vitest";
import * as core from "../../src/index.ts";
import { runSchedules, type ScheduleOptions } from "./schedules.ts";

// The same schedules in each run of the tests; `pnpm schedules` runs new ones. One that fails is printed with its seed,
// path and replayPath, and runs alone with those and a word of its test's name:
// SCHEDULES_SEED=7 SCHEDULES_PATH=12:3 SCHEDULES_REPLAY_PATH=AB:C pnpm exec vitest run model/schedules -t bursts
const { SCHEDULES_SEED, SCHEDULES_PATH: path, SCHEDULES_REPLAY_PATH: replayPath } = process.env;
const again = SCHEDULES_SEED && { seed: Number(SCHEDULES_SEED), path, replayPath };
const seed = 20_261_127;

describe("a manager does in every step what its reference does", () => {
  test.for<[string, ScheduleOptions]>([
    ["in 10,000 schedules about everything", { runs: 10_000, theme: "everything" }],
    ["in 5,000 schedules about refusals of tokens", { runs: 5_000, theme: "refusals" }],
    [
      "in 5,000 schedules about bursts, with a budget of 4 token requests a minute",
      { runs: 5_000, theme: "bursts" },
    ],
    ["in 3,000 schedules about stores that fail, are late or give garbage", { runs: 3_000, theme: "stores" }],
    ["in 3,000 schedules about fleets, with other processes on the store", { runs: 3_000, theme: "fleets" }],
    [
      "in 8 schedules with 10,000 callers at once",
      { runs: 8, theme: "everything", most: 10_000, length: 25 },
    ],
  ])("%s", { timeout: 300_000 }, async ([, options]) => {
    await expect(runSchedules(core, { seed, ...options, ...again })).resolves.toBeUndefined();
  });
});
