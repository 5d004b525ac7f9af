import { type RunningEmulator, startEmulator } from "@iam/emulator";
import { build } from "esbuild";
import { Miniflare, type WorkerOptions } from "miniflare";

/** A worker in one file, as wrangler bundles it. */
export async function bundledWorker(path: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [path],
    bundle: true,
    format: "esm",
    platform: "browser",
    conditions: ["workerd", "worker", "browser"],
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

/** A fresh isolate of the real workerd with a bundled worker, and an IAM for it in `IAM` and `API_KEY`. */
export async function startIsolate(
  script: string,
  options: Partial<WorkerOptions> = {},
): Promise<{ emulator: RunningEmulator; worker: Miniflare } & AsyncDisposable> {
  const emulator = await startEmulator();
  const worker = new Miniflare({
    modules: true,
    script,
    compatibilityDate: "2026-07-01",
    bindings: { IAM: emulator.url, API_KEY: emulator.apiKey },
    cf: false,
    ...options,
  });
  return {
    emulator,
    worker,
    [Symbol.asyncDispose]: async () => {
      await worker.dispose();
      await emulator[Symbol.asyncDispose]();
    },
  };
}
