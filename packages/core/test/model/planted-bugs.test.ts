import { describe, expect, test } from "vitest";
import { plant, plantedBugs } from "./planted-bugs.ts";
import { runSchedules } from "./schedules.ts";

describe("the schedules catch a manager that", () => {
  test.for(plantedBugs)("$bug", { timeout: 60_000 }, async (planted) => {
    const { subject, remove } = await plant(planted);
    try {
      const { theme, caughtBy } = planted;
      const failure: unknown = await runSchedules(subject, {
        runs: 2_000,
        seed: 20_261,
        theme,
        endOnFailure: true,
      }).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(failure, "not caught").toBeInstanceOf(Error);
      expect(String((failure as Error).cause)).toContain(caughtBy);
    } finally {
      await remove();
    }
  });
});
