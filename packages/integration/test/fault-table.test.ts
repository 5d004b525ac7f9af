import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { faultCases, faultChapters } from "../src/faults/fault-cases.ts";
import { createStage, type Observation, type Stage } from "../src/faults/fault-scene.ts";
import { type FaultRecord, faultPage, faultRow } from "../src/faults/fault-table.ts";
import { allFaults, observeFault } from "../src/faults/observe-fault.ts";

const page = await readFile(new URL("../../../docs/faults.md", import.meta.url), "utf8");
const records = new Map<string, FaultRecord>();
let stage: Stage;

beforeAll(async () => {
  stage = await createStage();
});

afterAll(async () => {
  await stage[Symbol.asyncDispose]();
});

async function recordOf(fault: (typeof allFaults)[number]): Promise<FaultRecord> {
  const known = records.get(fault.faultCase.does) ?? (await observeFault(stage, fault));
  records.set(fault.faultCase.does, known);
  return known;
}

test("every kind of fault has its place under one heading of the table, and each row a name of its own", () => {
  const kinds = faultChapters.flatMap((chapter) => chapter.kinds);
  expect(kinds.toSorted()).toEqual(Object.keys(faultCases).toSorted());
  expect(new Set(allFaults.map(({ faultCase }) => faultCase.does)).size).toBe(allFaults.length);
});

describe("a token endpoint that", () => {
  test.for(allFaults)("$faultCase.does", { timeout: 60_000 }, async (fault) => {
    const record = await recordOf(fault);
    const { seen } = record;
    const all = Object.values(seen).flatMap((byClient) => Object.values(byClient));

    // The clients differ in nothing but what Express says to its own caller.
    for (const byClient of Object.values(seen)) {
      const [first, ...others] = Object.values(byClient).map(withoutRetryAfter);
      for (const other of others) expect(other).toEqual(first);
    }
    // A fault is never noticed while a token is fresh, and never costs one that is still good.
    for (const { result, tokenRequests } of Object.values(seen.fresh))
      expect({ result, tokenRequests }).toEqual({ result: 200, tokenRequests: 0 });
    for (const { result, waitedMs, tokenRequests } of Object.values(seen.expiring))
      expect({ result, waitedMs, tokenRequests }).toEqual({ result: 200, waitedMs: 0, tokenRequests: 1 });
    // Nobody waits beyond the deadline, nobody asks more than three times, and everybody who fails is told why.
    for (const { result, waitedMs, tokenRequests, error } of all) {
      expect(waitedMs).toBeLessThanOrEqual(9000);
      expect(tokenRequests).toBeLessThanOrEqual(3);
      expect([200, 401, "fails"]).toContain(result);
      if (result === "fails") expect(error?.message).toMatch(/^The |^No answer /);
    }

    expect(page.split("\n")).toContain(faultRow(record));
  });

  test("does any of it is described in docs/faults.md as `pnpm faults` writes it", {
    timeout: 120_000,
  }, async () => {
    const seen: FaultRecord[] = [];
    for (const fault of allFaults) seen.push(await recordOf(fault));
    expect(page).toBe(faultPage(seen));
  });
});

function withoutRetryAfter({ retryAfterS, ...common }: Observation): Omit<Observation, "retryAfterS"> {
  return common;
}
