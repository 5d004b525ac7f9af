import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A registry on loopback that knows our scope only, empty at first. */
export interface Registry extends AsyncDisposable {
  readonly url: string;
  /** A folder that goes away with it. */
  readonly folder: string;
  /**
   * The environment of a package manager whose `@iam` is here, with an empty cache. Everything else comes from where it
   * always does.
   */
  readonly env: NodeJS.ProcessEnv;
  /** The published versions of a package, oldest first. */
  versionsOf(name: string): Promise<string[]>;
}

/** Starts Verdaccio, a real npm registry, on a free port. */
export async function startRegistry(): Promise<Registry> {
  const folder = mkdtempSync(join(tmpdir(), "iam-registry-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const config = join(folder, "verdaccio.yaml");
  writeFileSync(
    config,
    `storage: ${JSON.stringify(join(folder, "storage"))}
web: { enable: false }
packages:
  "@iam/*": { access: $all, publish: $anonymous }
max_body_size: 50mb
middlewares: {}
log: { type: stdout, format: json, level: error }
`,
  );
  const bin = join(
    dirname(createRequire(import.meta.url).resolve("verdaccio/package.json")),
    "bin/verdaccio",
  );
  const server = spawn(process.execPath, [bin, "--config", config, "--listen", `127.0.0.1:${port}`], {
    cwd: folder,
    stdio: "ignore",
  });
  await answering(`${url}-/ping`, server);

  const npmrc = join(folder, "npmrc");
  writeFileSync(
    npmrc,
    `@iam:registry=${url}\n//127.0.0.1:${port}/:_authToken=anonymous\nfund=false\naudit=false\nupdate-notifier=false\n`,
  );
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(npm_(package|lifecycle|execpath|command))/i.test(name),
    ),
  );
  return {
    url,
    folder,
    env: {
      ...env,
      NPM_CONFIG_USERCONFIG: npmrc,
      npm_config_userconfig: npmrc,
      // A cache of its own: what an earlier registry said of the same names and versions is not true here.
      npm_config_cache: join(folder, "npm-cache"),
      BUN_INSTALL_CACHE_DIR: join(folder, "bun-cache"),
    },
    async versionsOf(name) {
      const response = await fetch(url + name);
      return response.ok ? Object.keys(((await response.json()) as { versions: object }).versions) : [];
    },
    async [Symbol.asyncDispose]() {
      const ended = new Promise((resolve) => server.once("exit", resolve));
      server.kill();
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** It says nothing when it is ready, so it is asked. */
async function answering(url: string, server: { readonly exitCode: number | null }): Promise<void> {
  const until = Date.now() + 60_000;
  while (server.exitCode === null && Date.now() < until) {
    if (
      await fetch(url).then(
        (response) => response.ok,
        () => false,
      )
    )
      return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("Verdaccio did not start");
}
