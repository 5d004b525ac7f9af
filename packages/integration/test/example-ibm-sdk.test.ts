import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const main = fileURLToPath(new URL("../../../examples/ibm-sdk/src/main.ts", import.meta.url));

test("the example of IBM's SDK shows one grant for all, and one more after a revocation", {
  timeout: 30_000,
}, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [main], { env: { HOME: "/nowhere" } });
  const lines = stdout.trim().split("\n");
  expect(lines[0]).toMatch(/^skipped: credentials file none at /);
  expect(lines.slice(1)).toEqual([
    "used: environment CLOUDANT_*",
    "three documents: 200 200 200 - grants: 1",
    "after a revocation: 200 - grants: 2",
  ]);
});
