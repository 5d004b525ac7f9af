import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../../..");
const read = (file: string) => readFileSync(join(root, file), "utf8");

/** The reasons why a caller is refused, as the sources of the way in name them. */
function reasonsInSources(): string[] {
  const ofVerify = /type RefusalReason =([^;]+);/.exec(read("packages/verify/src/refusal.ts"))?.[1] ?? "";
  const ofExpress = globSync("packages/express/src/*.ts", { cwd: root }).map(read).join("\n");
  return [
    ...ofVerify.matchAll(/"([a-z-]+)"/g),
    ...ofExpress.matchAll(/\breason: "([a-z-]+)"/g),
    ...ofExpress.matchAll(/\bforbidden\("([a-z-]+)"/g),
  ].map(([, reason = ""]) => reason);
}

test("the page of errors has a row for each reason that a caller is refused for, and for no other", () => {
  const [, section = ""] = /^## `ERR_IAM_BEARER`\n([\s\S]*?)^## /m.exec(read("docs/errors.md")) ?? [];
  const rows = Array.from(section.matchAll(/^\| (`[^|]*`) +\|/gm), ([, cell = ""]) => cell);
  const explained = rows.flatMap((cell) => Array.from(cell.matchAll(/`([^`]+)`/g), ([, text = ""]) => text));
  const known = new Set(reasonsInSources());
  expect(known.size).toBeGreaterThan(25);
  expect(new Set(explained)).toEqual(new Set([...known, "reason"]));
});
