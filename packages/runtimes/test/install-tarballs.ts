import { execFileSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const workspace = resolve(import.meta.dirname, "../../..");
/** Where the tarballs are installed, as in a user's project, and run from. */
export const sandbox: string = resolve(import.meta.dirname, "../.sandbox");

/** What a user brings besides the peers of the packages. */
const alsoInstalled = ["@types/express", "@types/node", "http-proxy-middleware", "ibm-cloud-sdk-core"];

/** Packs every public package and installs the tarballs with npm, with nothing of this workspace in reach. */
export default function installTarballs(): void {
  rmSync(sandbox, { recursive: true, force: true });
  mkdirSync(join(sandbox, "tarballs"), { recursive: true });
  const catalog = readFileSync(join(workspace, "pnpm-workspace.yaml"), "utf8");
  const versionOf = (name: string) => new RegExp(`^ {2}"?${name}"?: (\\S+)$`, "m").exec(catalog)?.[1];
  const wanted = new Set(alsoInstalled);
  for (const path of globSync("packages/*/package.json", { cwd: workspace })) {
    const manifest = JSON.parse(readFileSync(join(workspace, path), "utf8"));
    const { name, peerDependencies = {} } = manifest;
    if (manifest.private) continue;
    for (const peer of Object.keys(peerDependencies)) wanted.add(peer);
    run("pnpm", ["--filter", name, "pack", "--pack-destination", join(sandbox, "tarballs")], workspace);
  }
  writeFileSync(join(sandbox, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const tarballs = globSync("tarballs/*.tgz", { cwd: sandbox }).map((name) => `./${name}`);
  const brought = Array.from(wanted, (name) => `${name}@${versionOf(name)}`);
  run(
    "npm",
    ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", ...tarballs, ...brought],
    sandbox,
  );
  cpSync(resolve(import.meta.dirname, "../src"), join(sandbox, "src"), { recursive: true });
}

function run(command: string, args: string[], cwd: string): void {
  execFileSync(command, args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
}
