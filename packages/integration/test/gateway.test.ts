import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const main = fileURLToPath(new URL("../../../examples/gateway/src/main.ts", import.meta.url));

test("the gateway lets in whom it should, with its own token behind, and shows no token", {
  timeout: 60_000,
}, async () => {
  const { code, output } = await new Promise<{ code: number | null; output: string }>((resolve) => {
    const child = execFile(process.execPath, [main], { timeout: 55_000 }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, output: stdout + stderr }),
    );
  });
  expect(output).not.toContain("✗");
  expect(output.match(/^✓ /gm)).toHaveLength(12);
  expect(output).toContain("requests for keys: 2, grants: 2");
  expect(output).not.toMatch(/eyJ[\w-]+\.[\w-]+/);
  expect(code).toBe(0);
});
