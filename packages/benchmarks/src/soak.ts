// Ten minutes of real requests at a real endpoint with faults and revocations, watched for what only time shows: heap,
// handles, unhandled rejections, requests that fail. `pnpm soak [minutes]`; loopback only, about 200 requests a second.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { apiKeyGrant, createTokenManager, type TokenManagerEvent } from "@iam/core";
import type { Counters } from "@iam/emulator";
import { iamFetch } from "@iam/fetch";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const minutes = Number(process.argv[2] ?? 10);
const worker = new Worker(new URL("./soak-emulator.ts", import.meta.url));
const [{ url, apiKey }] = (await once(worker, "message")) as [{ url: string; apiKey: string }];
const counters = async (): Promise<Counters> => {
  worker.postMessage("counters");
  const [answer] = (await once(worker, "message")) as [{ counters: Counters }];
  return answer.counters;
};

const unhandled: unknown[] = [];
process.on("unhandledRejection", (reason) => unhandled.push(reason));
const events = new Map<string, number>();
const count = (event: TokenManagerEvent) => {
  const name = "outcome" in event ? `${event.type} ${event.outcome}` : event.type;
  events.set(name, (events.get(name) ?? 0) + 1);
};
const manager = createTokenManager({ grant: apiKeyGrant(apiKey), tokenEndpoint: url, onEvent: count });
const fetch = iamFetch({ manager, origins: [url] });

const statuses = new Map<number | string, number>();
const endsAt = performance.now() + minutes * 60_000;
async function lane(): Promise<void> {
  while (performance.now() < endsAt) {
    const outcome = await fetch(`${url}/resource/soak`, { signal: AbortSignal.timeout(20_000) }).then(
      async (response) => {
        await response.arrayBuffer();
        return response.status;
      },
      (error: unknown) => String(error),
    );
    statuses.set(outcome, (statuses.get(outcome) ?? 0) + 1);
    await sleep(100);
  }
}

interface Sample {
  readonly heapMB: number;
  readonly handles: number;
}

function sample(): Sample {
  collect();
  collect();
  const heapMB = process.memoryUsage().heapUsed / 2 ** 20;
  return { heapMB, handles: process.getActiveResourcesInfo().length };
}

const samples: Sample[] = [];
const lanes = Promise.all(Array.from({ length: 20 }, lane));
for (let minute = 1; minute <= minutes; minute++) {
  await sleep(60_000);
  const now = sample();
  samples.push(now);
  const requests = [...statuses].map(([outcome, times]) => `${outcome}: ${times}`).join(", ");
  console.log(`minute ${minute}: heap ${now.heapMB.toFixed(2)} MB, ${now.handles} handles; ${requests}`);
}
await lanes;
const { grants, tokenRequests, faults, resourceRequestsByStatus } = await counters();
await manager[Symbol.asyncDispose]();
await worker.terminate();

// The first minute warms up.
const warm = samples[1] ?? sample();
const last = samples.at(-1) ?? warm;
const total = [...statuses.values()].reduce((sum, times) => sum + times, 0);
const failed = total - (statuses.get(200) ?? 0);
console.log(
  `token requests ${tokenRequests}, faults ${faults}, grants ${grants}; at the resource`,
  resourceRequestsByStatus,
);
console.log("events", Object.fromEntries(events));
const verdict = (what: string, met: boolean) => {
  console.log(`${met ? "ok  " : "MISS"} ${what}`);
  if (!met) process.exitCode = 1;
};
verdict(`${failed} of ${total} requests failed (wanted 0)`, failed === 0);
verdict(`${unhandled.length} unhandled rejections (wanted 0)`, unhandled.length === 0);
verdict(
  `heap ${(last.heapMB - warm.heapMB).toFixed(2)} MB above that of minute 2, ${warm.heapMB.toFixed(2)} MB (wanted 2 at most)`,
  last.heapMB - warm.heapMB <= 2,
);
verdict(
  `handles ${last.handles}, in minute 2 ${warm.handles} (wanted 10 more at most)`,
  last.handles - warm.handles <= 10,
);
