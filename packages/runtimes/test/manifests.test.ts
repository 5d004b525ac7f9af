import { execFile } from "node:child_process";
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";

const root = resolve(import.meta.dirname, "../../..");

/** What the check of manifests says of this workspace, or of a copy in which one file is changed. */
async function saidOf(file?: string, change: (json: string) => string = (json) => json): Promise<string> {
  const copy = mkdtempSync(join(tmpdir(), "iam-manifests-"));
  onTestFinished(() => rmSync(copy, { recursive: true }));
  const read = [
    "pnpm-workspace.yaml",
    ".changeset/config.json",
    "packages/*/{*.json,vitest.config.ts}",
    "examples/*/package.json",
  ];
  for (const path of globSync(read, { cwd: root })) cpSync(join(root, path), join(copy, path));
  if (file !== undefined) {
    const before = readFileSync(join(copy, file), "utf8");
    expect(change(before)).not.toBe(before);
    writeFileSync(join(copy, file), change(before));
  }
  const check = promisify(execFile)(process.execPath, [join(root, "scripts/check-manifests.mjs"), copy]);
  return check.then(
    ({ stdout }) => stdout,
    (failure: { stdout: string; stderr: string }) => failure.stderr + failure.stdout,
  );
}

it("this workspace's manifests keep the rules", async () => {
  expect(await saidOf()).toMatch(/^manifests: \d+ public packages, 0 problems\n$/);
});

it.each<[string, string | RegExp, string, string]>([
  ["ky", '"test": "vitest run"', '"tests": ""', 'has tests and no script "test"'],
  ["integration", '"test": "vitest run"', '"tests": ""', 'has tests and no script "test"'],
  ["ky", '"check:package"', '"check:packages"', 'no script "check:package"'],
  ["ky", '"sideEffects": false', '"sideEffects": true', "sideEffects must be false"],
  ["ky", '"node": ">=22"', '"npm": ">=10"', "engines.node must say"],
  ["ky", ',\n    "CHANGELOG.md"', "", "files must be dist and CHANGELOG.md"],
  ["ky", /("types": .*),\n(.*"default": .*)/, "$2,\n$1", 'types must come first in exports["."]'],
  ["ky", '"ky": "^2.0.0"', '"ky": "^1.14.0 || ^2.0.0"', "test with its oldest, as npm:ky@1.14.0"],
  ["axios", '"axios": ">=1.7 <2"', '"axios": ">=1.6 <2"', "test with its oldest, as npm:axios@1.6.0"],
  ["verify", '"jose": "catalog:"', '"jose": "6.2.18"', "dependency jose must be a range"],
])("in @iam/%s, %s made %s is told", async (name, from, to, message) => {
  const said = await saidOf(`packages/${name}/package.json`, (json) => json.replace(from, to));
  expect(said).toMatch(new RegExp(`^@iam/${name}: `));
  expect(said).toContain(message);
  expect(said).toContain(", 1 problems");
});

it("a public package outside the fixed group is told, and one in it that is not public", async () => {
  const said = await saidOf(".changeset/config.json", (json) => json.replace("{benchmarks,", "{ky,"));
  expect(said).toContain("@iam/ky is not in the fixed group");
  expect(said).toContain("@iam/benchmarks in the fixed group is no public package");
  expect(said).toContain(", 2 problems");
});

it("an example in the fixed group is told", async () => {
  const said = await saidOf(".changeset/config.json", (json) => json.replace('"!@iam/example-*", ', ""));
  expect(said).toContain("@iam/example-demo in the fixed group is no public package");
});

it("isolatedDeclarations cannot be turned off for what is published", async () => {
  const said = await saidOf("packages/ky/tsconfig.json", (json) =>
    json.replace('"lib"', '"isolatedDeclarations": false, "lib"'),
  );
  expect(said).toContain("packages/ky/tsconfig.json: isolatedDeclarations must stay on");
});
