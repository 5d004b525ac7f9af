// The byte budget of each entry point, and the goal where it is not reached yet: bundled for a browser or worker, minified, gzipped. docs/sizes.md holds the figures;
// `pnpm size --write` brings it up to date, and without that this script fails when a budget or the table is not kept.
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const core = 'export { createTokenManager, apiKeyGrant } from "@iam/core";';
const entries = [
  {
    name: "`createTokenManager` and `apiKeyGrant` of `@iam/core`",
    contents: core,
    budget: 7_200,
    goal: 6_000,
  },
  {
    name: "the same with `@iam/fetch`",
    contents: `${core} export { iamFetch } from "@iam/fetch";`,
    budget: 9_650,
    goal: 7_000,
  },
  {
    name: "`@iam/fetch` alone",
    contents: 'export * from "@iam/fetch";',
    external: ["@iam/core"],
    budget: 1_000,
  },
  {
    name: "`@iam/axios` alone",
    contents: 'export * from "@iam/axios";',
    external: ["@iam/core", "axios"],
    budget: 2_200,
    goal: 1_500,
  },
  {
    name: "`@iam/ky` alone",
    contents: 'export * from "@iam/ky";',
    external: ["@iam/core", "ky"],
    budget: 1_000,
  },
];

const table = "docs/sizes.md";
const conditions = { browser: ["browser"], workerd: ["workerd", "worker", "browser"] };
let failed = false;
let text = `# Sizes

Minified and gzipped bytes of what a bundler keeps, for browsers and workerd alike, dependencies within \`@iam\` included unless it
says "alone", peers never. Written by \`pnpm size --write\`, checked by \`pnpm check\`.

| entry point | bytes | budget | goal |
| --- | --- | --- | --- |
`;
for (const { name, contents, budget, goal = budget, external = [] } of entries) {
  const sizes = [];
  for (const target of Object.values(conditions)) {
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: "packages/benchmarks", sourcefile: "entry.mjs" },
      bundle: true,
      minify: true,
      format: "esm",
      target: "es2022",
      platform: "neutral",
      conditions: target,
      external,
      write: false,
    });
    sizes.push(gzipSync(outputFiles[0].contents, { level: 9 }).length);
  }
  const bytes = Math.max(...sizes);
  text += `| ${name} | ${bytes} | ${budget} | ${goal} |\n`;
  if (bytes > budget) {
    console.error(`size: ${name}: ${bytes} B is above its budget of ${budget} B`);
    failed = true;
  }
}
if (process.argv.includes("--write")) writeFileSync(table, text);
else if (readFileSync(table, "utf8") !== text) {
  console.error(`size: ${table} is out of date; run: pnpm size --write`);
  failed = true;
}
process.stdout.write(text.slice(text.indexOf("|")));
process.exitCode = failed ? 1 : 0;
