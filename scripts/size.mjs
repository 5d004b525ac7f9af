// The byte budget of each entry point, and the goal where it is not reached yet: bundled by esbuild for a browser or worker, minified by terser with the
// options that webpack gives it, gzipped; beside it the same minified by esbuild, as wrangler does it. docs/sizes.md holds the figures; `pnpm size --write` brings it
// up to date, and without that this script fails when a budget or the table is not kept.
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";

const core = 'export { createTokenManager, apiKeyGrant } from "@iam/core";';
const entries = [
  {
    name: "`createTokenManager` and `apiKeyGrant` of `@iam/core`",
    contents: core,
    budget: 6_700,
    goal: 6_000,
  },
  {
    name: "the same with `@iam/fetch`",
    contents: `${core} export { iamFetch } from "@iam/fetch";`,
    budget: 8_950,
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
    budget: 2_060,
    goal: 1_500,
  },
  {
    name: "the same for Node, with what axios' http adapter needs",
    contents: 'export * from "@iam/axios";',
    external: ["@iam/core", "axios"],
    targets: { node: { platform: "node" } },
    budget: 2_600,
  },
  {
    name: "`@iam/ky` alone",
    contents: 'export * from "@iam/ky";',
    external: ["@iam/core", "ky"],
    budget: 1_000,
  },
];

const table = "docs/sizes.md";
// The platform, too: by it esbuild follows the field `browser`, which axios and its adapter have.
const web = {
  browser: { platform: "browser", conditions: ["browser"] },
  workerd: { platform: "browser", conditions: ["workerd", "worker", "browser"] },
};
let failed = false;
let text = `# Sizes

What a bundler keeps, for browsers and workerd alike unless it says "Node", in bytes after gzip; dependencies within \`@iam\` included unless it says
"alone", peers never. Bundled by esbuild, then minified by terser as webpack does it (two passes, a module); beside it as esbuild itself
minifies, which is what wrangler does. The budget is for terser's figure. Written by \`pnpm size --write\`, checked by \`pnpm check\`.

| entry point | bytes | budget | goal | by esbuild |
| --- | --- | --- | --- | --- |
`;

/** Minified and gzipped bytes of an entry point for one target, by terser and by esbuild. */
async function sizes(contents, external, target) {
  const options = {
    stdin: { contents, resolveDir: "packages/benchmarks", sourcefile: "entry.mjs" },
    bundle: true,
    format: "esm",
    target: "es2022",
    ...target,
    external,
    write: false,
  };
  const [plain, minified] = await Promise.all([build(options), build({ ...options, minify: true })]);
  const { code } = await minify(plain.outputFiles[0].text, { module: true, compress: { passes: 2 } });
  return [code, minified.outputFiles[0].text].map((text) => gzipSync(text, { level: 9 }).length);
}

for (const { name, contents, budget, goal = budget, external = [], targets = web } of entries) {
  const measured = await Promise.all(
    Object.values(targets).map((target) => sizes(contents, external, target)),
  );
  const [bytes, byEsbuild] = [0, 1].map((index) => Math.max(...measured.map((pair) => pair[index])));
  text += `| ${name} | ${bytes} | ${budget} | ${goal} | ${byEsbuild} |\n`;
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
