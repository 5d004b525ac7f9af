// What each public package drags into a bundle: itself, @iam/core where it stands on it, the dependencies that it declares, and
// nothing of another adapter. Those that are for every runtime must bundle without Node's own modules.
import { globSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { build } from "esbuild";

const root = resolve(import.meta.dirname, "..");
/** Whether a package is for Node, Bun and Deno only: its source is compiled with Node's types. All others take web standards. */
const isForNode = (folder) =>
  JSON.parse(readFileSync(join(folder, "tsconfig.json"), "utf8")).compilerOptions.types?.includes("node");
/** The one that stands on an adapter: IBM's SDKs send through axios, and the rules about that are in one place. */
const standsOn = { "@iam/ibm-sdk": ["@iam/axios"] };
const problems = [];
let entries = 0;

const packageOf = (path) => {
  const ours = /(?:^|\/)packages\/([^/]+)\/dist\//.exec(path)?.[1];
  if (ours) return `@iam/${ours}`;
  return /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
};

for (const path of globSync("packages/*/package.json", { cwd: root }).sort()) {
  const manifest = JSON.parse(readFileSync(join(root, path), "utf8"));
  if (manifest.private) continue;
  const { name, dependencies = {}, peerDependencies = {} } = manifest;
  const allowed = new Set([name, "@iam/core", ...(standsOn[name] ?? [])]);
  for (const each of Object.keys(dependencies))
    if (each.startsWith("@iam/") && !allowed.has(each)) problems.push(`${name} must not depend on ${each}`);
  for (const [subpath, target] of Object.entries(manifest.exports)) {
    if (typeof target === "string") continue;
    entries++;
    const { metafile, errors } = await build({
      stdin: {
        contents: `export * from "${name + subpath.slice(1)}";`,
        resolveDir: join(root, dirname(path)),
      },
      bundle: true,
      write: false,
      metafile: true,
      format: "esm",
      platform: isForNode(join(root, dirname(path))) ? "node" : "neutral",
      mainFields: ["module", "main"],
      external: Object.keys(peerDependencies),
      logLevel: "silent",
    }).catch((failure) => failure);
    for (const { text } of errors ?? []) problems.push(`${name + subpath.slice(1)}: ${text}`);
    // What comes with a dependency is that dependency's business.
    const bundled = new Set(Object.keys(metafile?.inputs ?? {}).map(packageOf));
    for (const each of bundled)
      if (each?.startsWith("@iam/") && !allowed.has(each)) problems.push(`${name} drags in ${each}`);
  }
}

for (const text of problems) console.error(text);
console.log(`imports: ${entries} entry points, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
