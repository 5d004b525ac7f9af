// Publishes what the version script has bumped: builds, checks everything, publishes each package whose version is not in the
// registry yet, core before what stands on it, and tags. Rehearsed by packages/runtimes/test/release.test.ts.
//
//   pnpm release [--registry URL] [--tags] [--skip-checks] [--dry-run]
//
// Another registry is a rehearsal: it gets no tags unless they are asked for. Where the environment can vouch for the build
// (OpenID Connect on GitHub Actions), with provenance.
import { spawnSync } from "node:child_process";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    registry: { type: "string" },
    tags: { type: "boolean", default: false },
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
  .map((path) => ({ path, text: readFileSync(path, "utf8") }))
  .map((file) => ({ ...file, manifest: JSON.parse(file.text) }))
  .filter(({ manifest }) => !manifest.private);
const versions = new Set(packages.map(({ manifest }) => manifest.version));
if (versions.size !== 1) {
  console.error(`All public packages share one version; these do not: ${[...versions].join(", ")}.`);
  process.exit(1);
}

/** Where this repository is, for people: by GitHub Actions, else by git's origin. */
function repositoryUrl() {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository } = process.env;
  if (server && repository) return `${server}/${repository}`;
  const { stdout } = spawnSync("git", ["remote", "get-url", "origin"], { encoding: "utf8" });
  const [, host, path] = /^(?:https:\/\/|git@)([^/:@]+)[/:]([^:@]+?)(?:\.git)?\s*$/.exec(stdout ?? "") ?? [];
  return host && `https://${host}/${path}`;
}

/**
 * Puts into each manifest where its source is, until this script ends. npm refuses a provenance that names another
 * repository than the manifest, and finds what a README links to by it.
 */
function nameRepository() {
  const url = repositoryUrl();
  if (!url)
    return console.warn("No GitHub Actions and no origin: the packages will not say where they come from.");
  process.on("exit", () => {
    for (const { path, text } of packages) writeFileSync(path, text);
  });
  // Without a listener they end this process without its exit.
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));
  for (const { path, manifest } of packages) {
    const directory = dirname(path).replaceAll("\\", "/");
    const repository = { type: "git", url: `git+${url}.git`, directory };
    const links = {
      repository,
      homepage: `${url}/tree/HEAD/${directory}#readme`,
      bugs: { url: `${url}/issues` },
    };
    writeFileSync(path, `${JSON.stringify({ ...links, ...manifest }, null, 2)}\n`);
  }
}

if (!values["skip-checks"]) run("pnpm", "test");
nameRepository();
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
if (!values["dry-run"] && (values.tags || !values.registry)) {
  run("changeset", "git-tag");
  // It says that it made them whether git did or not. Those of an earlier run of this release are at the origin.
  const told = [["tag"], ["ls-remote", "--tags", "origin"]].map(
    (args) => spawnSync("git", args, { encoding: "utf8" }).stdout ?? "",
  );
  const tags = new Set(told.join("\n").match(/@iam\/[^\s^]+/g));
  const missing = packages
    .map(({ manifest }) => `${manifest.name}@${manifest.version}`)
    .filter((tag) => !tags.has(tag));
  if (missing.length > 0) {
    console.error(
      `Published, but git did not tag it: ${missing.join(", ")}. See above, then: changeset git-tag`,
    );
    process.exitCode = 1;
  }
}
