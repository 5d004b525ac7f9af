import { request } from "node:http";
import { decodeJwt } from "jose";
import { describe, expect, test } from "vitest";
import type { Fault } from "../src/index.ts";
import { askResource, askToken, basic, emulating, jsonOf, tokenOf } from "./emulating.ts";

async function faulty(fault: Fault) {
  const emulator = await emulating();
  emulator.fault(fault);
  return emulator;
}

async function answerOf(fault: Fault) {
  return askToken(await faulty(fault));
}

function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error && "code" in error.cause
    ? error.cause.code
    : error;
}

describe("instead of an answer", () => {
  test("hang: none ever comes, until the client goes", async () => {
    const emulator = await faulty({ kind: "hang" });
    const controller = new AbortController();
    const asked = fetch(`${emulator.url}/identity/token`, { method: "POST", signal: controller.signal });
    await emulator.until((counters) => counters.tokenRequestsInFlight === 1);
    controller.abort();
    await expect(asked).rejects.toThrow("aborted");
    await emulator.until((counters) => counters.tokenRequestsInFlight === 0);
    expect(emulator.log[0]).toMatchObject({ fault: "hang", outcome: "abandoned", status: undefined });
  });

  test("reset: the connection is cut", async () => {
    const emulator = await faulty({ kind: "reset" });
    expect(causeOf(await askToken(emulator).catch((error: unknown) => error))).toBe("ECONNRESET");
    expect(emulator.log[0]).toMatchObject({ fault: "reset", outcome: "cut" });
  });

  test.for([
    [{ kind: "throttle" }, 429, null],
    [{ kind: "throttle", retryAfter: 2 }, 429, "2"],
    [{ kind: "throttle", retryAfter: 31_536_000 }, 429, "31536000"],
    [{ kind: "throttle", retryAfter: "soon" }, 429, "soon"],
    [{ kind: "status", status: 500 }, 500, null],
    [{ kind: "status", status: 503, retryAfter: 1 }, 503, "1"],
  ] as const)("%o: an IAM error body with that status", async ([fault, status, retryAfter]) => {
    const emulator = await faulty(fault);
    const response = await askToken(emulator);
    expect(response.status).toBe(status);
    expect(response.headers.get("retry-after")).toBe(retryAfter);
    expect(await jsonOf(response)).toMatchObject({
      errorCode: expect.any(String),
      context: { host: expect.any(String) },
    });
    expect(emulator.counters).toMatchObject({ grants: 0, refusals: 0, faults: 1 });
  });

  test("throttle: Retry-After can be a date, by the emulator's clock", async () => {
    const emulator = await faulty({ kind: "throttle", retryAfter: { dateInS: 90 } });
    emulator.clock.freeze(Date.UTC(2030, 0, 1));
    expect((await askToken(emulator)).headers.get("retry-after")).toBe("Tue, 01 Jan 2030 00:01:30 GMT");
  });

  test.for([200, 502])("html: a web page with status %i", async (status) => {
    const response = await answerOf({ kind: "html", status });
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toContain("text/html");
    expect(await response.text()).toContain("<html>");
  });

  test("empty-body: nothing, with status 200", async () => {
    const response = await answerOf({ kind: "empty-body" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });

  test.for([302, 307] as const)(
    "redirect: %i to another origin, where the log sees what arrives",
    async (status) => {
      const emulator = await emulating();
      const elsewhere = await emulator.listen();
      emulator.fault(
        { kind: "redirect", location: `${elsewhere.url}/resource`, status },
        { target: "resource" },
      );
      const response = await askResource(emulator.url, await tokenOf(emulator), { redirect: "follow" });
      expect(response.status).toBe(401);
      expect(
        emulator.log.slice(-2).map((entry) => [entry.origin, entry.status, entry.authorization?.scheme]),
      ).toEqual([
        [emulator.url, status, "Bearer"],
        [elsewhere.url, 401, undefined],
      ]);
    },
  );

  test("error-in-200: an error body with status 200", async () => {
    const response = await answerOf({ kind: "error-in-200" });
    expect([response.status, await jsonOf(response)]).toEqual([
      200,
      expect.objectContaining({ errorCode: expect.any(String) }),
    ]);
  });
});

describe("late", () => {
  test("delay: the proper answer after that time", async () => {
    const before = performance.now();
    expect((await answerOf({ kind: "delay", ms: 60 })).status).toBe(200);
    expect(performance.now() - before).toBeGreaterThan(55);
  });

  test("delay: something else after it", async () => {
    expect((await answerOf({ kind: "delay", ms: 1, next: { kind: "status", status: 503 } })).status).toBe(
      503,
    );
  });

  test("hold: when the test says so", async () => {
    const gate = Promise.withResolvers<void>();
    const emulator = await faulty({ kind: "hold", until: gate.promise });
    const asked = askToken(emulator);
    await emulator.until((counters) => counters.tokenRequestsInFlight === 1);
    expect(emulator.counters.grants).toBe(0);
    gate.resolve();
    expect((await asked).status).toBe(200);
  });
});

describe("a body that goes wrong", () => {
  test("cut-body: the headers and the beginning, then the connection is cut", async () => {
    const emulator = await faulty({ kind: "cut-body", afterBytes: 10 });
    const response = await askToken(emulator);
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
    expect(emulator.log[0]).toMatchObject({ outcome: "cut" });
    expect(emulator.counters).toMatchObject({ grants: 1, tokenRequestsInFlight: 0 });
  });

  test("slow-body: the headers at once, the body in pieces, whole in the end", async () => {
    const response = await answerOf({ kind: "slow-body", chunkBytes: 512, everyMs: 5 });
    const sizes: number[] = [];
    const texts: string[] = [];
    for await (const chunk of response.body ?? []) {
      sizes.push(chunk.length);
      texts.push(Buffer.from(chunk).toString());
    }
    expect(sizes.length).toBeGreaterThan(1);
    expect(JSON.parse(texts.join(""))).toHaveProperty("access_token");
  });

  test("endless-body: more than anyone reads, until the client goes", async () => {
    const emulator = await faulty({ kind: "endless-body", everyMs: 0 });
    const response = await askToken(emulator);
    let length = 0;
    for await (const chunk of response.body ?? []) {
      length += chunk.length;
      if (length > 1_000_000) break;
    }
    await emulator.until((counters) => counters.tokenRequestsInFlight === 0);
    expect(emulator.log[0]?.outcome).toBe("abandoned");
  });

  test("huge-body: JSON of 10 MiB", async () => {
    const text = await (await answerOf({ kind: "huge-body" })).text();
    expect(text.length).toBeGreaterThan(10 * 1024 * 1024);
    expect(JSON.parse(text)).toHaveProperty("access_token");
  });

  test("broken-json: half of the body as if it were all", async () => {
    const text = await (await answerOf({ kind: "broken-json" })).text();
    expect(text).toMatch(/^\{"access_token/);
    expect(() => JSON.parse(text)).toThrow();
  });
});

describe("a token that is odd", () => {
  test("opaque-token: no JWT, and the resource accepts it until it expires", async () => {
    const emulator = await faulty({ kind: "opaque-token" });
    const token = await tokenOf(emulator);
    expect(() => decodeJwt(token)).toThrow();
    expect((await askResource(emulator.url, token)).status).toBe(200);
    emulator.clock.advance(3_600_000);
    expect((await askResource(emulator.url, token)).status).toBe(401);
  });

  test("undated-token: a JWT without iat and exp, which the resource accepts until it is revoked", async () => {
    const emulator = await faulty({ kind: "undated-token" });
    const token = await tokenOf(emulator);
    expect(Object.keys(decodeJwt(token))).not.toEqual(expect.arrayContaining(["exp"]));
    expect(decodeJwt(token).iat).toBeUndefined();
    emulator.clock.advance(7_200_000);
    expect((await askResource(emulator.url, token)).status).toBe(200);
    emulator.revoke(token);
    expect((await askResource(emulator.url, token)).status).toBe(401);
  });

  test("same-token: the last one of that identity, with what is left of its life", async () => {
    const emulator = await emulating();
    emulator.clock.freeze();
    const first = await tokenOf(emulator);
    const other = String((await jsonOf(await askToken(emulator, basic("bx", "bx")))).access_token);
    emulator.fault({ kind: "same-token" }, { times: Number.POSITIVE_INFINITY });
    emulator.clock.advance(600_000);
    expect(await jsonOf(await askToken(emulator))).toMatchObject({ access_token: first, expires_in: 3000 });
    expect(await jsonOf(await askToken(emulator))).toMatchObject({ access_token: first });
    expect(other).not.toBe(first);
    emulator.clearFaults();
    expect(await tokenOf(emulator)).not.toBe(first);
  });

  test.for([
    ["line-break", /\n/],
    ["non-ascii", /[^\0-\x7f]/],
    ["space", / /],
    ["empty", /^$/],
  ] as const)("bad-token: one that no header can carry (%s)", async ([flaw, pattern]) => {
    expect((await jsonOf(await answerOf({ kind: "bad-token", flaw }))).access_token).toMatch(pattern);
  });

  test("no-token: everything but the token", async () => {
    const body = await jsonOf(await answerOf({ kind: "no-token" }));
    expect(body).not.toHaveProperty("access_token");
    expect(body.expires_in).toBe(3600);
  });

  test.for([90, "90", -1, 0, 12.5, 1e15, null])("fields: any expires_in (%o)", async (expires_in) => {
    expect((await jsonOf(await answerOf({ kind: "fields", set: { expires_in } }))).expires_in).toBe(
      expires_in,
    );
  });

  test("fields: members can be left out, and any expiration", async () => {
    const body = await jsonOf(
      await answerOf({ kind: "fields", set: { expiration: "soon" }, omit: ["expires_in"] }),
    );
    expect(body).not.toHaveProperty("expires_in");
    expect(body.expiration).toBe("soon");
  });

  test("headers: set and left out, the date too", async () => {
    const { headers } = await answerOf({
      kind: "headers",
      set: { "x-odd": "1" },
      omit: ["date", "transaction-id"],
    });
    expect([headers.get("x-odd"), headers.get("date"), headers.get("transaction-id")]).toEqual([
      "1",
      null,
      null,
    ]);
  });

  test.for([7_200_000, -7_200_000])("skew: one answer by a clock that is %i ms off", async (ms) => {
    const emulator = await faulty({ kind: "skew", ms });
    emulator.clock.freeze(Date.UTC(2030, 0, 1));
    const response = await askToken(emulator);
    const server = Date.UTC(2030, 0, 1) + ms;
    const body = await jsonOf(response);
    expect(body).toMatchObject({ expires_in: 3600, expiration: server / 1000 + 3600 });
    expect(decodeJwt(String(body.access_token)).iat).toBe(server / 1000);
    expect(response.headers.get("date")).toBe(new Date(server).toUTCString());
    expect((await askToken(emulator)).headers.get("date")).toBe("Tue, 01 Jan 2030 00:00:00 GMT");
  });
});

describe("the queue", () => {
  test("applies faults in order, each as often as it says, and then no more", async () => {
    const emulator = await emulating();
    const first = emulator.fault({ kind: "status", status: 500 }, { times: 2 });
    emulator.fault({ kind: "throttle" });
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await askToken(emulator)).status);
    expect(statuses).toEqual([500, 500, 429, 200]);
    expect(first.applied).toBe(2);
  });

  test("keeps a fault of Infinity until it is cleared or removed", async () => {
    const emulator = await emulating();
    const handle = emulator.fault({ kind: "throttle" }, { times: Number.POSITIVE_INFINITY });
    for (let i = 0; i < 3; i++) expect((await askToken(emulator)).status).toBe(429);
    handle.remove();
    expect((await askToken(emulator)).status).toBe(200);
    emulator.fault({ kind: "throttle" }, { times: "forever" });
    emulator.clearFaults();
    expect((await askToken(emulator)).status).toBe(200);
  });

  test.for([
    ["keys", "/identity/keys"],
    ["discovery", "/identity/.well-known/openid-configuration"],
    ["userinfo", "/identity/userinfo"],
    ["openai", "/openai/v1/models"],
    ["any", "/identity/keys"],
  ] as const)("leaves what is for %s to %s", async ([target, path]) => {
    const emulator = await emulating();
    emulator.fault({ kind: "status", status: 503 }, { target });
    if (target !== "any") expect((await askToken(emulator)).status).toBe(200);
    expect((await fetch(emulator.url + path)).status).toBe(503);
    emulator.fault({ kind: "status", status: 503 }, { target });
    emulator.clearFaults(target);
    expect((await fetch(emulator.url + path)).status).not.toBe(503);
  });

  test("can be for one path only", async () => {
    const emulator = await emulating();
    const token = await tokenOf(emulator);
    emulator.fault({ kind: "status", status: 403 }, { target: "resource", path: "/resource/a" });
    expect((await askResource(`${emulator.url}/resource/b`, token)).status).toBe(200);
    expect((await askResource(`${emulator.url}/resource/a?x=1`, token)).status).toBe(403);
  });

  test("refuses what is no fault", async () => {
    const emulator = await emulating();
    const wrong = [
      { kind: "nonsense" },
      { kind: "delay" },
      { kind: "bad-token", flaw: "?" },
      { kind: "toString" },
      { kind: "throttle", retryafter: 2 },
      { kind: "throttle", retryAfter: { datein: 2 } },
      { kind: "throttle", retryAfter: { dateInS: 1e20 } },
      { kind: "throttle", retryAfter: "a\nb" },
      { kind: "throttle", retryAfter: null },
      { kind: "status", status: 99_999 },
      { kind: "status", status: 100 },
      { kind: "html", status: "502" },
      { kind: "redirect", location: "/", status: 999 },
      { kind: "redirect", location: "/a\nb" },
      { kind: "delay", ms: -1 },
      { kind: "delay", ms: 1, next: { kind: "nonsense" } },
      { kind: "huge-body", bytes: -1 },
      { kind: "slow-body", chunkBytes: 0 },
      { kind: "fields", set: 7 },
      { kind: "fields", omit: "access_token" },
      { kind: "headers", set: { "x y": "1" } },
      { kind: "headers", set: { "x-a": 5 } },
      { kind: "skew", ms: 1e300 },
    ];
    // Such as JavaScript callers and other processes send.
    for (const fault of wrong)
      expect(() => emulator.fault(JSON.parse(JSON.stringify(fault)))).toThrow("not valid");
    expect(() => emulator.fault({ kind: "hang" }, { times: 0 })).toThrow("times");
  });
});

test("a fault on the resource for good: every token is refused, with a challenge", async () => {
  const emulator = await emulating();
  emulator.fault({ kind: "status", status: 401 }, { target: "resource", times: Number.POSITIVE_INFINITY });
  for (let i = 0; i < 3; i++) {
    const response = await askResource(emulator.url, await tokenOf(emulator));
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toContain('error="invalid_token"');
  }
});

test("ending the emulator ends what hangs", async () => {
  const emulator = await emulating();
  emulator.fault({ kind: "hang" });
  const ended = new Promise<unknown>((resolve) => {
    request(`${emulator.url}/identity/token`, { method: "POST" }).on("error", resolve).end();
  });
  await emulator.until((counters) => counters.tokenRequestsInFlight === 1);
  await emulator.close();
  expect(await ended).toBeInstanceOf(Error);
});
