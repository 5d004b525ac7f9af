import { once } from "node:events";
import { createServer } from "node:http";
import { isMainThread, parentPort, threadId, Worker } from "node:worker_threads";
import type { Contender } from "./measure.ts";

/** A keep-alive server in a thread of its own, so that what it takes is not taken for what its client takes. */
export async function startLoopback(): Promise<{ url: string } & AsyncDisposable> {
  const worker = new Worker(new URL(import.meta.url));
  const [port] = await once(worker, "message");
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      await worker.terminate();
    },
  };
}

/** Makes a call that many times, `concurrency` at once. */
export function contender(name: string, concurrency: number, call: () => Promise<unknown>): Contender {
  return {
    name,
    async run(calls) {
      let left = calls;
      const lane = async () => {
        while (left-- > 0) await call();
      };
      await Promise.all(Array.from({ length: concurrency }, lane));
    },
  };
}

if (!isMainThread && threadId > 0) {
  const server = createServer((request, response) => {
    request.resume();
    response.end("{}");
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    parentPort?.postMessage(typeof address === "object" ? address?.port : undefined);
  });
}
