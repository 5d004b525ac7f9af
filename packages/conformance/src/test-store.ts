import { describe, expect, test } from "vitest";
import { storeContract } from "./store-contract.ts";
import type { StoreSubject } from "./store-subject.ts";

/**
 * Registers the whole contract of a token store as Vitest tests, with the same names for every store. What the store cannot
 * do (`cannot`) is not registered.
 *
 * @example
 * ```ts
 * import { testStore } from "@iam/conformance";
 * import type { TokenStore } from "@iam/core";
 * declare const store: TokenStore;
 * testStore({
 *   name: "my store",
 *   open: async () => ({ stores: [store, store] }),
 *   cannot: { subscribe: "There is no such command." },
 * });
 * ```
 */
export function testStore(subject: StoreSubject): void {
  const { name, cannot = {} } = subject;
  describe(`${name} keeps the contract of a token store`, () => {
    test("what the store cannot do is said with a reason", () => {
      for (const reason of Object.values(cannot)) expect(reason).toMatch(/\w+ \w+/);
    });
    for (const { name: sentence, needs, run } of storeContract) {
      if (needs.some((capability) => cannot[capability] !== undefined)) continue;
      test(sentence, { timeout: 20_000 }, () => run(subject));
    }
  });
}
