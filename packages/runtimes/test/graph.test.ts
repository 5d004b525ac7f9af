import { execFileSync } from "node:child_process";
import { appendFileSync, cpSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../../..");
const workspace = join(mkdtempSync(join(tmpdir(), "iam-graph-")), "workspace");

/** Package -> the hash that a task of it is cached under. */
function hashes(task: string): Map<string, string> {
  const json = execFileSync(join(root, "node_modules/.bin/turbo"), ["run", task, "--dry=json"], {
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
      .filter((each) => each.task === task && each.command !== "<NONEXISTENT>")
      .map((each) => [each.package.replace("@iam/", ""), each.hash]),
  );
}

/** In which packages a task runs again after a change of one file. */
function againAfterChanging(file: string, task: string): string[] {
  const before = hashes(task);
  appendFileSync(join(workspace, file), "\n// changed\n");
  return [...hashes(task)]
    .filter(([name, hash]) => before.get(name) !== hash)
    .map(([name]) => name)
    .sort();
}
const testedAfterChanging = (file: string) => againAfterChanging(file, "test");

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
  const tested = globSync("packages/*/vitest.config.ts", { cwd: root })
    .map((path) => path.split("/")[1] ?? "")
    .sort();

  it("knows the tests of every package that has some", () => {
    expect([...hashes("test").keys()].sort()).toEqual(tested);
  });
  it("after a change of core every package that stands on it tests again", () => {
    const standing = tested.filter((name) => name !== "emulator" && name !== "conformance");
    expect(testedAfterChanging("packages/core/src/index.ts")).toEqual(expect.arrayContaining(standing));
  });
  it.each([
    ["ky", ["integration", "ky", "runtimes"]],
    ["verify", ["express", "integration", "runtimes", "verify"]],
    ["store-redis", ["integration", "runtimes", "store-redis"]],
    ["openid-client", ["integration", "openid-client", "runtimes"]],
  ])("after a change of %s only that and what stands on it test again", (name, expected) => {
    expect(testedAfterChanging(`packages/${name}/src/index.ts`)).toEqual(expected);
  });
  it.each([
    ["README.md", ["integration", "runtimes"]],
    ["packages/fetch/README.md", ["fetch", "integration", "runtimes"]],
    ["docs/faults.md", ["integration"]],
    ["examples/ky/src/main.ts", ["integration"]],
    ["llms.txt", ["runtimes"]],
    ["scripts/release.mjs", ["runtimes"]],
    ["SECURITY.md", []],
  ])("after a change of %s those test again whose tests read it", (file, expected) => {
    expect(testedAfterChanging(file)).toEqual(expected);
  });
  it.each(["check:sizes", "check:imports", "check:api", "check:examples"])(
    "%s looks at what is built, so it runs again when a package is built in another way",
    (task) => {
      expect(againAfterChanging("packages/ky/tsdown.config.ts", task)).toEqual(["//"]);
      expect(againAfterChanging("packages/ky/tsconfig.json", task)).toEqual(["//"]);
    },
  );
});
