import { execFile } from "node:child_process";
import { cpSync, globSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type IbmCloud, startIbmCloud } from "./ibm-cloud.ts";
import { readReadme } from "./readme.ts";
import { type Registry, startRegistry } from "./registry.ts";

const exec = promisify(execFile);
const root = resolve(import.meta.dirname, "../../..");
const bin = (path: string) => resolve(import.meta.dirname, "../node_modules", path);
const publicPackages = globSync("packages/*/package.json", { cwd: root })
  .filter((path) => !JSON.parse(readFileSync(join(root, path), "utf8")).private)
  .map((path) => path.split("/")[1] ?? "");

let registry: Registry;
let cloud: IbmCloud;
/** A copy of this workspace, which the rehearsal may change. */
let workspace: string;

beforeAll(async () => {
  [registry, cloud] = await Promise.all([startRegistry(), startIbmCloud()]);
  writeFileSync(join(registry.folder, "ca.pem"), cloud.certificate);
  workspace = join(registry.folder, "workspace");
  cpSync(root, workspace, {
    recursive: true,
    filter: (path) => !/(^|\/)(node_modules|\.git|\.turbo|\.sandbox|coverage)$/.test(path.slice(root.length)),
  });
  await git("init", "--quiet", "--bare", origin());
  await git("init", "--quiet", "--initial-branch=main");
  await git("remote", "add", "origin", origin());
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, whatever its status. */
function run(
  cwd: string,
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Ran> {
  return exec(program, [...args], {
    cwd,
    env: { ...registry.env, ...env },
    maxBuffer: 2 ** 24,
    timeout: 90_000,
  }).then(
    (out) => ({ status: 0, ...out }),
    (failure: Ran & { code?: unknown }) => ({
      status: typeof failure.code === "number" ? failure.code : 1,
      stdout: failure.stdout,
      stderr: `${failure.stderr}`,
    }),
  );
}

async function succeeds(...args: Parameters<typeof run>): Promise<Ran> {
  const ran = await run(...args);
  expect(ran.status, `${args[1]} ${args[2].join(" ")}\n${ran.stdout}\n${ran.stderr}`).toBe(0);
  return ran;
}

/** Where the workspace is pushed to. */
const origin = () => join(registry.folder, "origin.git");
const git = (...args: string[]) =>
  succeeds(workspace, "git", ["-c", "user.name=Author", "-c", "user.email=author@example.com", ...args]);
const publish = (...more: string[]) =>
  `${process.execPath} scripts/release.mjs --registry=${registry.url} --skip-checks ${more.join(" ")}`;

/** What the release workflow runs, line by line; its own word for a release in place of a rehearsal's. */
const workflowLines = [
  ...readFileSync(join(root, ".github/workflows/release.yml"), "utf8").matchAll(
    /^ +- run: (?:\|\n((?: {10,}.*\n)+)|(.*))/gm,
  ),
].map(([, block, line]) => (block ?? line ?? "").trim());

/** Bumps the versions as the version script does, commits, and runs what the workflow runs: as root in a container, in a
 * folder of somebody else's, with nobody's name known to git. */
async function release(version: string): Promise<void> {
  await succeeds(workspace, join(root, "node_modules/.bin/changeset"), ["version"]);
  await git("add", "--all");
  await git("commit", "--quiet", "-m", `Release ${version}`);
  const home = join(registry.folder, `home-${version}`);
  mkdirSync(home);
  if (process.getuid?.() === 0) await succeeds(workspace, "chown", ["-R", "1001", "."]);
  for (const line of workflowLines)
    await succeeds(workspace, "bash", ["-ec", line.replace(/^npx -y pnpm@12 release$/, publish("--tags"))], {
      HOME: home,
      XDG_CONFIG_HOME: home,
      GIT_CONFIG_NOSYSTEM: "1",
      GITHUB_WORKSPACE: workspace,
      GITHUB_SERVER_URL: "https://github.com",
      GITHUB_REPOSITORY: "owner/iam",
    });
  if (process.getuid?.() === 0) await succeeds(workspace, "chown", ["-R", "0", "."]);
}

/** The tags that have been pushed. */
async function pushedTags(): Promise<string[]> {
  const { stdout } = await succeeds(registry.folder, "git", ["--git-dir", origin(), "tag"]);
  return stdout.trim().split("\n");
}

function emptyFolder(name: string): string {
  const folder = join(registry.folder, name);
  mkdirSync(folder);
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ name: "newcomer", private: true, type: "module" }),
  );
  return folder;
}

const installers: Record<string, (folder: string, packages: readonly string[]) => Promise<Ran>> = {
  npm: (folder, packages) => succeeds(folder, "npm", ["install", "--prefer-offline", ...packages]),
  pnpm: (folder, packages) => succeeds(folder, "pnpm", ["add", "--prefer-offline", ...packages]),
  bun(folder, packages) {
    // It reads a project's own configuration only.
    cpSync(join(registry.folder, "npmrc"), join(folder, ".npmrc"));
    return succeeds(folder, bin(".bin/bun"), ["add", ...packages]);
  },
};

/** Runs a program that is written for IBM Cloud, as it stands. */
function inTheCloud(folder: string, file: string): Promise<Ran> {
  return run(folder, process.execPath, ["--import", bin("../src/loopback-cloud.mjs"), file], {
    IBMCLOUD_API_KEY: cloud.apiKey,
    LOOPBACK_CLOUD_PORT: `${cloud.port}`,
    NODE_EXTRA_CA_CERTS: join(registry.folder, "ca.pem"),
  });
}

describe("a first release", () => {
  beforeAll(() => release("0.1.0"));

  it("publishes every public package at one version", async () => {
    for (const name of publicPackages)
      expect(await registry.versionsOf(`@iam/${name}`), name).toEqual(["0.1.0"]);
  });

  it("is tagged, by the lines of the workflow themselves", async () => {
    expect(workflowLines).toContain("npx -y pnpm@12 release");
    expect(await pushedTags()).toEqual(publicPackages.map((name) => `@iam/${name}@0.1.0`).sort());
  });

  it("says where each package comes from, which provenance is held to, and leaves the manifests as they were", async () => {
    for (const name of publicPackages) {
      const { stdout } = await succeeds(registry.folder, "npm", ["view", `@iam/${name}`, "--json"]);
      expect(JSON.parse(stdout), name).toMatchObject({
        repository: {
          type: "git",
          url: "git+https://github.com/owner/iam.git",
          directory: `packages/${name}`,
        },
        homepage: `https://github.com/owner/iam/tree/HEAD/packages/${name}#readme`,
        bugs: { url: "https://github.com/owner/iam/issues" },
        license: "Apache-2.0",
      });
    }
    expect((await git("status", "--porcelain")).stdout).toBe("");
  });

  it("holds in each tarball what is built, its README, its licence, its changelog, and nothing else", async () => {
    for (const name of publicPackages) {
      const [{ files }] = JSON.parse(
        (await succeeds(registry.folder, "npm", ["pack", `@iam/${name}`, "--dry-run", "--json"])).stdout,
      ) as [{ files: { path: string }[] }];
      const paths = files.map(({ path }) => path);
      expect(paths.filter((path) => !/^dist\/[\w-]+\.(js|d\.ts)$/.test(path)).sort(), name).toEqual([
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "package.json",
      ]);
      expect(paths, name).toEqual(expect.arrayContaining(["dist/index.js", "dist/index.d.ts"]));
    }
  });

  it("holds no path of a workspace: each package depends on the published core", async () => {
    const { stdout } = await succeeds(registry.folder, "npm", [
      "view",
      "@iam/fetch",
      "dependencies",
      "--json",
    ]);
    expect(JSON.parse(stdout)).toEqual({ "@iam/core": "^0.1.0" });
  });

  it("a second run of the release script publishes nothing", async () => {
    await git("tag", "--delete", ...(await pushedTags()));
    await succeeds(workspace, "bash", ["-ec", publish("--tags")]);
    for (const name of publicPackages)
      expect(await registry.versionsOf(`@iam/${name}`), name).toEqual(["0.1.0"]);
  });

  describe.each(Object.entries(installers))("a newcomer with %s", (installer, install) => {
    it.each([
      ["fetch", "README.md"],
      ...["core", "fetch", "axios", "ky", "express"].map((name) => [name, `packages/${name}/README.md`]),
    ])("installs @iam/%s as %s says and runs what it shows", async (name = "", path = "") => {
      const readme = readReadme(join(root, path));
      const folder = emptyFolder(`${installer}-${path.replaceAll("/", "-")}`);
      await install(folder, readme.packages);
      const ours = globSync("node_modules/@iam/*", { cwd: folder }).map((path) => path.split("/")[2]);
      expect(ours.sort()).toEqual([...new Set(["core", name])].sort());

      for (const [index, snippet] of readme.snippets.entries()) {
        writeFileSync(join(folder, `snippet-${index}.mts`), snippet);
        const before = cloud.grants;
        const { status, stdout, stderr } = await inTheCloud(folder, `snippet-${index}.mts`);
        expect(`${stderr}`, stdout).toBe("");
        expect(status).toBe(0);
        // Those that only define something ask for nothing.
        if (/^(const|await|console).*await/m.test(snippet)) expect(cloud.grants - before).toBe(1);
        if (name === "fetch" && index === 0) expect(stdout).toBe("200\n");
      }
    });
  });

  it("a newcomer runs the emulator's command", async () => {
    const folder = emptyFolder("command");
    const { packages } = readReadme(join(root, "packages/emulator/README.md"));
    await installers.npm?.(folder, packages);
    const { stdout } = await succeeds(folder, "npx", ["iam-emulator", "--help"]);
    expect(stdout).toContain("--port");
  });

  it("every snippet of every README type-checks in a newcomer's folder", async () => {
    const folder = emptyFolder("types");
    const readmes = ["README.md", ...publicPackages.map((name) => `packages/${name}/README.md`)].map((path) =>
      readReadme(join(root, path)),
    );
    const snippets = readmes.flatMap((readme) => readme.snippets);
    const packages = new Set(
      snippets.flatMap((code) =>
        [...code.matchAll(/from "((?:@[^/"]+\/)?[^/"]+)/g)]
          .map(([, name = ""]) => name)
          .filter((name) => !name.startsWith("node:")),
      ),
    );
    await installers.npm?.(folder, [...packages, "@types/express", "@types/node"]);
    for (const [index, code] of snippets.entries())
      writeFileSync(join(folder, `snippet-${index}.mts`), `${code}\nexport {};\n`);
    const compilerOptions = {
      target: "es2022",
      module: "nodenext",
      lib: ["es2023", "dom", "dom.iterable", "esnext.disposable"],
      types: ["node"],
      strict: true,
      skipLibCheck: true,
      noEmit: true,
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.mts"] }));
    expect(snippets.length).toBeGreaterThan(4);
    await succeeds(folder, process.execPath, [bin("typescript/bin/tsc"), "-p", ".", "--pretty", "false"]);
  });

  describe("what goes wrong for a newcomer", () => {
    it("a Node that is too old is named, with what is needed", async () => {
      const folder = emptyFolder("old-node");
      const npm = join(
        dirname(realpathSync((await run(folder, "which", ["npm"])).stdout.trim())),
        "npm-cli.js",
      );
      const { stderr } = await run(folder, bin("node-20/bin/node"), [
        npm,
        "install",
        "@iam/core",
        "@iam/ky",
        "ky",
      ]);
      expect(stderr).toMatch(/EBADENGINE[\s\S]*@iam\/ky@0\.1\.0[\s\S]*required: \{ node: '>=22' \}/);
    });

    it("a Node that is too old for the workspace is named before anything runs", async () => {
      const { status, stderr } = await run(root, bin("node-20/bin/node"), ["scripts/preflight.mjs"]);
      expect(status).toBe(1);
      expect(stderr).toMatch(/^Node .* is needed and this is v20\.20\.2\./);
    });

    it("a peer that is missing is named, by the installer and when the adapter is imported", async () => {
      const folder = emptyFolder("no-peer");
      const added = await succeeds(folder, "pnpm", [
        "add",
        "--config.auto-install-peers=false",
        "@iam/core",
        "@iam/axios",
      ]);
      expect(`${added.stdout}${added.stderr}`).toMatch(/peer dependencies/);
      const checked = await run(folder, "pnpm", ["peers", "check"]);
      expect(`${checked.stdout}${checked.stderr}`).toMatch(
        /missing peer axios\n\s+Wanted:\n\s+">=1.7 <2":\n\s+@iam\/axios/,
      );
      writeFileSync(join(folder, "main.mjs"), `import "@iam/axios";`);
      const { stderr } = await run(folder, process.execPath, ["main.mjs"]);
      expect(stderr).toMatch(/Cannot find package 'axios' imported from .*@iam\/axios/);
    });

    it("a client outside the peer range is refused by the installer, with the range", async () => {
      const folder = emptyFolder("wrong-peer");
      const { status, stderr } = await run(folder, "npm", [
        "install",
        "@iam/core",
        "@iam/axios",
        "axios@0.30",
      ]);
      expect(status).not.toBe(0);
      expect(stderr).toMatch(/ERESOLVE[\s\S]*peer axios@"\^?>?=?1\.7.*" from @iam\/axios@0\.1\.0/);
    });
  });
});

describe("a second release", () => {
  beforeAll(async () => {
    writeFileSync(
      join(workspace, ".changeset/second.md"),
      `---\n"@iam/ky": minor\n---\n\nA change of one package.\n`,
    );
    await release("0.2.0");
  });

  it("bumps every package to the same version, with one changelog entry each", async () => {
    for (const name of publicPackages) {
      expect(await registry.versionsOf(`@iam/${name}`), name).toEqual(["0.1.0", "0.2.0"]);
      const changelog = readFileSync(join(workspace, "packages", name, "CHANGELOG.md"), "utf8");
      expect(changelog.match(/^## .*$/gm), name).toEqual(["## 0.2.0", "## 0.1.0"]);
    }
  });

  it("two copies of core at two versions understand each other's managers and errors", async () => {
    const folder = emptyFolder("two-cores");
    await succeeds(folder, "npm", [
      "install",
      "@iam/core@0.2.0",
      "@iam/fetch@0.1.0",
      "@iam/axios@0.1.0",
      "axios",
    ]);
    expect(
      globSync("node_modules/@iam/{.,*/node_modules/@iam}/core/package.json", { cwd: folder }).length,
    ).toBe(3);
    writeFileSync(
      join(folder, "main.mjs"),
      `import { apiKeyGrant, createTokenManager, isIamError } from "@iam/core";
       import { iamAxios } from "@iam/axios";
       import { iamFetch } from "@iam/fetch";
       import axios from "axios";
       const manager = createTokenManager({ grant: apiKeyGrant(process.env.IBMCLOUD_API_KEY) });
       const fetch = iamFetch({ manager });
       const client = axios.create();
       iamAxios(client, { manager });
       const url = "https://resource-controller.cloud.ibm.com/v2/resource_instances";
       console.log((await fetch(url)).status, (await client.get(url)).status);
       const errors = [await fetch("https://api.example.com").catch((error) => error), await client.get("https://api.example.com").catch((error) => error)];
       console.log(...errors.map((error) => isIamError(error) && error.code));`,
    );
    const { stdout, stderr } = await inTheCloud(folder, "main.mjs");
    expect(stderr).toBe("");
    expect(stdout).toBe("200 200\nERR_IAM_ORIGIN_NOT_ALLOWED ERR_IAM_ORIGIN_NOT_ALLOWED\n");
  });
});
