import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { fingerprint } from "../src/index.ts";
import {
  apiKeyGrantType,
  askResource,
  askToken,
  basic,
  emulating,
  jsonOf,
  post,
  tokenOf,
} from "./emulating.ts";

describe("the request log", () => {
  test("says who asked for what, when and with which result", async () => {
    const emulator = await emulating();
    emulator.clock.freeze(Date.UTC(2030, 0, 1));
    await askToken(emulator, { "user-agent": "tester/1" });
    expect(emulator.log).toEqual([
      {
        id: 1,
        at: Date.UTC(2030, 0, 1),
        target: "token",
        method: "POST",
        path: "/identity/token",
        origin: emulator.url,
        fields: { grant_type: apiKeyGrantType, apikey: `[redacted] ${await fingerprint(emulator.apiKey)}` },
        authorization: undefined,
        userAgent: "tester/1",
        bodyBytes: expect.any(Number),
        status: 200,
        outcome: "answered",
        errorCode: undefined,
        fault: undefined,
      },
    ]);
  });

  test("names the token that was presented, and why IAM refused", async () => {
    const emulator = await emulating();
    const token = await emulator.issueToken();
    await askResource(emulator.url, token.value);
    await post(emulator.url, { grant_type: apiKeyGrantType, apikey: "unknown" });
    expect(emulator.log.map(({ authorization, errorCode }) => [authorization?.jti, errorCode])).toEqual([
      [token.jti, undefined],
      [undefined, "BXNIM0415E"],
    ]);
    expect(emulator.log[0]?.authorization).toEqual({
      scheme: "Bearer",
      jti: token.jti,
      fingerprint: await fingerprint(token.value),
    });
  });

  test("holds no secret, wherever a client puts one", async () => {
    const emulator = await emulating({ apiKeys: ["canary-key"] });
    const token = await tokenOf(emulator);
    const fields = {
      grant_type: apiKeyGrantType,
      apikey: "canary-key",
      client_id: "canary-key",
      password: "canary-pw",
    };
    await post(`${emulator.url}/identity/token?apikey=canary-key`, fields, basic("bx", "canary-secret"));
    await post(emulator.url, fields, { authorization: "canary-bare" });
    await askResource(`${emulator.url}/resource?access_token=${token}`, token);
    // A bare key is a form with one name and no value; in a header it may stand where the scheme belongs.
    const form = { "content-type": "application/x-www-form-urlencoded" };
    for (const body of ["canary-key", "canary-key=", "canary-key=="])
      await fetch(`${emulator.url}/identity/token`, { method: "POST", headers: form, body });
    await post(emulator.url, fields, { authorization: "canary-key canary-key" });
    const json = { "content-type": "application/json" };
    const body = JSON.stringify({ "canary-key": 1 });
    await fetch(`${emulator.url}/identity/token`, { method: "POST", headers: json, body });
    const everything = inspect([emulator.log, emulator.counters], { depth: null, showHidden: true });
    for (const secret of ["canary", token, Buffer.from("bx:canary-secret").toString("base64")])
      expect(everything).not.toContain(secret);
    expect(everything).toContain("[redacted]");
  });

  test("holds no key that was sent as a whole body, where the name of a field belongs", async () => {
    const emulator = await emulating();
    const key = `canary-${"k".repeat(40)}`;
    await post(emulator.url, key);
    expect(emulator.log.at(-1)?.fields).toEqual({ [`[redacted] ${await fingerprint(key)}`]: "" });
  });

  test("is bounded for each request, and a form of a megabyte of names is answered at once", async () => {
    const emulator = await emulating();
    const names = Array.from({ length: 60_000 }, (_, at) => `name-${at}=${at % 2}`).join("&");
    await post(emulator.url, `${names}&scope=${"s".repeat(5000)}`);
    await post(`${emulator.url}/identity/token?scope=${"s".repeat(5000)}`, {});
    const [first, second] = emulator.log;
    expect(Object.keys(first?.fields ?? {}).length).toBe(50);
    expect(second?.fields.scope).toHaveLength(1000);
  });

  test("keeps the last requests only", async () => {
    const emulator = await emulating({ logLimit: 3 });
    for (let i = 0; i < 5; i++) await fetch(`${emulator.url}/resource/${i}`);
    expect(emulator.log.map(({ id, path, status }) => [id, path, status])).toEqual([
      [3, "/resource/2", 401],
      [4, "/resource/3", 401],
      [5, "/resource/4", 401],
    ]);
    expect(emulator.counters.requests).toBe(5);
  });

  test("tells a listener when a request comes and ends, until it is stopped", async () => {
    const emulator = await emulating();
    const events: [string, number | undefined][] = [];
    const stop = emulator.onRequest(({ type, entry }) => {
      if (type !== "changed") events.push([type, entry.status]);
    });
    await askToken(emulator);
    stop();
    await askToken(emulator);
    expect(events).toEqual([
      ["received", undefined],
      ["ended", 200],
    ]);
  });
});

describe("the counters", () => {
  test("tell grants from refusals from faults", async () => {
    const emulator = await emulating();
    emulator.fault({ kind: "throttle" });
    await askToken(emulator);
    await askToken(emulator);
    await post(emulator.url, {});
    await fetch(`${emulator.url}/identity/keys`);
    await fetch(`${emulator.url}/identity/.well-known/openid-configuration`);
    await post(`${emulator.url}/identity/introspect`, { token: "x" });
    expect(emulator.counters).toMatchObject({
      requests: 6,
      tokenRequests: 3,
      grants: 1,
      refusals: 1,
      faults: 1,
      jwksRequests: 1,
      discoveryRequests: 1,
      introspections: 1,
    });
  });

  test("tell how many token requests were in flight at once", async () => {
    const emulator = await emulating();
    const gate = Promise.withResolvers<void>();
    emulator.fault({ kind: "hold", until: gate.promise }, { times: 3 });
    const asked = [askToken(emulator), askToken(emulator), askToken(emulator)];
    await emulator.until((counters) => counters.tokenRequestsInFlight === 3);
    gate.resolve();
    await Promise.all(asked);
    await askToken(emulator);
    expect(emulator.counters).toMatchObject({ tokenRequestsInFlight: 0, maxConcurrentTokenRequests: 3 });
  });

  test("can be waited for while the request goes on", async () => {
    const emulator = await emulating();
    emulator.fault({ kind: "hang" });
    emulator.fault({ kind: "endless-body" });
    const controller = new AbortController();
    const asked = [1, 2].map(() =>
      fetch(`${emulator.url}/identity/token`, { method: "POST", signal: controller.signal }),
    );
    await emulator.until((counters) => counters.faults === 2 && counters.refusals === 1);
    controller.abort();
    await Promise.allSettled(asked);
  });

  test("can be waited for, but not after the signal", async () => {
    const emulator = await emulating();
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(emulator.until(() => false, { signal })).rejects.toThrow("enough");
    const controller = new AbortController();
    const waiting = emulator.until(() => false, controller);
    controller.abort(new Error("later"));
    await expect(waiting).rejects.toThrow("later");
  });
});

test("reset forgets all but the signing keys, also what is still in flight", async () => {
  const emulator = await emulating();
  const token = await tokenOf(emulator);
  const keys = await jsonOf(await fetch(`${emulator.url}/identity/keys`));
  const gate = Promise.withResolvers<void>();
  emulator.fault({ kind: "hold", until: gate.promise });
  emulator.fault({ kind: "throttle" });
  emulator.apiKeys.disable(emulator.apiKey);
  emulator.configure({ expiresInS: 1 });
  emulator.clock.set(0);
  const late = askToken(emulator);
  await emulator.until((counters) => counters.tokenRequestsInFlight === 1);
  emulator.reset();
  gate.resolve();
  await late;
  expect(emulator.log).toEqual([]);
  expect(emulator.counters).toMatchObject({ requests: 0, tokenRequestsInFlight: 0, faults: 0, grants: 0 });
  expect((await askResource(emulator.url, token)).status).toBe(401);
  expect((await jsonOf(await askToken(emulator))).expires_in).toBe(3600);
  expect(Math.abs(emulator.clock.now() - Date.now())).toBeLessThan(1000);
  expect(await jsonOf(await fetch(`${emulator.url}/identity/keys`))).toEqual(keys);
});
