import { setTimeout as pause } from "node:timers/promises";
import type { Counters } from "@iam/emulator";
import { counted, duration } from "./screen.ts";
import { expect, expectNoFailure, lifetimeS, type Stage } from "./stage.ts";

const callers = 200;
/** An exchange that does not come within a token's life will not come. */
const withinMs = lifetimeS * 1000;

/** Many callers at once and no token: one exchange. */
export async function actFirstToken(stage: Stage): Promise<void> {
  const { screen, emulator, load } = stage;
  screen.act(1, "First token", `${callers} requests start at once, and nobody has a token yet.`);
  await load.burst(callers);
  screen.note(`What IAM received: ${tokenRequestOf(stage)}`);
  expectNoFailure(stage);
  expect(emulator.counters.tokenRequests, 1, `token requests for ${callers} requests`);
  expect(emulator.counters.grants, 1, "grants");
  screen.done(
    `One token request served all ${callers}; the slowest waited ${duration(load.longestWaitSinceMs())}.`,
    "Why it matters: whoever asks IAM for each request is slow, and may be blocked for asking too often.",
  );
}

/** Steady traffic takes the token in hand. */
export async function actCached(stage: Stage): Promise<void> {
  const { screen, emulator, load } = stage;
  screen.act(2, "Cached", "From here on, about 100 requests a second until the end.");
  const before = emulator.counters;
  await pause(2000);
  const during = difference(before, emulator.counters);
  expectNoFailure(stage);
  expect(during.resourceRequests, { atLeast: 1 }, "requests with the held token");
  expect(during.tokenRequests, 0, "token requests while a token is held");
  screen.done(
    `${counted(during.resourceRequests, "request")}, no token request; the slowest took ${duration(load.longestWaitSinceMs())}.`,
    "Why it matters: a token that is held costs no network call and no waiting.",
  );
}

/** The held token is replaced before it expires, beside the requests. */
export async function actRefresh(stage: Stage): Promise<void> {
  const { screen, emulator, load, watch } = stage;
  screen.act(3, "Refreshed in time", `A token lives ${lifetimeS} s here. A new one is due before that.`);
  const before = emulator.counters;
  const refreshed = await watch.next("exchange_succeeded", {
    withinMs,
    what: "a refresh before the token expired",
  });
  const spareMs = (refreshed.before ?? 0) - Date.now();
  if (refreshed.reason !== "expiring")
    throw new Error("Not as it should be: nobody asked for a token before the old one was over.");
  await settle();
  const during = difference(before, emulator.counters);
  expectNoFailure(stage);
  expect(during.grants, 1, "grants for one refresh");
  expect(during.refused, 0, "requests refused while the token was refreshed");
  expect(Math.ceil(spareMs), { atLeast: 1 }, "milliseconds left to the old token");
  screen.done(
    `New token ${duration(spareMs)} before the old one expired; the slowest request meanwhile took ${duration(load.longestWaitSinceMs())}.`,
    "Why it matters: nobody waits for IAM, and no request leaves with a token that is about to die.",
  );
}

/** A revoked token is replaced, and each request that met it is sent once more. */
export async function actRevoked(stage: Stage): Promise<void> {
  const { screen, emulator, load, watch } = stage;
  screen.act(4, "Revoked", "Somebody revokes the token. The resource refuses it with 401.");
  const before = emulator.counters;
  const replaced = watch.next("exchange_succeeded", { withinMs, what: "a new token after the 401" });
  emulator.revokeAll();
  await replaced;
  await settle();
  const during = difference(before, emulator.counters);
  expectNoFailure(stage);
  expect(during.refused, { atLeast: 1 }, "requests refused because of the revoked token");
  expect(during.grants, 1, "grants for one revoked token");
  screen.done(
    `${counted(during.refused, "request")} refused, one new token, each sent once more: all got 200, the slowest within ${duration(load.longestWaitSinceMs())}.`,
    "Why it matters: callers never see the 401, and many 401s at once still cost one token request.",
  );
}

/** The token endpoint is down when the token is due to be replaced; nobody notices. */
export async function actOutage(stage: Stage): Promise<void> {
  const { screen, emulator, load, watch } = stage;
  screen.act(
    5,
    "Outage",
    "IAM answers 503 from now on, and the token is due to be replaced in some seconds.",
  );
  const before = emulator.counters;
  const failedBefore = watch.failedExchanges;
  const outage = emulator.fault({ kind: "status", status: 503 }, { times: Number.POSITIVE_INFINITY });
  const first = await watch.next("exchange_failed", { withinMs, what: "a refresh during the outage" });
  const failedAt = performance.now();
  await watch.next("exchange_failed", { withinMs, what: "another try during the outage" });
  const pauseMs = Math.ceil(performance.now() - failedAt);
  expect(pauseMs, { atLeast: Math.floor(first.coolDownMs) }, "milliseconds that IAM was left alone");
  const recovered = watch.next("exchange_succeeded", { withinMs, what: "a refresh after the outage" });
  outage.remove();
  screen.note("IAM is back. The next try is the manager's own, nobody tells it.");
  await recovered;
  await settle();
  const during = difference(before, emulator.counters);
  expectNoFailure(stage);
  expect(watch.failedExchanges - failedBefore, outage.applied, "failed exchanges during the outage");
  expect(during.grants, 1, "grants after the outage");
  screen.done(
    `${counted(outage.applied, "token request")} failed and ${counted(during.resourceRequests, "request")} went through; the slowest took ${duration(load.longestWaitSinceMs())}.`,
    "Why it matters: a short outage of IAM is not an outage of the programs that use it.",
  );
}

/** Gives requests that are under way the time to end, so that they are counted with the act that they belong to. */
function settle(): Promise<void> {
  return pause(500);
}

function difference(before: Counters, after: Counters) {
  return {
    tokenRequests: after.tokenRequests - before.tokenRequests,
    grants: after.grants - before.grants,
    resourceRequests: after.resourceRequests - before.resourceRequests,
    refused: refusals(after) - refusals(before),
  };
}

/** How many requests the resource has answered with 401. */
export function refusals({ resourceRequestsByStatus }: Counters): number {
  return resourceRequestsByStatus[401] ?? 0;
}

/** The token request as the emulator logged it, with nothing secret in it. */
function tokenRequestOf({ emulator }: Stage): string {
  const entry = emulator.log.find(({ target }) => target === "token");
  if (entry === undefined) throw new Error("Not as it should be: IAM has no token request in its log.");
  const fields = Object.entries(entry.fields).map(([name, value]) =>
    value.startsWith("[redacted]") ? `${name}=[redacted]` : `${name}=${value}`,
  );
  return `${entry.method} ${entry.path} ${fields.join("&")}`;
}
