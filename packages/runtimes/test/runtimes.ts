import { execFile } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { basename, join, resolve } from "node:path";
import { promisify } from "node:util";
import { EdgeVM } from "@edge-runtime/vm";
import { type BuildOptions, build } from "esbuild";
import { Miniflare } from "miniflare";
import { chromium } from "playwright-core";
import { sandbox } from "./install-tarballs.ts";

/** Where the emulator is, and the key that it knows. */
interface Place {
  readonly iam: string;
  readonly apiKey: string;
  readonly redis: string;
  readonly allowBrowser?: boolean;
}

/** Package -> check -> "ok", or what went wrong. */
export type Results = Record<string, Record<string, string>>;

/** One runtime, and how it runs the checks. */
export interface Runtime {
  readonly name: string;
  /** The packages that cannot run in it. */
  readonly cannot: readonly string[];
  /** The program, of a Node. */
  readonly program?: string;
  /** The runtime's own word for its version. */
  version(): Promise<string>;
  run(place: Place): Promise<Results>;
}

/** What stands on Node's own modules, or on a client that does: all its checks are in `checks/node`. */
export const onNodeModules: readonly string[] = checksIn("checks/node").filter(
  (name) => !checksIn("checks").includes(name),
);

/** The packages that have checks in a folder. */
function checksIn(folder: string): string[] {
  return globSync("*.mjs", { cwd: resolve(import.meta.dirname, "../src", folder) }).map((file) =>
    basename(file, ".mjs"),
  );
}

const bin = (path: string) => resolve(import.meta.dirname, "../node_modules", path);
const exec = promisify(execFile);

/** A command that runs `server-main.mjs` in the sandbox, where node_modules holds the installed tarballs. */
function command(name: string, program: string, args: readonly string[] = []): Runtime {
  const call = async (rest: readonly string[]) => {
    const { stdout } = await exec(program, [...rest], { cwd: sandbox, timeout: 60_000, maxBuffer: 2 ** 24 });
    return stdout;
  };
  return {
    name,
    cannot: [],
    ...(name.startsWith("Node") && { program }),
    version: async () => /\d+\.\d+\.\d+/.exec(await call(["--version"]))?.[0] ?? "?",
    run: async ({ iam, apiKey, redis }) =>
      JSON.parse(await call([...args, "src/server-main.mjs", iam, apiKey, redis])),
  };
}

/** The version of a package that is found from a module. */
function versionOf(name: string, from: string): string {
  return createRequire(from)(`${name}/package.json`).version;
}

/**
 * One module with the checks of those folders; `use` has them in `runAll(place)`, which is `runBundled` of `main`.
 */
async function bundle(
  use: string,
  format: "esm" | "iife",
  conditions: string[],
  {
    main = "web-main",
    folders = ["checks"],
    ...more
  }: BuildOptions & { main?: string; folders?: string[] } = {},
): Promise<string> {
  const files = folders.flatMap((folder) => globSync(`${folder}/*.mjs`, { cwd: join(sandbox, "src") }));
  const contents = `${files.map((file, at) => `import { checks as c${at} } from "./${file}";`).join("\n")}
    import { runBundled } from "./${main}.mjs";
    const packages = {};
    const add = (name, checks) => { packages[name] = { ...packages[name], ...checks }; };
    ${files.map((file, at) => `add("${basename(file, ".mjs")}", c${at});`).join("\n")}
    const runAll = (place) => runBundled(packages, place);
    ${use}`;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: join(sandbox, "src"), sourcefile: "entry.mjs" },
    bundle: true,
    write: false,
    format,
    platform: "browser",
    conditions,
    target: "es2022",
    logLevel: "silent",
    ...more,
  });
  return outputFiles?.[0]?.text ?? "";
}

/** What Workers bring of Node's, and `require` for those that ask for it by name. */
const nodeModulesOfWorkers = {
  main: "workers-node-main",
  folders: ["checks", "checks/node"],
  platform: "node" as const,
  external: ["node:*", "cloudflare:*"],
  banner: {
    js: 'import { createRequire } from "node:module"; const require = createRequire("/");',
  },
};

function workerd(name: string, hasNodeModules: boolean): Runtime {
  return {
    name,
    cannot: hasNodeModules ? [] : onNodeModules,
    version: async () => versionOf("workerd", createRequire(import.meta.url).resolve("miniflare")),
    async run(place) {
      const script = await bundle(
        `export default { fetch: async (request) => Response.json(await runAll(await request.json())) };`,
        "esm",
        hasNodeModules ? ["workerd", "worker"] : ["workerd", "worker", "browser"],
        hasNodeModules ? nodeModulesOfWorkers : {},
      );
      const credentialsFile = readFileSync(join(sandbox, "src/ibm-credentials.env"), "utf8");
      const miniflare = new Miniflare({
        modules: [{ type: "ESModule", path: "worker.js", contents: script }],
        compatibilityDate: "2026-07-01",
        compatibilityFlags: hasNodeModules ? ["nodejs_compat"] : [],
        cf: false,
      });
      try {
        const response = await miniflare.dispatchFetch("http://worker.test/", {
          method: "POST",
          body: JSON.stringify({ ...place, credentialsFile }),
        });
        return (await response.json()) as Results;
      } finally {
        await miniflare.dispose();
      }
    },
  };
}

const edgeRuntime: Runtime = {
  name: "edge-runtime",
  cannot: onNodeModules,
  version: async () => versionOf("@edge-runtime/vm", import.meta.url),
  async run(place) {
    const code = await bundle("globalThis.runAll = runAll;", "iife", ["edge-light", "worker", "browser"]);
    const vm = new EdgeVM();
    vm.evaluate(code);
    // Through text: what is made inside has other prototypes.
    return JSON.parse(
      await vm.evaluate<Promise<string>>(`runAll(${JSON.stringify(place)}).then(JSON.stringify)`),
    );
  },
};

const launchArguments =
  "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";
const chromiumPath = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";

/** A page on loopback that runs the checks itself, or has its service worker run them. */
function browser(name: string, inServiceWorker: boolean): Runtime {
  const launch = () => chromium.launch({ executablePath: chromiumPath, args: launchArguments.split(" ") });
  return {
    name,
    cannot: onNodeModules,
    async version() {
      const running = await launch();
      const version = running.version();
      await running.close();
      return version;
    },
    async run(place) {
      const inPage = await bundle("globalThis.runAll = runAll;", "esm", ["browser"]);
      const worker = await bundle(
        `self.addEventListener("message", (event) => {
           event.waitUntil(runAll(event.data).then((results) => event.ports[0].postMessage(results)));
         });
         self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));`,
        "iife",
        ["browser"],
      );
      const server = createServer((request, response) => {
        const script = { "/page.js": inPage, "/worker.js": worker }[request.url ?? ""];
        response.setHeader("content-type", script === undefined ? "text/html" : "text/javascript");
        response.end(
          script ?? '<!doctype html><title>checks</title><script type="module" src="/page.js"></script>',
        );
      }).listen(0, "127.0.0.1");
      await new Promise((resolve) => server.once("listening", resolve));
      const running = await launch();
      try {
        const page = await running.newPage();
        await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
        await page.waitForFunction("globalThis.runAll !== undefined");
        const json = JSON.stringify({ ...place, allowBrowser: true });
        return await page.evaluate<Results>(
          inServiceWorker
            ? `navigator.serviceWorker.register("/worker.js").then(() => navigator.serviceWorker.ready).then(({ active }) =>
                 new Promise((resolve) => {
                   const { port1, port2 } = new MessageChannel();
                   port1.onmessage = ({ data }) => resolve(data);
                   active.postMessage(${json}, [port2]);
                 }))`
            : `runAll(${json})`,
        );
      } finally {
        await running.close();
        server.close();
      }
    },
  };
}

/** Every runtime, in the order of the table. */
export const runtimes: readonly Runtime[] = [
  command("Node 20", bin("node-20/bin/node")),
  command("Node 22", bin("node-22/bin/node")),
  command("Node 24", process.execPath),
  command("Node 26", bin("node-26/bin/node")),
  command("Bun", bin(".bin/bun")),
  command("Deno", bin(".bin/deno"), [
    "run",
    "--no-remote",
    "--no-lock",
    "--allow-read",
    "--allow-env",
    "--allow-sys",
    "--allow-net=127.0.0.1",
  ]),
  workerd("workerd", false),
  workerd("workerd with nodejs_compat", true),
  edgeRuntime,
  browser("Chromium, page", false),
  browser("Chromium, service worker", true),
];
