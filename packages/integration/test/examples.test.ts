import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const examples = new URL("../../../examples/", import.meta.url);
/** The demo has a test of its own: it takes a terminal, and its time. */
const names = readdirSync(examples).filter(
  (name) => name !== "demo" && existsSync(new URL(`${name}/src/main.ts`, examples)),
);
const read = (path: string) => readFileSync(new URL(path, examples), "utf8");

test.each(names)(
  "the example for %s prints what its README says, and no secret",
  {
    timeout: 60_000,
  },
  async (name) => {
    const main = fileURLToPath(new URL(`${name}/src/main.ts`, examples));
    const env = { PATH: process.env.PATH, NODE_NO_WARNINGS: "1" };
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [main], { env, timeout: 50_000 });
    const [, said] = /\nprints\n\n```\n(.*?)```/s.exec(read(`${name}/README.md`)) ?? [];
    expect(stdout).toBe(said);
    expect(stderr).toBe("");
  },
);

test.each(names)("the example for %s is started by the one command of its README", (name) => {
  const manifest: { name: string; scripts: Record<string, string> } = JSON.parse(
    read(`${name}/package.json`),
  );
  expect(read(`${name}/README.md`)).toContain(`npx -y pnpm@12 --filter ${manifest.name} start\n`);
  expect(manifest.scripts.start).toMatch(
    new RegExp(`--filter=${manifest.name}\\^\\.\\.\\. .*&& node src/main\\.ts$`),
  );
});
