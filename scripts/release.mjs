// Publishes what the version script has bumped: builds, checks everything, publishes each package whose version is not in the
// registry yet, core before what stands on it, and tags. Rehearsed by packages/runtimes/test/release.test.ts.
//
//   pnpm release [--registry URL] [--skip-checks] [--dry-run]
//
// Where the environment can vouch for the build (OpenID Connect on GitHub Actions), with provenance.
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    registry: { type: "string" },
    "skip-checks": { type: "boolean", default: false },
    "dry-run": { type: "boolean", default: false },
  },
});

function run(command, ...args) {
  console.log(`$ ${command} ${args.join(" ")}`);
  const { status, error } = spawnSync(command, args, { stdio: "inherit" });
  if (status === 0) return;
  console.error(
    `${command} ${args[0]} failed${error ? `: ${error.message}` : ""}. Nothing after it was done.`,
  );
  process.exit(status || 1);
}

const pending = globSync(".changeset/*.md");
if (pending.length > 0) {
  console.error(`${pending.length} changesets are waiting. First: pnpm version-packages, and commit.`);
  process.exit(1);
}
const packages = globSync("packages/*/package.json")
  .map((path) => JSON.parse(readFileSync(path, "utf8")))
  .filter((manifest) => !manifest.private);
const versions = new Set(packages.map(({ version }) => version));
if (versions.size !== 1) {
  console.error(`All public packages share one version; these do not: ${[...versions].join(", ")}.`);
  process.exit(1);
}

if (!values["skip-checks"]) run("pnpm", "test");
const canVouch = process.env.ACTIONS_ID_TOKEN_REQUEST_URL !== undefined;
run(
  "pnpm",
  "--recursive",
  "publish",
  "--access=public",
  "--no-git-checks",
  ...(values.registry ? [`--registry=${values.registry}`] : []),
  ...(canVouch ? ["--provenance"] : []),
  ...(values["dry-run"] ? ["--dry-run"] : []),
);
if (!values["dry-run"] && !values.registry) run("pnpm", "changeset", "tag");
