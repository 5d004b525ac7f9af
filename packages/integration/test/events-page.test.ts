import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { apiKeyGrant, createTokenManager, systemClock, type TokenManagerEvent } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import { iamFetch } from "@iam/fetch";
import { expect, onTestFinished, test } from "vitest";

const page = readFileSync(new URL("../../../docs/events.md", import.meta.url), "utf8");

/** What an example of the page exports. */
async function example<T>(containing: string): Promise<T> {
  const blocks = Array.from(page.matchAll(/^```ts\n([\s\S]*?)^```/gm), ([, code = ""]) => code);
  const code = blocks.find((block) => block.includes(containing)) ?? "";
  return import(
    /* @vite-ignore */ `data:text/javascript,${encodeURIComponent(stripTypeScriptTypes(code))}`
  ) as Promise<T>;
}

/** The events of the life that the page tells of: a first token, a revocation, an outage, a key that was deleted. */
async function oneLife(): Promise<TokenManagerEvent[]> {
  const emulator = await startEmulator();
  onTestFinished(() => emulator.close());
  const key = "canary-events";
  emulator.apiKeys.add(key);
  const events: TokenManagerEvent[] = [];
  let laterMs = 0;
  const manager = createTokenManager({
    grant: apiKeyGrant(key),
    tokenEndpoint: emulator.url,
    onEvent: (event) => void events.push(event),
    clock: {
      ...systemClock,
      wallNow: () => systemClock.wallNow() + laterMs,
      monotonicNow: () => systemClock.monotonicNow() + laterMs,
    },
  });
  const fetch = iamFetch({ manager, origins: [emulator.url] });
  await fetch(`${emulator.url}/resource`);
  emulator.revokeAll();
  await fetch(`${emulator.url}/resource`);
  laterMs += 3_300_000;
  emulator.fault({ kind: "status", status: 503 });
  await manager.getToken();
  await expect.poll(() => events.at(-1)?.type).toBe("exchange_failed");
  laterMs += 3_600_000;
  emulator.apiKeys.delete(key);
  await expect(manager.getToken()).rejects.toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED" });
  return events;
}

test("the page of events has a logger that writes what the page shows", async () => {
  const { logLine } = await example<{
    logLine(who: string, event: TokenManagerEvent): { level: string; text: string } | undefined;
  }>("function logLine");
  const lines = (await oneLife()).flatMap((event) => logLine("orders", event) ?? []);
  const [, shown = ""] = /^```\n((?:(?:info|warn|error) .*\n)+)```/m.exec(page) ?? [];
  // Moments, durations, origins and IAM's own code vary.
  const patterns = shown
    .trimEnd()
    .split("\n")
    .map((line) =>
      line
        .replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
        .replace(/\d{4}-\d\d-\d\dT[^ ]*Z/, "\\d{4}-\\d\\d-\\d\\dT\\S*Z")
        .replace(/\d+\\\.\d s/, "\\d+\\.\\d s")
        .replace("https://api\\.example\\.com", "http://127\\.0\\.0\\.1:\\d+")
        .replaceAll("…", ".*"),
    );
  expect(lines.map(({ level, text }) => `${level.padEnd(5)} ${text}`)).toEqual(
    patterns.map((pattern) => expect.stringMatching(new RegExp(`^${pattern}$`))),
  );
});

test("the page of events has a counter of exchanges, rejections and failures of a store", async () => {
  const { countIn } = await example<{
    countIn(metrics: unknown): (event: TokenManagerEvent) => void;
  }>("function countIn");
  const counted: string[] = [];
  const counter = (name: string) => ({
    inc: (labels: Record<string, string>) => counted.push(`${name} ${Object.values(labels).join(" ")}`),
  });
  const observed: number[] = [];
  const count = countIn({
    exchanges: counter("exchange"),
    rejections: counter("rejection"),
    storeFailures: counter("store"),
    seconds: { observe: (_: unknown, value: number) => observed.push(value) },
  });
  const events = await oneLife();
  for (const event of events) count(event);
  count({ type: "store_failed", operation: "get", problem: "OOM", pauseMs: 100 });
  const origin = events.flatMap((event) => (event.type === "token_rejected" ? event.origin : []))[0];
  expect(counted).toEqual([
    "exchange absent asked ",
    `rejection ${origin} replacing`,
    "exchange rejected asked ",
    expect.stringMatching(/^exchange expiring failed (BXNIM\w+|ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE)$/),
    expect.stringMatching(/^exchange absent failed BXNIM\w+$/),
    "store get OOM",
  ]);
  expect(observed).toHaveLength(4);
  expect(observed.every((value) => value >= 0 && value < 9)).toBe(true);
});
