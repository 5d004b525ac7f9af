// Sixteen real processes, a real Redis, and the emulator over HTTP: how many grants they make, and who waits or fails.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type RedisServer, startRedisServer } from "@iam/conformance/redis-server";
import { type Fault, type RunningEmulator, startEmulator } from "@iam/emulator";
import type { FleetOrders, FleetReport } from "./fleet-process.ts";
import { report } from "./measure.ts";

const size = 16;
const script = join(import.meta.dirname, "fleet-process.ts");

interface Member {
  readonly child: ChildProcess;
  /** Its exchange is under way: it has the lock, unless it waits for another. */
  exchanging: boolean;
}

/** The processes, and what they have told so far. */
interface Fleet {
  readonly members: Set<Member>;
  readonly waits: number[];
  readonly exchanges: number[];
  readonly problems: string[];
  requests: number;
  readonly storeFailures: { readonly at: number; readonly what: string }[];
  join(): Promise<Member>;
  end(): void;
}

function createFleet(orders: FleetOrders): Fleet {
  const fleet: Fleet = {
    members: new Set(),
    waits: [],
    exchanges: [],
    problems: [],
    requests: 0,
    storeFailures: [],
    async join() {
      const child = fork(script, [JSON.stringify(orders)], { execArgv: [] });
      const member: Member = { child, exchanging: false };
      child.on("message", (told: FleetReport) => hear(told, member));
      await once(child, "message");
      fleet.members.add(member);
      return member;
    },
    end() {
      for (const { child } of fleet.members) child.kill("SIGKILL");
    },
  };
  function hear(told: FleetReport, member: Member): void {
    if (told.type === "first") fleet.waits.push(told.waitedMs);
    else if (told.type === "request") {
      fleet.requests++;
      if (!told.ok) fleet.problems.push(told.problem ?? "");
    } else if (told.type === "event") {
      const { event } = told;
      member.exchanging = event.type === "exchange_started";
      if (event.type === "store_failed")
        fleet.storeFailures.push({ at: performance.now(), what: `${event.operation}: ${event.problem}` });
      if (event.type === "exchange_succeeded" && !event.shared) fleet.exchanges.push(event.durationMs);
    }
  }
  return fleet;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(met: () => boolean, ms: number): Promise<void> {
  for (let waited = 0; waited < ms && !met(); waited += 20) await pause(20);
}

async function cold(): Promise<void> {
  await using emulator = await startEmulator();
  await using redis = await startRedisServer();
  const fleet = createFleet({
    iam: emulator.url,
    apiKey: emulator.apiKey,
    redis: redis.url,
    elsewhere: elsewhere.url,
  });
  try {
    // Two at a time: sixteen that start at once are slow for reasons of their own.
    for (let joined = 0; joined < size; joined += 2) await Promise.all([fleet.join(), fleet.join()]);
    emulator.fault({ kind: "delay", ms: 400 }, { times: "forever" });
    for (const { child } of fleet.members) child.send(60_000);
    await until(() => fleet.waits.length === size, 20_000);
  } finally {
    fleet.end();
  }
  const exchange = Math.max(...fleet.exchanges);
  const longest = Math.max(...fleet.waits);
  report("cold: grants of 16 processes", emulator.counters.grants, "1", emulator.counters.grants === 1);
  for (const { what } of fleet.storeFailures) console.log(`     ${what}`);
  report("cold: processes served", fleet.waits.length, `${size}`, fleet.waits.length === size);
  report(
    "cold: longest wait less the exchange, ms",
    longest - exchange,
    "at most 300",
    longest - exchange <= 300,
  );
}

const lifetimeS = 3;
/**
 * So slow that a process can be met in the middle of its exchange. A second longer than it says, because what a JWT says of its
 * end is in whole seconds: a token of three could live for two.
 */
const granting: Fault = { kind: "delay", ms: 150, next: { kind: "fields", set: { expires_in: lifetimeS } } };
const lifetimes = 20;

/** Kills a process in the middle of its exchange, and starts another in its place. */
async function replaceOne(fleet: Fleet, everyMs: number): Promise<boolean> {
  await until(() => [...fleet.members].some(({ exchanging }) => exchanging), 2_500);
  const victim = [...fleet.members].find(({ exchanging }) => exchanging);
  const [member = victim] = fleet.members;
  if (member === undefined) return false;
  (victim ?? member).child.kill("SIGKILL");
  fleet.members.delete(victim ?? member);
  (await fleet.join()).child.send(everyMs);
  return victim !== undefined;
}

async function troubled(emulator: RunningEmulator, redis: RedisServer): Promise<void> {
  const fleet = createFleet({
    iam: emulator.url,
    apiKey: emulator.apiKey,
    redis: redis.url,
    elsewhere: elsewhere.url,
  });
  const everyMs = 300;
  const grantedAt: number[] = [];
  const leave = emulator.onRequest(() => {
    while (grantedAt.length < emulator.counters.grants) grantedAt.push(performance.now());
  });
  let startedAt = 0;
  let killed = 0;
  try {
    // Two at a time: sixteen that start at once are slow for reasons of their own.
    for (let joined = 0; joined < size; joined += 2) await Promise.all([fleet.join(), fleet.join()]);
    emulator.fault(granting, { times: "forever" });
    for (const { child } of fleet.members) child.send(everyMs);
    startedAt = performance.now();
    for (let lifetime = 0; lifetime < lifetimes; lifetime++) {
      const endsAt = startedAt + (lifetime + 1) * lifetimeS * 1_000;
      if (lifetime % 4 === 1 && (await replaceOne(fleet, everyMs))) killed++;
      if (lifetime === 6) await redis.restart();
      if (lifetime === 12) {
        emulator.clearFaults();
        emulator.fault({ kind: "status", status: 503 }, { times: "forever" });
        await pause(1_000);
        emulator.clearFaults();
        emulator.fault(granting, { times: "forever" });
      }
      await pause(Math.max(endsAt - performance.now(), 0));
    }
  } finally {
    leave();
    fleet.end();
  }
  // By the time of each grant: on a busy machine a process that starts late keeps this loop longer than a lifetime.
  const inLifetime = (at: number) => Math.floor((at - startedAt) / (lifetimeS * 1_000));
  const perLifetime = Array.from(
    { length: lifetimes },
    (_, lifetime) => grantedAt.filter((at) => inLifetime(at) === lifetime).length,
  );
  const most = Math.max(...perLifetime);
  console.log(
    `     ${fleet.requests} requests, ${killed} of 5 killed in the middle of an exchange, ${fleet.storeFailures.length} failures of Redis, ${grantedAt.length} grants, in each lifetime: ${perLifetime.join(" ")}`,
  );
  for (const { at, what } of fleet.storeFailures) console.log(`     lifetime ${inLifetime(at)}: ${what}`);
  report("trouble: most grants in one lifetime of 3 s", most, "at most 2", most <= 2);
  report("trouble: failed requests", fleet.problems.length, "0", fleet.problems.length === 0);
  for (const problem of [...new Set(fleet.problems)].slice(0, 5)) console.log(`     ${problem}`);
}

await using elsewhere = await startEmulator();
await cold();
await using emulator = await startEmulator({ expiresInS: lifetimeS + 1 });
await using redis = await startRedisServer();
await troubled(emulator, redis);
