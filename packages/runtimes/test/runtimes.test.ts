import { execFileSync } from "node:child_process";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { startRedisServer } from "@iam/conformance/redis-server";
import { startEmulator } from "@iam/emulator";
import { beforeAll, describe, expect, it } from "vitest";
import { sandbox } from "./install-tarballs.ts";
import { onNodeModules, type Results, type Runtime, runtimes } from "./runtimes.ts";

const page = resolve(import.meta.dirname, "../../../docs/runtimes.md");

/** The public packages, by the name behind the scope. */
const packages = globSync("node_modules/@iam/*/package.json", { cwd: sandbox })
  .map((path) => path.split("/")[2] ?? "")
  .sort((a, b) => Number(b === "core") - Number(a === "core") || a.localeCompare(b));

/** The modules that a package offers. */
function entriesOf(name: string): string[] {
  const manifest = readFileSync(resolve(sandbox, `node_modules/@iam/${name}/package.json`), "utf8");
  return Object.entries(JSON.parse(manifest).exports)
    .filter(([, target]) => typeof target !== "string")
    .map(([subpath]) => `@iam/${name}${subpath.slice(1)}`);
}

const outcomes = new Map<string, Results>();
const versions = new Map<string, string>();

describe.each(runtimes)("the packed tarballs in $name", (runtime) => {
  beforeAll(async () => {
    await using emulator = await startEmulator({ control: true, cors: true });
    await using redis = await startRedisServer();
    const { url: iam, apiKey } = emulator;
    outcomes.set(runtime.name, await runtime.run({ iam, apiKey, redis: redis.url }));
    versions.set(runtime.name, await runtime.version());
  });

  it("is the runtime that it is called", () => {
    const [major] = /\d+$/.exec(runtime.name) ?? [];
    expect(versions.get(runtime.name)).toMatch(new RegExp(`^${major ?? "\\d+"}\\.\\d+\\.\\d`));
  });

  it.each(packages.filter((name) => !runtime.cannot.includes(name)))("@iam/%s passes its checks", (name) => {
    const checks = outcomes.get(runtime.name)?.[name] ?? {};
    expect(Object.keys(checks)).not.toEqual([]);
    expect(Object.entries(checks).filter(([, outcome]) => outcome !== "ok")).toEqual([]);
  });
});

describe("CommonJS", () => {
  it.each(runtimes.filter(({ program }) => program !== undefined))(
    "require() of each entry point gives what import gives in $name",
    async ({ program = "" }) => {
      const names = packages.flatMap(entriesOf);
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
  const cell = (runtime: Runtime, name: string) => {
    if (runtime.cannot.includes(name)) return "no";
    const checks = Object.values(outcomes.get(runtime.name)?.[name] ?? {});
    return checks.length > 0 && checks.every((outcome) => outcome === "ok") ? `${checks.length}` : "FAILS";
  };
  return [
    `| | ${packages.join(" | ")} |`,
    `| --- |${" --- |".repeat(packages.length)}`,
    ...runtimes.map(
      (runtime) => `| ${runtime.name} | ${packages.map((each) => cell(runtime, each)).join(" | ")} |`,
    ),
  ].join("\n");
}

it("the table in docs/runtimes.md is what was found", () => {
  const table = tableOf();
  console.log(`${table}\n\n${[...versions].map((each) => each.join(" ")).join(", ")}`);
  const text = readFileSync(page, "utf8");
  const next = text.replace(/^\|[\s\S]*\|$/m, table);
  if (process.env.UPDATE) writeFileSync(page, next);
  expect(process.env.UPDATE ? next : text).toContain(table);
  for (const name of onNodeModules) expect(text).toMatch(new RegExp(`^- \`@iam/${name}\`: \\S+ \\S+`, "m"));
});

it.each(["README.md", "llms.txt"])("every public package is listed in %s", (page) => {
  const text = readFileSync(resolve(import.meta.dirname, "../../..", page), "utf8");
  expect(packages.filter((name) => !text.includes(`(packages/${name}`))).toEqual([]);
});
