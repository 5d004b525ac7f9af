import { parentPort } from "node:worker_threads";
import { type Fault, startEmulator } from "@iam/emulator";

/** What goes wrong at the token endpoint, in turns. */
const faults: readonly Fault[] = [
  { kind: "status", status: 503 },
  { kind: "reset" },
  { kind: "throttle", retryAfter: 1 },
  { kind: "html" },
  { kind: "hang" },
  { kind: "broken-json" },
  { kind: "cut-body" },
  { kind: "delay", ms: 2_000 },
  { kind: "status", status: 500 },
];

// In a thread of its own, so that what it remembers is not taken for what its client keeps.
const emulator = await startEmulator({ expiresInS: 30, logLimit: 100 });
let turn = 0;
// A fault for the next token request, and in between, when that has been made, every token is revoked.
setInterval(() => {
  const fault = faults[(turn / 2) % faults.length];
  if (turn++ % 2 === 1) emulator.revokeAll();
  else if (fault !== undefined) emulator.fault(fault, { times: 1, target: "token" });
}, 35_000).unref();
parentPort?.on("message", () => parentPort?.postMessage({ counters: emulator.counters }));
parentPort?.postMessage({ url: emulator.url, apiKey: emulator.apiKey });
