import { execFile } from "node:child_process";
import { globSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { EdgeVM } from "@edge-runtime/vm";
import { build } from "esbuild";
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
  /** Whether it offers web standards only, so that the checks are bundled. */
  readonly isWeb: boolean;
  /** The program, of a Node. */
  readonly program?: string;
  /** The runtime's own word for its version. */
  version(): Promise<string>;
  run(place: Place): Promise<Results>;
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
    isWeb: false,
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

/** One module with the checks of all packages that need no more than web standards; `use` has them in `runWebChecks(place)`. */
async function bundle(use: string, format: "esm" | "iife", conditions: string[]): Promise<string> {
  const names = globSync("*.mjs", { cwd: join(sandbox, "src/checks") }).map((file) => file.slice(0, -4));
  const imports = names.map((name, at) => `import { checks as c${at} } from "./checks/${name}.mjs";`);
  const packages = names.map((name, at) => `${JSON.stringify(name)}: c${at}`);
  const contents = `${imports.join("\n")}
    import { runWebChecks as run } from "./web-main.mjs";
    const runWebChecks = (place) => run({ ${packages} }, place);
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
  });
  return outputFiles[0]?.text ?? "";
}

function workerd(name: string, compatibilityFlags: string[]): Runtime {
  return {
    name,
    isWeb: true,
    version: async () => versionOf("workerd", createRequire(import.meta.url).resolve("miniflare")),
    async run(place) {
      const script = await bundle(
        `export default { fetch: async (request) => Response.json(await runWebChecks(await request.json())) };`,
        "esm",
        ["workerd", "worker", "browser"],
      );
      const miniflare = new Miniflare({
        modules: true,
        script,
        compatibilityDate: "2026-07-01",
        compatibilityFlags,
        cf: false,
      });
      try {
        const response = await miniflare.dispatchFetch("http://worker.test/", {
          method: "POST",
          body: JSON.stringify(place),
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
  isWeb: true,
  version: async () => versionOf("@edge-runtime/vm", import.meta.url),
  async run(place) {
    const code = await bundle("globalThis.runWebChecks = runWebChecks;", "iife", [
      "edge-light",
      "worker",
      "browser",
    ]);
    const vm = new EdgeVM();
    vm.evaluate(code);
    // Through text: what is made inside has other prototypes.
    return JSON.parse(
      await vm.evaluate<Promise<string>>(`runWebChecks(${JSON.stringify(place)}).then(JSON.stringify)`),
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
    isWeb: true,
    async version() {
      const running = await launch();
      const version = running.version();
      await running.close();
      return version;
    },
    async run(place) {
      const inPage = await bundle("globalThis.runWebChecks = runWebChecks;", "esm", ["browser"]);
      const worker = await bundle(
        `self.addEventListener("message", (event) => {
           event.waitUntil(runWebChecks(event.data).then((results) => event.ports[0].postMessage(results)));
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
        await page.waitForFunction("globalThis.runWebChecks !== undefined");
        const json = JSON.stringify({ ...place, allowBrowser: true });
        return await page.evaluate<Results>(
          inServiceWorker
            ? `navigator.serviceWorker.register("/worker.js").then(() => navigator.serviceWorker.ready).then(({ active }) =>
                 new Promise((resolve) => {
                   const { port1, port2 } = new MessageChannel();
                   port1.onmessage = ({ data }) => resolve(data);
                   active.postMessage(${json}, [port2]);
                 }))`
            : `runWebChecks(${json})`,
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
  workerd("workerd", []),
  workerd("workerd with nodejs_compat", ["nodejs_compat"]),
  edgeRuntime,
  browser("Chromium, page", false),
  browser("Chromium, service worker", true),
];
