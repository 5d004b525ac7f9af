import {
  type Answer,
  failing,
  granting,
  hanging,
  ok,
  settle,
  unreachable,
  type World,
  watch,
  world,
} from "../virtual-world.ts";
import { seededRandom } from "./seeded-random.ts";

/** What a minute without a token endpoint costs. */
export interface Outage {
  readonly requests: number;
  readonly failedRequests: number;
  readonly tokenRequests: number;
  /** From the return of the endpoint to the first request that succeeds. */
  readonly recoveryMs: number;
  readonly maxInFlight: number;
  /** The longest that a caller was kept. */
  readonly longestWaitMs: number;
}

/** The ways in which a token endpoint can be down. */
export const downs: Readonly<Record<string, Answer>> = {
  "connection refused": unreachable,
  "HTTP 503": failing(503),
  "HTTP 429 without Retry-After": failing(429),
  "a web page": () => ({ ...ok(), body: "<html>" }),
  silence: hanging,
};

const hour = 3_600_000;

function seededWorld(seed: number): World {
  const it = world({ random: seededRandom(seed) });
  return it;
}

async function minuteWithout(it: World, down: Answer, perSecond: number): Promise<Outage> {
  const { manager, endpoint, clock } = it;
  const before = endpoint.requests.length;
  const waits: number[] = [];
  let failedRequests = 0;
  let succeededAt: number | undefined;
  const up = clock.monotonicNow() + 60_000;
  const call = async () => {
    const startedAt = clock.monotonicNow();
    try {
      await manager.getToken();
      if (startedAt >= up) succeededAt ??= clock.monotonicNow();
    } catch {
      if (startedAt < up) failedRequests++;
    }
    waits.push(clock.monotonicNow() - startedAt);
  };
  endpoint.otherwise = down;
  let requests = 0;
  while (clock.monotonicNow() < up) {
    void call();
    requests++;
    await clock.advance(1000 / perSecond);
  }
  const tokenRequests = endpoint.requests.length - before;
  endpoint.otherwise = granting();
  while (succeededAt === undefined) {
    void call();
    await clock.advance(1000 / perSecond);
  }
  await clock.advance(10_000);
  return {
    requests,
    failedRequests,
    tokenRequests,
    recoveryMs: succeededAt - up,
    maxInFlight: endpoint.maxInFlight,
    longestWaitMs: Math.max(...waits),
  };
}

/** The endpoint is down for a minute, from the refresh point of a token that stays valid. */
export async function outageWithToken(down: Answer, seed: number): Promise<Outage> {
  const it = seededWorld(seed);
  await it.manager.getToken();
  while (it.manager.peek()) await it.clock.advance(10_000);
  return minuteWithout(it, down, 50);
}

/** The endpoint is down for a minute, and no token is held. */
export async function outageWithoutToken(down: Answer, seed: number): Promise<Outage> {
  const it = seededWorld(seed);
  await it.manager.getToken();
  await it.clock.advance(hour);
  return minuteWithout(it, down, 50);
}

/** How an endpoint is treated that answers `Retry-After: 30` while 20 callers a second come. */
export async function retryAfter30(): Promise<{ early: number; nextAfterMs: number; wrongHints: number }> {
  const { manager, endpoint, clock } = world();
  endpoint.script.push(failing(429, { retryAfter: "30" }));
  await manager.getToken().catch(() => {});
  const startedAt = clock.monotonicNow();
  let early = 0;
  let wrongHints = 0;
  while (endpoint.requests.length === 1) {
    const passed = clock.monotonicNow() - startedAt;
    const call = watch(manager.getToken());
    await settle();
    if (call.state === "resolved" && passed < 30_000) early++;
    if (call.state === "rejected" && Object(call.error).retryAfterMs !== 30_000 - passed) wrongHints++;
    if (endpoint.requests.length === 1) await clock.advance(50);
  }
  return { early, wrongHints, nextAfterMs: clock.monotonicNow() - startedAt };
}

/** How many of 200 callers a second wait while tokens of two minutes are replaced by an endpoint that takes 400 ms. */
export async function crossings(): Promise<{ requests: number; waited: number; grants: number }> {
  const { manager, endpoint, clock } = world();
  await manager.getToken();
  endpoint.otherwise = () =>
    new Promise((resolve) => {
      clock.setTimer(() => resolve(ok({ expires_in: 120 })), 400, { background: true });
    });
  let requests = 0;
  let waited = 0;
  await clock.advance(0.69 * hour);
  for (; clock.monotonicNow() < 1.3 * hour; requests++) {
    const call = watch(manager.getToken());
    for (let hop = 0; hop < 8; hop++) await undefined;
    if (call.state !== "resolved") waited++;
    if (clock.pending.length > 0) await clock.advance(5);
    else clock.block(5);
  }
  return { requests, waited, grants: endpoint.requests.length };
}

/** What happens to the clocks: from the start, or once in the middle. */
export const clockTroubles: Readonly<Record<string, (it: World, when: "start" | "middle") => void>> = {
  "a right clock": () => {},
  "two hours ahead from the start": ({ clock }, when) => when === "start" && clock.stepWall(2 * hour),
  "two hours behind from the start": ({ clock }, when) => when === "start" && clock.stepWall(-2 * hour),
  "stepped back by two hours": ({ clock }, when) => when === "middle" && clock.stepWall(-2 * hour),
  "stepped forward by two hours": ({ clock }, when) => when === "middle" && clock.stepWall(2 * hour),
  "suspended for two hours": ({ clock }, when) => when === "middle" && clock.suspend(2 * hour),
};

/** How many grants ten hours with a call every ten seconds cost. */
export async function grantsInTenHours(
  trouble: (it: World, when: "start" | "middle") => void,
): Promise<number> {
  const it = seededWorld(7);
  const { manager, endpoint, clock } = it;
  trouble(it, "start");
  for (let call = 0; call < 3600; call++) {
    if (call === 1790) trouble(it, "middle");
    await manager.getToken();
    await clock.advance(10_000);
  }
  return endpoint.requests.length;
}

/** A year of requests, with a fault in one of fifty exchanges. */
export async function year(options: { requests: number; lifetimes: number; seed: number }): Promise<{
  failed: number;
  grants: number;
  faults: number;
}> {
  const random = seededRandom(options.seed);
  const { manager, endpoint, clock } = world({ random: seededRandom(options.seed + 1) });
  const faults = Object.values(downs);
  let met = 0;
  let grants = 0;
  endpoint.otherwise = (request, signal) => {
    const fault = random() < 1 / 50 ? faults[Math.floor(random() * faults.length)] : undefined;
    if (fault !== undefined && grants > 0) {
      met++;
      return fault(request, signal);
    }
    grants++;
    return new Promise((resolve) => {
      clock.setTimer(() => resolve(ok()), 400, { background: true });
    });
  };
  const meanMs = (options.lifetimes * hour) / options.requests;
  const waiting = new Set<Promise<unknown>>();
  let failed = 0;
  for (let request = 0; request < options.requests; request++) {
    const call = manager.getToken().catch(() => {
      failed++;
    });
    waiting.add(call);
    void call.then(() => waiting.delete(call));
    // Exponential, so that requests come in bunches and leave gaps.
    const pauseMs = Math.ceil(-Math.log(1 - random()) * meanMs);
    if (clock.pending.length > 0 || waiting.size > 50) await clock.advance(pauseMs);
    else {
      await undefined;
      await undefined;
      if (clock.pending.length > 0) await clock.advance(pauseMs);
      else clock.block(pauseMs);
    }
  }
  await clock.advance(60_000);
  return { failed: failed + waiting.size, grants, faults: met };
}
