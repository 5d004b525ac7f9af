import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { iamAxios } from "@iam/axios";
import { findSecret } from "@iam/conformance";
import {
  apiKeyGrant,
  createTokenManager,
  createTokenPool,
  memoryStore,
  sharedStore,
  type TokenManager,
  type TokenManagerEvent,
  type TokenManagerOptions,
  type TokenStore,
} from "@iam/core";
import { defaultGrant } from "@iam/credentials";
import { type RunningEmulator, startEmulator } from "@iam/emulator";
import { iamFetch } from "@iam/fetch";
import { iamKy } from "@iam/ky";
import axios, { isAxiosError } from "axios";
import ky from "ky";
import { expect, onTestFinished, test, vi } from "vitest";
import { createDrivenClock, type DrivenClock } from "../src/faults/driven-clock.ts";
import { answering, dead, granted, hanging, settled, virtualEndpoint } from "./virtual-endpoint.ts";

// Busy machines take their time, which is not what is tested.
vi.setConfig({ testTimeout: 30_000 });

// What has gone wrong in token libraries, one test for each; docs/failure-modes.md tells where.

/** A local IAM with a resource, a manager and a fetch for it. Its clock stands still until it is moved; timers are real. */
async function scene(options: Partial<TokenManagerOptions> = {}): Promise<{
  emulator: RunningEmulator;
  manager: TokenManager;
  fetch: typeof globalThis.fetch;
  resource: string;
  origins: string[];
  events: TokenManagerEvent[];
  advance(ms: number): void;
}> {
  const emulator = await startEmulator();
  onTestFinished(() => emulator.close());
  emulator.clock.freeze(Date.UTC(2026, 0, 1));
  const clock: DrivenClock = createDrivenClock(Date.UTC(2026, 0, 1), (ms) => emulator.clock.advance(ms));
  const events: TokenManagerEvent[] = [];
  const manager = createTokenManager({
    grant: apiKeyGrant(emulator.apiKey),
    tokenEndpoint: emulator.url,
    clock: { ...clock, wallNow: clock.wallNow, monotonicNow: clock.monotonicNow, setTimer: realTimer },
    random: () => 0,
    onEvent: (event) => events.push(event),
    ...options,
  });
  const origins = [emulator.url];
  return {
    emulator,
    manager,
    fetch: iamFetch({ manager, origins }),
    resource: `${emulator.url}/resource`,
    origins,
    events,
    advance: (ms) => clock.advance(ms),
  };
}

function realTimer(run: () => void, delayMs: number): () => void {
  const timer = setTimeout(run, delayMs);
  return () => clearTimeout(timer);
}

const hourMs = 3_600_000;
const times = <T>(count: number, run: (at: number) => T): T[] =>
  Array.from({ length: count }, (_, at) => run(at));

async function statuses(answers: Promise<Response>[]): Promise<number[]> {
  return Promise.all(answers.map(async (answer) => (await answer).status));
}

async function failureOf(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof Error) return error as Error & Record<string, unknown>;
  throw new Error("It should have failed.");
}

test("1 Thundering herd: one exchange for all callers, on cold start, at expiry and when it is forced", async () => {
  const { emulator, fetch, resource, advance } = await scene();
  const herd = () => statuses(times(100, () => fetch(resource)));
  expect(new Set(await herd())).toEqual(new Set([200]));
  expect(emulator.counters.tokenRequests).toBe(1);
  advance(hourMs);
  expect(new Set(await herd())).toEqual(new Set([200]));
  expect(emulator.counters.tokenRequests).toBe(2);
  emulator.revokeAll();
  expect(new Set(await herd())).toEqual(new Set([200]));
  expect(emulator.counters.tokenRequests).toBe(3);
});

test("2 Fleet synchronisation: processes that started together refresh spread over a share of the lifetime", async () => {
  let state = 1;
  const random = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  const fleet = times(400, () => virtualEndpoint({ random }));
  await Promise.all(fleet.map(({ manager }) => manager.getToken()));
  const dueInMinute: number[] = [];
  for (let minute = 1; minute <= 60; minute++) {
    const fresh = () => fleet.filter(({ manager }) => manager.peek() !== undefined).length;
    const before = fresh();
    for (const { time } of fleet) await time.pass(60_000);
    dueInMinute.push(before - fresh());
  }
  const minutes = dueInMinute.flatMap((due, at) => (due > 0 ? [at + 1] : []));
  // Of 59 min 50 s until the margin: from 70 % to 85 %.
  expect(minutes[0]).toBe(42);
  expect(minutes.at(-1)).toBe(51);
  expect(Math.max(...dueInMinute)).toBeLessThan(400 * 0.2);
});

test("3 Unhandled rejection from a background refresh: there is none, and the next refresh is begun all the same", async () => {
  const unhandled: unknown[] = [];
  const listener = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", listener);
  onTestFinished(() => void process.off("unhandledRejection", listener));
  const { emulator, manager, fetch, resource, advance, events } = await scene();
  await fetch(resource);
  advance(hourMs * 0.9);
  emulator.fault({ kind: "reset" });
  expect((await fetch(resource)).status).toBe(200);
  await expect.poll(() => events.some(({ type }) => type === "exchange_failed")).toBe(true);
  await settled();
  expect(unhandled).toEqual([]);
  advance(30_000);
  expect((await fetch(resource)).status).toBe(200);
  await expect.poll(() => manager.peek()).toBeDefined();
});

test("4 A failed refresh displaces a good token: it changes the schedule, never the token", async () => {
  for (const answer of [
    answering(500),
    answering(400, '{"errorCode":"BXNIM0415E"}'),
    answering(200, "<html></html>"),
    answering(200, '{"expires_in":3600}'),
    async () => granted({ expires_in: -1 }),
    async () => granted({ access_token: "with a space" }),
  ]) {
    const { time, manager, answers, events } = virtualEndpoint();
    const good = await manager.getToken();
    await time.pass(hourMs * 0.9);
    answers.push(answer);
    expect(await manager.getToken()).toBe(good);
    await settled();
    expect(events.at(-1)).toMatchObject({ type: "exchange_failed", held: true });
    expect(await manager.getToken()).toBe(good);
  }
});

test("5 Refresh loop on a persistent 401: an API that always refuses costs one more token", async () => {
  const { emulator, fetch, resource } = await scene();
  emulator.fault({ kind: "status", status: 401 }, { target: "resource", times: "forever" });
  for (let asked = 0; asked < 50; asked++) expect((await fetch(resource)).status).toBe(401);
  expect(emulator.counters.tokenRequests).toBe(2);
  // One replay for the first request, none for those that nothing was replaced for.
  expect(emulator.counters.resourceRequests).toBe(51);
});

test("6 Concurrent 401s: every request is answered with the one replacement", async () => {
  const { emulator, fetch, resource } = await scene();
  await fetch(resource);
  emulator.revokeAll();
  expect(new Set(await statuses(times(50, () => fetch(resource))))).toEqual(new Set([200]));
  expect(emulator.counters.tokenRequests).toBe(2);
  expect(emulator.counters.resourceRequestsByStatus).toEqual({ 200: 51, 401: 50 });
});

test("7 A late 401 for the old token kills the new one: only the token that was rejected is replaced", async () => {
  const { manager, time, requests: none, ...endpoint } = virtualEndpoint();
  expect(none).toBe(0);
  const old = await manager.getToken();
  const replacement = await manager.getToken({ rejected: old });
  expect(replacement).not.toBe(old);
  for (let late = 0; late < 20; late++) {
    await time.pass(10_000);
    expect(await manager.getToken({ rejected: old })).toBe(replacement);
    expect(await manager.getToken({ rejected: old.accessToken })).toBe(replacement);
  }
  expect(endpoint.events.filter(({ type }) => type === "exchange_started")).toHaveLength(2);
});

test("9 The server returns the same token until it expires: asking again is put off until then", async () => {
  const endpoint = virtualEndpoint();
  const { manager, time, answers } = endpoint;
  const held = await manager.getToken();
  await time.pass(hourMs * 0.9);
  answers.push(async () => granted({ access_token: held.accessToken, expires_in: 360 }));
  for (let asked = 0; asked < 50; asked++) {
    await manager.getToken();
    await time.pass(5000);
  }
  expect(endpoint.requests).toBe(2);
  await time.pass(hourMs * 0.1);
  await manager.getToken();
  expect(endpoint.requests).toBe(3);
});

test("10 A window longer than the lifetime: every lifetime is used to 70 % at least", async () => {
  for (const expiresInS of [1, 25, 90, 300, 3600, 60 * 86_400]) {
    const endpoint = virtualEndpoint({ expiresInS });
    const { manager, time } = endpoint;
    const usableMs = expiresInS * 1000 - Math.min(10_000, expiresInS * 100);
    for (let share = 0; share < 0.7; share += 0.1) {
      await manager.getToken();
      await settled();
      expect([expiresInS, endpoint.requests]).toEqual([expiresInS, 1]);
      await time.pass(Math.floor(usableMs * 0.1));
    }
    await time.pass(usableMs * 0.16);
    await manager.getToken();
    await settled();
    expect([expiresInS, endpoint.requests]).toEqual([expiresInS, 2]);
  }
});

test("11 Clock skew: no instant of the server is compared with the local clock", async () => {
  const rightMs = Date.UTC(2026, 0, 1);
  for (const offMs of [-2 * hourMs, 0, 2 * hourMs]) {
    const endpoint = virtualEndpoint();
    const { manager, time, answers } = endpoint;
    time.stepWall(offMs);
    answers.push(async () => granted({ expiration: rightMs / 1000 + 3600 }));
    const first = await manager.getToken();
    await time.pass(hourMs * 0.6);
    expect(await manager.getToken()).toBe(first);
    // Stepped back while it is held: it expires when it expires.
    time.stepWall(-hourMs);
    await time.pass(hourMs * 0.05);
    expect(await manager.getToken()).toBe(first);
    await time.pass(hourMs * 0.35);
    expect(await manager.getToken()).not.toBe(first);
    expect([offMs, endpoint.requests]).toEqual([offMs, 2]);
  }
});

test("12 Seconds versus milliseconds: text is a number, and what can be no lifetime in seconds is refused", async () => {
  const lifetimeOf = async (members: Record<string, unknown>) => {
    const { manager, answers } = virtualEndpoint();
    answers.push(async () => granted(members));
    const { expiresAt = Number.NaN, obtainedAt } = await manager.getToken();
    return expiresAt - obtainedAt;
  };
  expect(await lifetimeOf({ expires_in: 3600 })).toBe(hourMs);
  expect(await lifetimeOf({ expires_in: "3600" })).toBe(hourMs);
  const nowS = Date.UTC(2026, 0, 1) / 1000;
  // A moment where a duration belongs, in either unit; an hour in microseconds; nothing, and less.
  for (const expires_in of [nowS + 3600, (nowS + 3600) * 1000, 3_600_000_000, 0, -3600, "1h"]) {
    const error = await failureOf(lifetimeOf({ expires_in }));
    expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_RESPONSE_INVALID" });
  }
});

test("13 Timers: none is left behind, and a process with a token in its hand ends by itself", {
  timeout: 30_000,
}, async () => {
  const { manager, time, answers } = virtualEndpoint({ expiresInS: 60 * 86_400 });
  await manager.getToken();
  expect(time.timers).toBe(0);
  await time.pass(55 * 86_400_000);
  answers.push(answering(503));
  await manager.getToken();
  await settled();
  expect(time.timers).toBe(0);

  const { emulator } = await scene();
  const program = `
    import { apiKeyGrant, createTokenManager } from "@iam/core";
    const [apiKey, tokenEndpoint] = process.argv.slice(1);
    const manager = createTokenManager({ grant: apiKeyGrant(apiKey), tokenEndpoint });
    await manager.getToken();
    process.on("beforeExit", () => process.exit(manager.peek() ? 7 : 1));`;
  const child = spawn(
    process.execPath,
    ["--input-type=module", "-e", program, emulator.apiKey, emulator.url],
    { cwd: new URL("..", import.meta.url), stdio: "inherit" },
  );
  onTestFinished(() => void child.kill());
  // Only when nothing keeps it alive does it come to that.
  expect(await once(child, "exit")).toEqual([7, null]);
});

test("14 A token response cached by someone else: it is asked for uncached, also of a fetch that caches everything", async () => {
  const kept = new Map<string, Response>();
  const frameworkFetch: typeof fetch = async (input, init) => {
    const url = String(input);
    const known = init?.cache === "no-store" ? undefined : kept.get(url);
    const response = known ?? (await fetch(input, init));
    kept.set(url, response.clone());
    return response.clone();
  };
  const { emulator, manager, advance } = await scene({ fetch: frameworkFetch });
  const first = await manager.getToken();
  advance(hourMs);
  const second = await manager.getToken();
  expect(second.accessToken).not.toBe(first.accessToken);
  expect(emulator.counters.grants).toBe(2);
  // And a runtime that throws on the mere member gets a request without it.
  const workerdFetch: typeof fetch = async (input, init) => {
    if (init?.cache !== undefined)
      throw new Error("The 'cache' field on 'RequestInitializerDict' is not implemented.");
    return fetch(input, init);
  };
  const other = await scene({ fetch: workerdFetch });
  expect((await other.fetch(other.resource)).status).toBe(200);
});

test("15 Workers: a promise of a request that has ended does not hold those that wait for it", async () => {
  const endpoint = virtualEndpoint();
  const { manager, time, answers } = endpoint;
  answers.push(dead);
  manager.getToken().catch(() => {});
  await settled();
  time.killTimers();
  const later = Promise.all(times(20, () => manager.getToken()));
  await time.pass(2000);
  expect(new Set(await later).size).toBe(1);
  expect(endpoint.requests).toBe(2);
});

test("16 The token sent to the wrong host: the final URL decides, by an absolute one or on a redirect as well", async () => {
  const { emulator, manager, fetch, resource, origins } = await scene();
  const { url: elsewhere } = await emulator.listen();
  const client = axios.create({ baseURL: emulator.url });
  iamAxios(client, { manager, origins });
  const api = ky.extend(iamKy({ manager, origins })).extend({ retry: 0, throwHttpErrors: false });
  const refused = { code: "ERR_IAM_ORIGIN_NOT_ALLOWED" };
  expect(await failureOf(fetch(`${elsewhere}/resource`))).toMatchObject(refused);
  expect(await failureOf(client.get(`${elsewhere}/resource`))).toMatchObject(refused);
  expect(await failureOf(api(`${elsewhere}/resource`))).toMatchObject(refused);
  expect(await failureOf(fetch(resource.replace("127.0.0.1", "localhost")))).toMatchObject(refused);
  expect(emulator.counters.resourceRequests).toBe(0);

  const redirect = { kind: "redirect", location: `${elsewhere}/resource/there` } as const;
  emulator.fault(redirect, { target: "resource", path: "/resource", times: "forever" });
  expect((await fetch(resource)).status).toBe(401);
  expect((await api(resource)).status).toBe(401);
  expect(await failureOf(client.get("/resource"))).toMatchObject({ response: { status: 401 } });
  const there = emulator.log.filter(({ path }) => path === "/resource/there");
  expect(there.map(({ authorization }) => authorization)).toEqual([undefined, undefined, undefined]);
});

test("17 The key replayed by a redirect of the token endpoint: it is not followed, and says that it is configuration", async () => {
  for (const status of [301, 302, 303, 307, 308] as const) {
    const { emulator, manager } = await scene();
    const { url: elsewhere } = await emulator.listen();
    emulator.fault({ kind: "redirect", location: `${elsewhere}/identity/token`, status });
    const error = await failureOf(manager.getToken());
    expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED", status, retryable: false });
    expect(error.message).toContain("check tokenEndpoint");
    expect(emulator.log.map(({ origin }) => origin)).toEqual([emulator.url]);
  }
});

test("18 Secrets in errors and logs: an AxiosError, an error of the token endpoint and their JSON hold none", async () => {
  const { emulator, manager, resource, origins, events } = await scene();
  const client = axios.create();
  iamAxios(client, { manager, origins });
  emulator.fault({ kind: "status", status: 500 }, { target: "resource", times: "forever" });
  const refused = await failureOf(client.post(resource, { a: 1 }));
  expect(isAxiosError(refused)).toBe(true);
  const { accessToken } = await manager.getToken();
  emulator.apiKeys.delete(emulator.apiKey);
  const unknown = await failureOf(manager.getToken({ rejected: accessToken }));
  expect(unknown).toMatchObject({ errorCode: "BXNIM0415E" });
  for (const shown of [refused, unknown, manager, ...events])
    expect(findSecret(shown, [emulator.apiKey, accessToken])).toBeUndefined();
});

test("19 A body that cannot be sent again: its 401 is the answer, nothing empty is sent, and the next request has another token", async () => {
  const bodies: string[] = [];
  const { emulator, manager } = await scene();
  const server = createServer(async (request, response) => {
    bodies.push(await text(request));
    response.writeHead(bodies.length === 1 ? 401 : 200).end();
  }).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const fetch = iamFetch({ manager, origins: [url] });
  const stream = new Blob(["the whole file"]).stream();
  const upload = { method: "POST", body: stream, duplex: "half" } as RequestInit;
  expect((await fetch(url, upload)).status).toBe(401);
  expect(bodies).toEqual(["the whole file"]);
  await emulator.until(({ grants }) => grants === 2);
  expect((await fetch(url, { method: "POST", body: "the whole file" })).status).toBe(200);
  expect(bodies).toEqual(["the whole file", "the whole file"]);
});

test("20 Replaying what must not be replayed: only a 401 is, and not even that when the caller says so", async () => {
  const { emulator, manager, fetch, resource, origins } = await scene();
  for (const fault of [
    { kind: "status", status: 503 },
    { kind: "status", status: 429 },
    { kind: "reset" },
  ] as const) {
    const before = emulator.counters.resourceRequests;
    emulator.fault(fault, { target: "resource" });
    await fetch(resource, { method: "POST", body: "an order" }).catch(() => {});
    expect(emulator.counters.resourceRequests - before).toBe(1);
  }
  const careful = iamFetch({ manager, origins, replay: false });
  emulator.revokeAll();
  const before = emulator.counters.resourceRequests;
  expect((await careful(resource, { method: "POST", body: "an order" })).status).toBe(401);
  expect(emulator.counters.resourceRequests - before).toBe(1);
});

test("21 A 403 taken for a 401: it costs no token and is not replayed", async () => {
  const { emulator, fetch, resource } = await scene();
  emulator.fault({ kind: "status", status: 403 }, { target: "resource", times: "forever" });
  expect(await statuses(times(20, () => fetch(resource)))).toEqual(times(20, () => 403));
  expect(emulator.counters).toMatchObject({ tokenRequests: 1, resourceRequests: 20 });
});

test("22 Retry makes the outage worse: while it lasts callers fail at once with what is remembered, and few requests are made", async () => {
  const endpoint = virtualEndpoint();
  const { manager, time, answers } = endpoint;
  answers.push(...times(1000, () => answering(503)));
  const first = failureOf(manager.getToken());
  await time.pass(2000);
  expect((await first).message).toContain("503");
  let failed = 0;
  for (let tenth = 0; tenth < 600; tenth++) {
    const error = await failureOf(
      Promise.race([manager.getToken(), settled().then(() => expect.fail("It waited"))]),
    );
    failed += error.message.includes("503") ? 1 : 0;
    expect(Number(error.retryAfterMs ?? 0)).toBeLessThanOrEqual(5000);
    await time.pass(100);
  }
  expect(failed).toBe(600);
  expect(endpoint.requests).toBeLessThanOrEqual(20);
});

test("23 No negative cache, or an eternal one: a refusal is remembered for half a minute, and then asked once", async () => {
  const endpoint = virtualEndpoint();
  const { manager, time, answers } = endpoint;
  answers.push(...times(2, () => answering(400, '{"errorCode":"BXNIM0415E"}')));
  for (let second = 0; second < 30; second++) {
    expect(await failureOf(manager.getToken())).toMatchObject({ errorCode: "BXNIM0415E", retryable: false });
    await time.pass(999);
  }
  expect(endpoint.requests).toBe(1);
  await time.pass(1000);
  await failureOf(manager.getToken());
  expect(endpoint.requests).toBe(2);
  await time.pass(30_000);
  expect((await manager.getToken()).accessToken).toMatch(/^token-/);
});

test("24 The key is rotated, the cache is not: a refused key is read again, and a new one is tried within a second", async () => {
  let key = "the-old-key";
  const sent: string[] = [];
  const { manager, time } = virtualEndpoint({
    grant: apiKeyGrant(() => key),
    async transport(request, options) {
      const apikey = new URLSearchParams(request.body).get("apikey") ?? "";
      sent.push(apikey);
      const refused = answering(400, '{"errorCode":"BXNIM0415E"}');
      return apikey === "the-old-key" ? refused(request, options) : granted();
    },
  });
  await failureOf(manager.getToken());
  await failureOf(manager.getToken());
  key = "the-new-key";
  await time.pass(1000);
  await manager.getToken();
  expect(sent).toEqual(["the-old-key", "the-new-key"]);
});

test("25 One caller's abort poisons the rest: it ends that caller's wait and nothing else", async () => {
  const { emulator, manager } = await scene();
  let open = () => {};
  emulator.fault({ kind: "hold", until: new Promise<void>((resolve) => (open = resolve)) });
  const aborting = new AbortController();
  const impatient = manager.getToken({ signal: aborting.signal });
  const patient = times(10, () => manager.getToken());
  await emulator.until(({ tokenRequests }) => tokenRequests === 1);
  aborting.abort();
  expect((await failureOf(impatient)).name).toBe("AbortError");
  open();
  expect(new Set(await Promise.all(patient)).size).toBe(1);
  expect(emulator.counters.tokenRequests).toBe(1);
});

test("26 No deadline at all: a hung endpoint and a body that never ends are given up, and everybody is told", async () => {
  const { manager, time, answers } = virtualEndpoint();
  answers.push(...times(10, () => hanging));
  const waiting = times(50, () => failureOf(manager.getToken()));
  await time.pass(8999);
  expect(await Promise.race([waiting[0], settled()])).toBeUndefined();
  await time.pass(1);
  for (const error of await Promise.all(waiting))
    expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", retryable: true });

  const { emulator, manager: real } = await scene({ attemptDeadlineMs: 100, deadlineMs: 300 });
  emulator.fault({ kind: "slow-body", everyMs: 60_000 }, { times: "forever" });
  expect(await failureOf(real.getToken())).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE" });
});

test("27 The wrong tenant: managers share nothing, and each request carries the token of its own", async () => {
  const keys = ["tenant-a-key", "tenant-b-key"];
  const emulator = await startEmulator({
    apiKeys: keys,
  });
  onTestFinished(() => emulator.close());
  const asks = keys.map((key) =>
    iamFetch({
      manager: createTokenManager({ grant: apiKeyGrant(key), tokenEndpoint: emulator.url }),
      origins: [emulator.url],
    }),
  );
  const whoAmI = async (at: number) => {
    const ask = asks[at % 2] ?? expect.fail();
    const { jti }: { jti: string } = JSON.parse(await (await ask(`${emulator.url}/resource`)).text());
    return jti;
  };
  const seen = await Promise.all(times(40, whoAmI));
  expect(new Set(seen.filter((_, at) => at % 2 === 0)).size).toBe(1);
  expect(new Set(seen.filter((_, at) => at % 2 === 1)).size).toBe(1);
  expect(new Set(seen).size).toBe(2);
  expect(emulator.counters.grants).toBe(2);
});

test("28 Memory that grows with tenants: so many are kept and no more, and never is one dropped whose exchange is under way", async () => {
  const { emulator } = await scene();
  let exchanges = 0;
  const pool = createTokenPool({
    max: 50,
    grantFor: () => apiKeyGrant(emulator.apiKey),
    transport: async () => {
      if (exchanges++ === 0) await held;
      return granted();
    },
  });
  let open = () => {};
  const held = new Promise<void>((resolve) => {
    open = resolve;
  });
  const slow = pool.managerFor("slow").getToken();
  await settled();
  for (let tenant = 0; tenant < 500; tenant++) {
    await pool.managerFor(`tenant ${tenant}`).getToken();
    expect(pool.size).toBeLessThanOrEqual(50);
  }
  open();
  const token = await slow;
  expect(await pool.managerFor("slow").getToken()).toBe(token);
  expect(exchanges).toBe(501);
});

test("29 Locks and stores of several processes: they share one grant, and neither a dead lock nor a dead store holds anybody", async () => {
  const { emulator } = await scene();
  const processes = (count: number, store: TokenStore, patience = { timeoutMs: 50, waitMs: 100 }) =>
    times(count, () =>
      createTokenManager({
        grant: apiKeyGrant(emulator.apiKey),
        tokenEndpoint: emulator.url,
        store: sharedStore(store, patience),
      }),
    );
  // However busy the machine is.
  const patient = processes(20, memoryStore(), { timeoutMs: 5_000, waitMs: 8_000 });
  const tokens = await Promise.all(patient.map((manager) => manager.getToken()));
  expect(new Set(tokens.map(({ accessToken }) => accessToken)).size).toBe(1);
  expect(emulator.counters.grants).toBe(1);

  const kept = memoryStore();
  const broken: Record<string, TokenStore> = {
    "whose lock is another's for ever": { ...kept, lock: async () => ({ state: "held" }) },
    "that fails": {
      ...kept,
      get: () => Promise.reject(new Error("down")),
      set: () => Promise.reject(new Error("down")),
    },
    "that never answers": { ...kept, get: () => new Promise(() => {}) },
  };
  for (const [what, store] of Object.entries(broken)) {
    const before = emulator.counters.grants;
    const [manager] = processes(1, store);
    expect([what, (await manager?.getToken())?.tokenType]).toEqual([what, "Bearer"]);
    expect([what, emulator.counters.grants - before]).toEqual([what, 1]);
  }
});

test("30 The refresh token is lost: it is not used, the grant is made again", async () => {
  const { emulator, advance, origins } = await scene();
  const manager = createTokenManager({
    grant: apiKeyGrant(emulator.apiKey, { clientId: "bx", clientSecret: "bx" }),
    tokenEndpoint: emulator.url,
  });
  expect((await manager.getToken()).refreshToken).toBeDefined();
  emulator.endSessions();
  emulator.revokeAll();
  advance(60_000);
  const fetch = iamFetch({ manager, origins });
  expect((await fetch(`${emulator.url}/resource`)).status).toBe(200);
  const grants = emulator.log
    .filter(({ target }) => target === "token")
    .map(({ fields }) => fields.grant_type);
  expect(grants).toEqual(times(2, () => "urn:ibm:params:oauth:grant-type:apikey"));
});

test("31 Long-lived streams outlive the token: one can be had with at least so much left, and its end is told", async () => {
  const endpoint = virtualEndpoint();
  const { manager, time, events } = endpoint;
  await manager.getToken();
  await time.pass(hourMs * 0.6);
  const streamMs = hourMs * 0.5;
  const { expiresAt = 0 } = await manager.getToken({ minValidityMs: streamMs });
  expect(expiresAt - time.wallNow()).toBeGreaterThanOrEqual(streamMs);
  expect(endpoint.requests).toBe(2);
  expect(events.at(-1)).toMatchObject({ type: "exchange_succeeded", reason: "validity", expiresAt });
});

test("32 An almost-expired token handed out: none within ten seconds of its end, or a tenth of a short life", async () => {
  for (const [expiresInS, marginMs] of [
    [3600, 10_000],
    [60, 6000],
    [5, 500],
  ] as const) {
    const { manager, time, answers } = virtualEndpoint({ expiresInS });
    const held = await manager.getToken();
    await time.pass(expiresInS * 1000 - marginMs - 1);
    answers.push(answering(500));
    expect(await manager.getToken()).toBe(held);
    await time.pass(1);
    const next = failureOf(manager.getToken());
    await settled();
    expect((await next).message).toContain("500");
  }
});

test("33 Chains of credentials: every place is told and why, what is there but wrong ends it, and no network is asked", async () => {
  const empty = await mkdtemp(join(tmpdir(), "nothing-"));
  onTestFinished(() => rm(empty, { recursive: true }));
  const asked: unknown[] = [];
  const real = globalThis.fetch;
  globalThis.fetch = async (...request) => {
    asked.push(request);
    return real(...request);
  };
  onTestFinished(() => {
    globalThis.fetch = real;
  });
  const nowhere = { cwd: empty, home: empty, crTokenFiles: [join(empty, "cr-token")] };
  const error = await failureOf((async () => defaultGrant({ ...nowhere, env: {} }))());
  expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
  for (const place of ["credentials file", "environment", "VCAP_SERVICES", "CR token file", "VPC metadata"])
    expect(error.message).toContain(place);
  const half = { IBM_CREDENTIALS_FILE: join(empty, "missing.env"), IBMCLOUD_API_KEY: "a-good-key" };
  const wrong = await failureOf((async () => defaultGrant({ ...nowhere, env: half }))());
  expect(wrong.message).toContain("IBM_CREDENTIALS_FILE");
  expect(asked).toEqual([]);
});

test("34 Nothing to look at in production: events say what was asked, how long it took, why it failed and until when", async () => {
  const { emulator, manager, fetch, resource, advance, events } = await scene();
  emulator.fault({ kind: "throttle", retryAfter: 30 });
  await failureOf(fetch(resource));
  advance(30_000);
  await fetch(resource);
  emulator.revokeAll();
  await fetch(resource);
  expect(events).toMatchObject([
    { type: "exchange_started", reason: "absent" },
    {
      type: "exchange_failed",
      reason: "absent",
      durationMs: 0,
      coolDownMs: 30_000,
      held: false,
      error: { code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", status: 429, retryAfterMs: 30_000 },
    },
    { type: "exchange_started", reason: "absent" },
    { type: "exchange_succeeded", reason: "absent", durationMs: 0, committed: true },
    { type: "token_rejected", origin: emulator.url, outcome: "replacing" },
    { type: "exchange_started", reason: "rejected" },
    { type: "exchange_succeeded", reason: "rejected", expiresAt: manager.peek()?.expiresAt },
  ]);
});

test("35 Memoisation silently stops working: the emulator counts, so that a consumer's own test sees it", async () => {
  const { emulator, fetch, resource, origins } = await scene();
  for (let asked = 0; asked < 30; asked++) await fetch(resource);
  expect(emulator.counters.grants).toBe(1);
  // A manager made for each request is what that test is to find.
  for (let asked = 0; asked < 30; asked++) {
    const manager = createTokenManager({ grant: apiKeyGrant(emulator.apiKey), tokenEndpoint: emulator.url });
    await iamFetch({ manager, origins })(resource);
  }
  expect(emulator.counters.grants).toBe(31);
});

test("the page of failure modes and this file have the same numbers, but for the one that is waived", async () => {
  const page = await readFile(new URL("../../../docs/failure-modes.md", import.meta.url), "utf8");
  const own = await readFile(new URL(import.meta.url), "utf8");
  const told = Array.from(page.matchAll(/^\| +(\d+) \|/gm), ([, number]) => Number(number));
  const tested = Array.from(own.matchAll(/^test\("(\d+) /gm), ([, number]) => Number(number));
  expect(told.filter((number) => number !== 8)).toEqual(tested);
});
