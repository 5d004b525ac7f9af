import { describe, expect, test } from "vitest";
import { adapterContract } from "./adapter-contract.ts";
import type { AdapterSubject, Capability, ManagerShape } from "./adapter-subject.ts";

/** What each test of the contract tells the table of results. */
export interface ContractMeta {
  readonly adapter: string;
  readonly rule: string;
  /** What the client cannot do, and why; on the one test that says so. */
  readonly cannot?: Readonly<Partial<Record<Capability, string>>>;
}

declare module "vitest" {
  interface TaskMeta {
    adapterContract?: ContractMeta;
  }
}

const timeoutMs = 30_000;

/**
 * Registers the whole contract of an adapter as Vitest tests, with the same names for every adapter.
 *
 * Each runs over real HTTP on loopback against an emulator of its own. What the client cannot do (`cannot`) is not
 * registered, and stands in the table of results with its reason.
 *
 * @example
 * ```ts
 * import { type AdapterSubject, testAdapter } from "@iam/conformance";
 * import { apiKeyGrant, createTokenManager, isIamError, type TokenManager } from "@iam/core";
 * declare const createClient: AdapterSubject<TokenManager>["createClient"];
 * testAdapter({ name: "fetch", core: { createTokenManager, apiKeyGrant, isIamError }, createClient });
 * ```
 */
export function testAdapter<Manager extends ManagerShape, Grant>(
  subject: AdapterSubject<Manager, Grant>,
): void {
  const { name: adapter, cannot = {} } = subject;
  describe(`${adapter} keeps the contract of an adapter`, () => {
    test("what the client cannot do is said with a reason", ({ task }) => {
      task.meta.adapterContract = { adapter, rule: "limits", cannot };
      for (const reason of Object.values(cannot)) expect(reason).toMatch(/\w+ \w+/);
    });
    for (const { name, rule, needs, run } of adapterContract) {
      if (needs.some((capability) => cannot[capability] !== undefined)) continue;
      test(name, { timeout: timeoutMs }, async ({ task }) => {
        task.meta.adapterContract = { adapter, rule };
        await run(subject);
      });
    }
  });
}
