import { execFileSync } from "node:child_process";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { startRedisServer } from "@iam/conformance/redis-server";
import { startEmulator } from "@iam/emulator";
import { beforeAll, describe, expect, it } from "vitest";
import { sandbox } from "./install-tarballs.ts";
import { type Results, runtimes } from "./runtimes.ts";

const page = resolve(import.meta.dirname, "../../../docs/runtimes.md");

/** The public packages, by the name behind the scope. */
const packages = globSync("node_modules/@iam/*/package.json", { cwd: sandbox })
  .map((path) => path.split("/")[2] ?? "")
  .sort((a, b) => Number(b === "core") - Number(a === "core") || a.localeCompare(b));

/** What works only where Node's own modules are; the page says why. */
const needsNode = new Set(
  globSync("src/checks/node/*.mjs", { cwd: sandbox }).map((path) => basename(path, ".mjs")),
);

const outcomes = new Map<string, Results>();
const versions: string[] = [];

describe.each(runtimes)("the packed tarballs in $name", (runtime) => {
  beforeAll(async () => {
    await using emulator = await startEmulator({ control: true, cors: true });
    await using redis = await startRedisServer();
    const { url: iam, apiKey } = emulator;
    outcomes.set(runtime.name, await runtime.run({ iam, apiKey, redis: redis.url }));
    versions.push(`${runtime.name} ${await runtime.version()}`);
  });

  it.each(packages.filter((name) => !runtime.isWeb || !needsNode.has(name)))(
    "@iam/%s passes its checks",
    (name) => {
      const checks = outcomes.get(runtime.name)?.[name] ?? {};
      expect(Object.keys(checks)).not.toEqual([]);
      expect(Object.entries(checks).filter(([, outcome]) => outcome !== "ok")).toEqual([]);
    },
  );
});

describe("CommonJS", () => {
  it.each(runtimes.filter(({ program }) => program !== undefined))(
    "require() of each package gives what import gives in $name",
    async ({ program = "" }) => {
      const names = packages.map((name) => `@iam/${name}`);
      const stdout = execFileSync(program, ["src/require-main.cjs", ...names], {
        cwd: sandbox,
        encoding: "utf8",
      });
      const required: Record<string, string[]> = JSON.parse(stdout);
      for (const name of names) {
        const entry = import.meta.resolve(name, `file://${sandbox}/src/scene.mjs`);
        expect(required[name], name).toEqual(Object.keys(await import(entry)).sort());
      }
    },
  );
});

/** The table of the page: what passed where, by what the checks gave. */
function tableOf(): string {
  const cell = (runtime: string, isWeb: boolean, name: string) => {
    if (isWeb && needsNode.has(name)) return "no";
    const checks = Object.values(outcomes.get(runtime)?.[name] ?? {});
    return checks.length > 0 && checks.every((outcome) => outcome === "ok") ? `${checks.length}` : "FAILS";
  };
  return [
    `| | ${packages.join(" | ")} |`,
    `| --- |${" --- |".repeat(packages.length)}`,
    ...runtimes.map(
      ({ name, isWeb }) => `| ${name} | ${packages.map((each) => cell(name, isWeb, each)).join(" | ")} |`,
    ),
  ].join("\n");
}

it("the table in docs/runtimes.md is what was found", () => {
  const table = tableOf();
  console.log(`${table}\n\n${versions.join(", ")}`);
  const text = readFileSync(page, "utf8");
  const next = text.replace(/^\|[\s\S]*\|$/m, table);
  if (process.env.UPDATE) writeFileSync(page, next);
  expect(process.env.UPDATE ? next : text).toContain(table);
  for (const name of needsNode) expect(text).toMatch(new RegExp(`^- \`@iam/${name}\`: \\S+ \\S+`, "m"));
});

it.each(["README.md", "llms.txt"])("every public package is listed in %s", (page) => {
  const text = readFileSync(resolve(import.meta.dirname, "../../..", page), "utf8");
  expect(packages.filter((name) => !text.includes(`(packages/${name}`))).toEqual([]);
});
