// What every package.json of a public package must say, so that it is checked, tested, released and installed like the others.
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, matchesGlob, resolve } from "node:path";

const root = resolve(process.argv[2] ?? join(import.meta.dirname, ".."));
const read = (path) => JSON.parse(readFileSync(join(root, path), "utf8"));
const catalog = readFileSync(join(root, "pnpm-workspace.yaml"), "utf8");
const scriptsOfAll = ["build", "typecheck", "check:package"];
/** A peer that another of our packages, which this one stands on, is tested with at its oldest. */
const testedBelow = { "@iam/ibm-sdk": ["axios"] };
const problems = [];
let name;
const must = (holds, text) => holds || problems.push(`${name}: ${text}`);

/** The oldest version that a range allows: ">=1.7 <2" -> "1.7.0". */
function oldestOf(range) {
  const [, major, minor = 0, patch = 0] = /(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(range) ?? [];
  return `${major}.${minor}.${patch}`;
}

/** What a manifest asks for, with `catalog:` looked up. */
function wanted(dependency, asked) {
  if (asked !== "catalog:") return asked;
  const [, found = ""] = new RegExp(`^ {2}"?${dependency}"?: (\\S+)$`, "m").exec(catalog) ?? [];
  return found;
}

function checkPeers({ peerDependencies = {}, devDependencies = {} }) {
  const tested = Object.entries(devDependencies).map(([alias, asked]) => wanted(alias, asked));
  for (const [peer, range] of Object.entries(peerDependencies)) {
    must(devDependencies[peer], `tests with the newest ${peer}: it must be among devDependencies`);
    if (testedBelow[name]?.includes(peer)) continue;
    const oldest = `npm:${peer}@${oldestOf(range)}`;
    must(tested.includes(oldest), `peer ${peer} "${range}": test with its oldest, as ${oldest}`);
  }
}

const manifests = globSync("packages/*/package.json", { cwd: root }).sort();
const publicNames = [];
for (const path of manifests) {
  const manifest = read(path);
  const folder = dirname(path);
  const { scripts = {}, dependencies = {}, exports = {} } = manifest;
  name = manifest.name;
  const hasTests = existsSync(join(root, folder, "vitest.config.ts"));
  must(!hasTests || scripts.test, `has tests and no script "test": turbo would not run them`);
  if (manifest.private) continue;
  publicNames.push(name);
  for (const script of scriptsOfAll) must(scripts[script], `no script "${script}"`);
  must(hasTests, "no vitest.config.ts");
  must(manifest.sideEffects === false, "sideEffects must be false");
  must(/\d/.test(manifest.engines?.node ?? ""), "engines.node must say which Node it needs");
  must(manifest.license === "Apache-2.0", "license must be Apache-2.0");
  must(manifest.publishConfig?.access === "public", "publishConfig.access must be public");
  must(manifest.description && manifest.keywords?.length, "description and keywords are how it is found");
  must(`${manifest.files}` === "dist,CHANGELOG.md", "files must be dist and CHANGELOG.md");
  must(exports["./package.json"] === "./package.json", "exports must have ./package.json");
  for (const [subpath, target] of Object.entries(exports))
    if (typeof target !== "string")
      must(Object.keys(target)[0] === "types", `types must come first in exports["${subpath}"]`);
  for (const [dependency, asked] of Object.entries(dependencies))
    must(
      /^(workspace:)?\^/.test(wanted(dependency, asked)),
      `dependency ${dependency} must be a range (^), so that fixes of it reach users without a release of ours`,
    );
  checkPeers(manifest);
  name = `${folder}/tsconfig.json`;
  const { compilerOptions = {} } = existsSync(join(root, name)) ? read(name) : {};
  must(compilerOptions.isolatedDeclarations !== false, "isolatedDeclarations must stay on");
}

name = ".changeset/config.json";
const [patterns = []] = read(name).fixed;
const isFixed = (each) =>
  patterns.some((pattern) => matchesGlob(each, pattern)) &&
  !patterns.some((pattern) => pattern.startsWith("!") && matchesGlob(each, pattern.slice(1)));
for (const each of publicNames) must(isFixed(each), `${each} is not in the fixed group`);
const examples = globSync("examples/*/package.json", { cwd: root });
for (const each of [...manifests, ...examples].map((path) => read(path).name))
  must(!isFixed(each) || publicNames.includes(each), `${each} in the fixed group is no public package`);

for (const problem of problems) console.error(problem);
console.log(`manifests: ${publicNames.length} public packages, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
