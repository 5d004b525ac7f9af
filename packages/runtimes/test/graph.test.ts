import { execFileSync } from "node:child_process";
import { appendFileSync, cpSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../../..");
const workspace = join(mkdtempSync(join(tmpdir(), "iam-graph-")), "workspace");

/** Package -> the hash that its tests are cached under. */
function testHashes(): Map<string, string> {
  const json = execFileSync(join(root, "node_modules/.bin/turbo"), ["run", "test", "--dry=json"], {
    cwd: workspace,
    encoding: "utf8",
    // It warns that it is not installed in the copy.
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: "1" },
  });
  const { tasks } = JSON.parse(json) as {
    tasks: { task: string; package: string; hash: string; command: string }[];
  };
  return new Map(
    tasks
      .filter(({ task, command }) => task === "test" && command !== "<NONEXISTENT>")
      .map((task) => [task.package.replace("@iam/", ""), task.hash]),
  );
}

/** Which packages test again after a change of one source file. */
function testedAfterChanging(file: string): string[] {
  const before = testHashes();
  appendFileSync(join(workspace, file), "\n// changed\n");
  return [...testHashes()]
    .filter(([name, hash]) => before.get(name) !== hash)
    .map(([name]) => name)
    .sort();
}

beforeAll(() => {
  cpSync(root, workspace, {
    recursive: true,
    filter: (path) =>
      !/(^|\/)(node_modules|dist|\.git|\.turbo|\.sandbox|coverage)$/.test(path.slice(root.length)),
  });
});
afterAll(() => rmSync(resolve(workspace, ".."), { recursive: true }));

describe("the graph of tasks", () => {
  /** Every package with tests; those of the emulator and of the contract know nothing of core. */
  const tested = globSync("packages/*/package.json", { cwd: root })
    .filter((path) => JSON.parse(readFileSync(join(root, path), "utf8")).scripts?.test)
    .map((path) => path.split("/")[1] ?? "")
    .sort();

  it("after a change of core every package that stands on it tests again", () => {
    const standing = tested.filter((name) => name !== "emulator");
    expect(testedAfterChanging("packages/core/src/index.ts")).toEqual(
      expect.arrayContaining(standing.filter((name) => name !== "conformance")),
    );
  });
  it("after a change of ky only ky and what stands on it test again", () => {
    expect(testedAfterChanging("packages/ky/src/index.ts")).toEqual(["integration", "ky", "runtimes"]);
  });
  it("after no change nothing tests again", () => {
    expect(testedAfterChanging("README.md")).toEqual([]);
  });
});
