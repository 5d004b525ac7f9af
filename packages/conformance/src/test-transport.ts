import { describe, test } from "vitest";
import { transportContract } from "./transport-contract.ts";
import type { TransportSubject } from "./transport-subject.ts";

/**
 * Registers the whole contract of a transport as Vitest tests, with the same names for every transport. Each runs over real
 * HTTP on loopback against an emulator of its own.
 *
 * @example
 * ```ts
 * import { testTransport } from "@iam/conformance";
 * import { fetchTransport, isIamError } from "@iam/core";
 * testTransport({ name: "fetchTransport", isIamError, createTransport: () => fetchTransport() });
 * ```
 */
export function testTransport(subject: TransportSubject): void {
  describe(`${subject.name} keeps the contract of a transport`, () => {
    for (const { name, run } of transportContract) test(name, { timeout: 30_000 }, () => run(subject));
  });
}
