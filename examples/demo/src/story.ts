import { apiKeyGrant, createTokenManager, type TokenManager } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import { iamFetch } from "@iam/fetch";
import { actCached, actFirstToken, actOutage, actRefresh, actRevoked, refusals } from "./acts.ts";
import { createLoad } from "./load.ts";
import { count, counted, duration, type Screen } from "./screen.ts";
import { expect, lifetimeS, type Stage } from "./stage.ts";
import { createTokenWatch } from "./token-watch.ts";

/**
 * Runs the five acts on an IAM of their own, on loopback.
 *
 * Errors: one that says which expectation the counters did not meet.
 */
export async function tellStory(screen: Screen): Promise<void> {
  const emulator = await startEmulator({ expiresInS: lifetimeS });
  // The emulator makes its signing key when it is first asked for it, which is no part of the story.
  await globalThis.fetch(`${emulator.url}/identity/keys`);
  const watch = createTokenWatch(screen);

  // What a program needs. The rest of this folder makes trouble and counts what comes of it.
  const manager = createTokenManager({
    grant: apiKeyGrant(emulator.apiKey),
    tokenEndpoint: emulator.url,
    onEvent: watch.hear,
  });
  const fetch = iamFetch({ manager, origins: [emulator.url] });

  const load = createLoad(fetch, `${emulator.url}/resource`);
  const stage: Stage = { screen, emulator, load, watch };
  introduce(stage);
  const drawing = setInterval(() => screen.status(statusOf(stage, manager)), 100);
  try {
    await actFirstToken(stage);
    await underLoad(stage, async () => {
      for (const act of [actCached, actRefresh, actRevoked, actOutage]) await act(stage);
    });
    expect(load.counts.succeeded, load.counts.requests, "requests answered with 200");
    expect(
      emulator.counters.resourceRequests,
      load.counts.requests + refusals(emulator.counters),
      "requests that the resource received, one more for each 401",
    );
  } finally {
    clearInterval(drawing);
    screen.end();
    summarise(stage);
    await manager[Symbol.asyncDispose]();
    await emulator.close();
  }
  screen.say("");
  screen.say("All of this was one createTokenManager and one iamFetch: examples/demo/src/story.ts.");
  screen.say("With IBMCLOUD_API_KEY set, the token comes from IBM Cloud IAM instead.", "dim");
}

async function underLoad({ load }: Stage, run: () => Promise<void>): Promise<void> {
  const ended = new AbortController();
  const steady = load.steady(ended.signal);
  try {
    await run();
  } finally {
    ended.abort();
    await steady;
  }
}

function introduce({ screen, emulator }: Stage): void {
  screen.say("@iam: one API key, many requests, and nobody thinks about tokens", "bold");
  screen.say(
    "An API of IBM Cloud wants a short-lived token with each request. IAM, the token endpoint, gives one for an API key. " +
      "Getting it, keeping it, and replacing it in time is what these packages do.",
  );
  screen.say(
    `Here IAM and the API are an emulator on ${emulator.url}, over real HTTP. Its tokens live ${lifetimeS} s instead of an hour.`,
    "dim",
  );
  screen.say("");
}

function statusOf({ emulator, load, watch }: Stage, manager: TokenManager): string[] {
  const { requests, failures } = load.counts;
  const leftMs = Math.max(0, (watch.expiresAt ?? 0) - Date.now());
  const cells = 16;
  const full = Math.min(cells, Math.round((leftMs / 1000 / lifetimeS) * cells));
  const bar = "█".repeat(full) + "░".repeat(cells - full);
  const state = leftMs === 0 ? "none" : manager.peek() === undefined ? "expiring" : "fresh";
  const left = leftMs === 0 ? "" : `, ${(leftMs / 1000).toFixed(1)} s left`;
  return [
    `${counted(requests, "request")} · ${counted(emulator.counters.grants, "grant")} · ${failures} failed`,
    `token ${bar} ${state}${left}`,
  ];
}

function summarise({ screen, emulator, load }: Stage): void {
  const { counters } = emulator;
  const { requests, failures, longestWaitMs } = load.counts;
  screen.table([
    ["Requests", count(requests), "calls of the program to the API"],
    [
      "Grants",
      count(counters.grants),
      `tokens that IAM gave, for ${counted(counters.tokenRequests, "token request")}`,
    ],
    ["Replays", count(refusals(counters)), "requests refused with 401 and sent once more"],
    ["Failures", count(failures), "calls that did not end in 200"],
    ["Longest wait", duration(longestWaitMs), "from a call to the end of its answer"],
  ]);
}
