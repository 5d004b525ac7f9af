import { adapterContract, testAdapter } from "@iam/conformance";
import { describe, expect, test } from "vitest";
import { byHand, faultyAdapters, subjectOf } from "./faulty-adapters.ts";

// The adapter that the faults are planted in is honest itself: else a case could fail for another reason.
testAdapter(subjectOf("by hand", byHand()));

describe("the contract of an adapter catches", { concurrent: true }, () => {
  for (const { fault, caughtBy, make } of faultyAdapters) {
    for (const name of caughtBy) {
      test(`an adapter that ${fault}, by "${name}"`, { timeout: 30_000 }, async () => {
        const rule = adapterContract.find((each) => each.name === name);
        if (rule === undefined) throw new Error(`The contract has no case "${name}"`);
        const failure: unknown = await rule.run(subjectOf("faulty", make)).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(failure).toBeInstanceOf(Error);
        // Not an accident in the planted code.
        expect(String(failure)).not.toMatch(/^(Type|Reference|Syntax|Range)Error/);
      });
    }
  }
});
