// The byte budget of each entry point, and the goal where it is not reached yet: bundled by esbuild for a browser or worker,
// minified by terser with the options that webpack gives it, gzipped; beside it the same minified by esbuild, as wrangler does
// it. docs/sizes.md holds the figures; `pnpm size --write` brings it up to date, and without that this script fails when a
// budget or the table is not kept.
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";

const core = 'export { createTokenManager, apiKeyGrant } from "@iam/core";';
const entries = [
  {
    name: "`createTokenManager` and `apiKeyGrant` of `@iam/core`",
    from: "fetch",
    contents: core,
    budget: 6_700,
    goal: 6_000,
  },
  {
    name: "the same with `@iam/fetch`",
    from: "fetch",
    contents: `${core} export { iamFetch } from "@iam/fetch";`,
    budget: 8_950,
    goal: 7_000,
  },
  alone("fetch", { budget: 1_000 }),
  alone("axios", { budget: 2_150, goal: 1_500 }),
  {
    ...alone("axios", { budget: 2_650 }),
    name: "the same for Node, with what axios' http adapter needs",
    targets: { node: { platform: "node" } },
  },
  alone("ky", { budget: 1_000 }),
];

/** All that a package exports, without core and its peers. */
function alone(from, limits) {
  const { name, peerDependencies } = JSON.parse(readFileSync(`packages/${from}/package.json`, "utf8"));
  const external = ["@iam/core", ...Object.keys(peerDependencies ?? {})];
  return { name: `\`${name}\` alone`, from, contents: `export * from "${name}";`, external, ...limits };
}

const table = "docs/sizes.md";
// The platform, too: by it esbuild follows the field `browser`, which axios and its adapter have.
const web = {
  browser: { platform: "browser", conditions: ["browser"] },
  workerd: { platform: "browser", conditions: ["workerd", "worker", "browser"] },
};
let failed = false;
let text = `# Sizes

What a bundler keeps, for browsers and workerd alike unless it says "Node", in bytes after gzip; dependencies within \`@iam\`
included unless it says "alone", peers never. Bundled by esbuild, then minified by terser as webpack does it (two passes, a
module); beside it as esbuild itself minifies, which is what wrangler does. The budget is for terser's figure. Written by
\`pnpm size --write\`, checked by \`pnpm check\`.

| entry point | bytes | budget | goal | by esbuild |
| --- | --- | --- | --- | --- |
`;

/** Minified and gzipped bytes of an entry point for one target, by terser and by esbuild. */
async function sizes({ contents, from, external }, target) {
  const options = {
    stdin: { contents, resolveDir: `packages/${from}`, sourcefile: "entry.mjs" },
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

for (const entry of entries) {
  const { name, budget, goal = budget, targets = web } = entry;
  const measured = await Promise.all(Object.values(targets).map((target) => sizes(entry, target)));
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
