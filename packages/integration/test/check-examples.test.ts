import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const script = fileURLToPath(new URL("../../../scripts/check-examples.mjs", import.meta.url));

/** Runs the check of examples on a workspace, the one of this repository unless files are given. */
async function checkExamples(
  files?: Record<string, string>,
): Promise<{ code: number; output: string; left: string[] }> {
  const root = files && (await workspaceOf(files));
  const child = spawn(process.execPath, [script, ...(root ? [root] : [])]);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  const code = await new Promise<number>((resolve) => child.once("close", resolve));
  return { code, output, left: root ? await readdir(root, { recursive: true }) : [] };
}

async function workspaceOf(files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "examples-"));
  onTestFinished(() => rm(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

/** A package `@iam/a` whose only export is a number. */
const packageA = {
  "packages/a/package.json": JSON.stringify({
    name: "@iam/a",
    type: "module",
    exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } },
  }),
  "packages/a/dist/index.d.ts": "export declare const one: number;\n",
};

test("every example in the READMEs, the docs and the doc comments compiles", {
  timeout: 30_000,
}, async () => {
  const { code, output } = await checkExamples();
  expect(output).toMatch(/^examples: \d+ in \d+ files, 0 problems\n$/);
  expect(code).toBe(0);
});

test("a block of a README that does not compile is told by file and line", async () => {
  const { code, output } = await checkExamples({
    ...packageA,
    "README.md": '# A\n\n```ts\nimport { one } from "@iam/a";\nexport const text: string = one;\n```\n',
  });
  expect(output).toMatch(/^README\.md:5: error TS2322: /m);
  expect(output).toContain("examples: 1 in 1 files, 1 problems");
  expect(code).toBe(1);
});

test("an @example that does not compile is told by file and line", async () => {
  const { code, output } = await checkExamples({
    ...packageA,
    "packages/a/src/index.ts":
      '/**\n * One.\n *\n * @example\n * ```ts\n * import { two } from "@iam/a";\n * console.log(two);\n * ```\n */\nexport const one = 1;\n',
  });
  expect(output).toMatch(/^packages\/a\/src\/index\.ts:6: error TS2305: /m);
  expect(code).toBe(1);
});

test("an @example without a block is a problem, because nothing would check it", async () => {
  const { code, output } = await checkExamples({
    "packages/a/src/index.ts": "/**\n * One.\n * @example\n * one + 1\n */\nexport const one = 1;\n",
  });
  expect(output).toMatch(/^packages\/a\/src\/index\.ts:3: an @example without a ```ts block$/m);
  expect(code).toBe(1);
});

test("the check of examples leaves nothing behind, whatever it found", async () => {
  const files = { ...packageA, "README.md": "```ts\nconst broken: string = 1;\n```\n" };
  const { left } = await checkExamples(files);
  expect(left.filter((name) => name.includes(".examples"))).toEqual([]);
});
