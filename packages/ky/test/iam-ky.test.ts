import { inspect } from "node:util";
import { isIamError } from "@iam/core";
import ky, { HTTPError, type KyInstance, type Options, TimeoutError } from "ky";
import ky1 from "ky-1";
import ky20 from "ky-2-0";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { iamKy } from "../src/index.ts";
import { type Echo, emulated } from "./emulated.ts";

/** What a promise rejects with. */
async function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail("should have been rejected"),
    (error: unknown) => error,
  );
}

const form = () => {
  const made = new FormData();
  made.set("field", "value");
  return made;
};

describe("a request", () => {
  test.each([
    ["the latest ky", ky],
    ["ky 2.0.0", ky20 as unknown as KyInstance],
  ])("carries the token with %s", async (_, client) => {
    const { manager, resource, origins, emulator } = await emulated();
    const api = client.extend(iamKy({ manager, origins }));
    expect(await api.get(resource).json<Echo>()).toMatchObject({ method: "GET" });
    expect(emulator.counters.grants).toBe(1);
  });

  test("cannot be set up where the installed ky is older than 2: the error names the package and the version", async () => {
    const { manager } = await emulated();
    vi.resetModules();
    vi.doMock("ky", () => import("ky-1"));
    const { iamKy: beside } = await import("../src/index.ts");
    vi.doUnmock("ky");
    expect(() => beside({ manager })).toThrow("@iam/ky needs ky ^2.0.0");
  });

  test("of another copy of ky, older than 2, fails with an error that names the package and the version", async () => {
    const { manager, resource, origins, emulator } = await emulated();
    const api = ky1.extend(iamKy({ manager, origins }) as object);
    const error = await rejection(api.get(resource, { retry: 0 }));
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG", message: expect.stringContaining("ky ^2.0.0") });
    expect(emulator.counters.requests).toBe(0);
  });

  test("with context.iam false goes as it is", async () => {
    const { manager, resource, emulator } = await emulated();
    const api = ky.extend(iamKy({ manager, origins: ["https://api.example.com"] }));
    const error = await rejection(api.get(resource, { context: { iam: false }, retry: 0 }));
    expect(error).toBeInstanceOf(HTTPError);
    expect(emulator.counters.tokenRequests).toBe(0);
    expect(emulator.log.at(-1)?.authorization).toBeUndefined();
  });

  test("keeps prefix, baseUrl, searchParams, headers and hooks of its own", async () => {
    const { manager, emulator, origins } = await emulated();
    const seen: unknown[] = [];
    const api = ky.create({ hooks: { beforeRequest: [({ request }) => void seen.push(request.url)] } });
    const own = api.extend(iamKy({ manager, origins }));
    const searchParams = { a: "1", b: "x y" };
    const prefixed = own.extend({ prefix: `${emulator.url}/resource`, searchParams });
    expect(await prefixed.get("deep").json<Echo>()).toMatchObject({
      path: "/resource/deep",
      search: "?a=1&b=x+y",
    });
    const based = own.extend({ baseUrl: `${emulator.url}/resource/base/` });
    expect(await based.get("./leaf").json<Echo>()).toMatchObject({ path: "/resource/base/leaf" });
    expect(seen).toHaveLength(2);
  });

  test("to another origin fails before anything is sent, and is not retried", async () => {
    const { manager, resource, emulator } = await emulated();
    const api = ky.extend(iamKy({ manager, origins: ["https://api.example.com"] }));
    const error = await rejection(api.get(resource));
    expect(error).toMatchObject({
      code: "ERR_IAM_ORIGIN_NOT_ALLOWED",
      message: expect.stringContaining(`"${emulator.url}"`),
    });
    expect(emulator.counters.requests).toBe(0);
  });

  test("keeps an Authorization of its caller's", async () => {
    const { manager, resource, origins, emulator } = await emulated();
    const api = ky.extend(iamKy({ manager, origins }));
    const { value } = await emulator.issueToken();
    const headers = { authorization: `Bearer ${value}` };
    expect((await api.get(resource, { headers })).status).toBe(200);
    expect(emulator.counters.tokenRequests).toBe(0);
  });
});

describe("extending", () => {
  test("twice with the same manager wraps once", async () => {
    const { manager, resource, origins } = await emulated();
    const fetch = vi.fn((...args: Parameters<typeof globalThis.fetch>) => globalThis.fetch(...args));
    const seen = new Set<unknown>();
    const look = (options: Options) => void seen.add(options.fetch);
    const hooks = { hooks: { init: [look] } };
    const api = ky.extend({ fetch }).extend(iamKy({ manager, origins })).extend(hooks);
    await api.extend(iamKy({ manager, origins })).extend(hooks).get(resource);
    expect(seen.size).toBe(1);
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  test("leaves no trace on the options of the instance, so that requests do not wrap each other", async () => {
    const { manager, resource, origins } = await emulated();
    const depths: number[] = [];
    const fetch: typeof globalThis.fetch = (...args) => {
      depths.push((new Error().stack ?? "").split("iam-ky").length);
      return globalThis.fetch(...args);
    };
    const api = ky.extend({ fetch }).extend(iamKy({ manager, origins }));
    for (let i = 0; i < 5; i++) await api.get(resource);
    expect(new Set(depths.slice(1)).size).toBe(1);
  });

  test("with a fetch of one's own, for the instance or for one request, sends with that", async () => {
    const { manager, resource, origins } = await emulated();
    const sent: string[] = [];
    const named =
      (name: string): typeof globalThis.fetch =>
      (...args) => {
        sent.push(name);
        return globalThis.fetch(...args);
      };
    const api = ky.extend({ ...iamKy({ manager, origins }), fetch: named("instance") });
    await api.get(resource);
    await api.get(resource, { fetch: named("request") });
    expect(sent).toEqual(["instance", "request"]);
  });
});

describe("a 401", () => {
  const bodies: [string, Options, string][] = [
    ["json", { json: { a: 1 } }, '{"a":1}'],
    ["a string", { body: "text" }, "text"],
    ["bytes", { body: new Uint8Array([65, 66]) }, "AB"],
    ["URLSearchParams", { body: new URLSearchParams({ a: "1" }) }, "a=1"],
    ["FormData", { body: form() }, 'name="field"'],
    ["a Blob", { body: new Blob(["blob"]) }, "blob"],
    ["nothing", {}, ""],
  ];
  test.each(bodies)("replays a POST of %s whole, without ky's retry", async (_, body, expected) => {
    const { manager, resource, origins, emulator } = await emulated();
    const beforeRetry = vi.fn();
    const api = ky
      .extend(iamKy({ manager, origins }))
      .extend({ retry: 0, hooks: { beforeRetry: [beforeRetry] } });
    const first = await api.post(resource, body).json<Echo>();
    emulator.revokeAll();
    const second = await api.post(resource, body).json<Echo>();
    expect(second.body).toContain(expected);
    expect(second.body_bytes).toBe(first.body_bytes);
    expect(second.jti).not.toBe(first.jti);
    expect(beforeRetry).not.toHaveBeenCalled();
    expect(emulator.counters).toMatchObject({ grants: 2, resourceRequestsByStatus: { 200: 2, 401: 1 } });
  });

  test("of a stream is the caller's, nothing empty is sent, and the next request has a new token", async () => {
    const { manager, resource, origins, emulator } = await emulated();
    const api = ky.extend(iamKy({ manager, origins })).extend({ retry: 0 });
    await api.get(resource);
    emulator.revokeAll();
    const stream = new Blob(["streamed"]).stream();
    const headers = { "content-length": "8" };
    const error = await rejection(api.post(resource, { body: stream, headers }));
    expect(error).toMatchObject({ name: "HTTPError", response: { status: 401 } });
    expect(
      emulator.log.filter(({ method, target }) => method === "POST" && target === "resource"),
    ).toHaveLength(1);
    expect((await api.get(resource)).status).toBe(200);
    expect(emulator.counters.grants).toBe(2);
  });

  test.each([
    ["is replayed when its length is told", { "content-length": "5" }, 200],
    ["is not replayed when its length is unknown", {}, 401],
  ])("of a Request whose body ky was not given %s", async (_, headers, status) => {
    const { manager, resource, origins, emulator } = await emulated();
    const api = ky.extend(iamKy({ manager, origins })).extend({ retry: 0, throwHttpErrors: false });
    await api.get(resource);
    emulator.revokeAll();
    const request = new Request(resource, { method: "POST", body: "hello", headers });
    expect((await api(request)).status).toBe(status);
  });

  test("is replayed without ky's delay, even when ky would retry a 401 itself", async () => {
    const { manager, resource, origins, emulator } = await emulated();
    const delay = vi.fn(() => 60_000);
    const retry = { limit: 3, methods: ["post"], statusCodes: [401], delay };
    const api = ky.extend(iamKy({ manager, origins })).extend({ retry });
    await api.get(resource);
    emulator.revokeAll();
    expect((await api.post(resource, { json: { a: 1 } })).status).toBe(200);
    expect(delay).not.toHaveBeenCalled();
  });

  test("takes none of ky's retries, and a later 503 still has all of them", async () => {
    const { manager, resource, origins, emulator } = await emulated();
    const retry = { limit: 1, delay: () => 1 };
    const api = ky.extend(iamKy({ manager, origins })).extend({ retry });
    await api.get(resource);
    emulator.revokeAll();
    emulator.fault({ kind: "status", status: 401 }, { target: "resource" });
    emulator.fault({ kind: "status", status: 503 }, { target: "resource" });
    expect((await api.get(resource)).status).toBe(200);
    expect(emulator.counters.resourceRequestsByStatus).toEqual({ 200: 2, 401: 1, 503: 1 });
  });

  test("that stays is ky's HTTPError, in which no token is to be found", async () => {
    const { manager, resource, origins, emulator } = await emulated();
    const api = ky.extend(iamKy({ manager, origins }));
    emulator.fault({ kind: "status", status: 401 }, { target: "resource", times: "forever" });
    const error = await rejection(api.post(resource, { json: { a: 1 } }));
    if (!(error instanceof HTTPError)) throw error;
    expect(error.response.status).toBe(401);
    expect(error.data).toMatchObject({ error: { code: "invalid_token" } });
    const { accessToken } = await manager.getToken();
    const shown = inspect(error, { depth: Infinity, showHidden: true, getters: true });
    const headers = JSON.stringify([
      ...error.request.headers,
      ...error.options.headers,
      ...error.response.headers,
    ]);
    for (const text of [shown, headers, JSON.stringify(error), error.stack]) {
      expect(text).not.toContain(accessToken);
      expect(text).not.toContain(emulator.apiKey);
    }
  });
});

describe("a retry by ky", () => {
  test("carries the token that is current then", async () => {
    const { manager, resource, origins, emulator } = await emulated();
    emulator.fault({ kind: "status", status: 503 }, { target: "resource" });
    const beforeRetry = () => void emulator.revokeAll();
    const api = ky.extend(iamKy({ manager, origins }));
    const extended = api.extend({
      retry: { limit: 1, delay: () => 1 },
      hooks: { beforeRetry: [beforeRetry] },
    });
    await extended.get(resource);
    // 503 with the first token; 401 with it after the revocation; 200 with the next.
    expect(emulator.counters.resourceRequestsByStatus).toEqual({ 200: 1, 401: 1, 503: 1 });
    expect(emulator.counters.grants).toBe(2);
  });
});

describe("a token failure", () => {
  test("is our error, not retried by ky and not wrapped", async () => {
    const { manager, resource, origins, emulator } = await emulated();
    emulator.apiKeys.disable(emulator.apiKey);
    const retry = { limit: 3, delay: () => 1 };
    const error = await rejection(ky.extend(iamKy({ manager, origins })).get(resource, { retry }));
    expect(isIamError(error)).toBe(true);
    expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED" });
    expect(emulator.counters).toMatchObject({ tokenRequests: 1, resourceRequests: 0 });
  });

  test("comes before ky's default timeout hides it", async () => {
    const { manager, resource, origins, emulator } = await emulated();
    emulator.fault({ kind: "hang" }, { times: "forever" });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
    onTestFinished(() => void vi.useRealTimers());
    const settled = rejection(ky.extend(iamKy({ manager, origins })).get(resource));
    await emulator.until(({ tokenRequests }) => tokenRequests > 0);
    // Less than ky's ten seconds in all, with real turns between for what goes over sockets.
    for (let elapsedMs = 0; elapsedMs < 9900; elapsedMs += 100) {
      await vi.advanceTimersByTimeAsync(100);
      await new Promise(setImmediate);
    }
    expect(await settled).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE" });
  });

  test("within a shorter timeout of the caller's is ky's TimeoutError, and harms no other caller", async () => {
    const { manager, resource, origins, emulator } = await emulated();
    let release = () => {};
    const until = new Promise<void>((resolve) => {
      release = resolve;
    });
    emulator.fault({ kind: "hold", until });
    const api = ky.extend(iamKy({ manager, origins })).extend({ retry: 0 });
    const patient = api.get(resource);
    const error = await rejection(api.get(resource, { timeout: 50 }));
    const total = await rejection(api.get(resource, { totalTimeout: 50 }));
    release();
    expect(error).toBeInstanceOf(TimeoutError);
    expect(total).toBeInstanceOf(TimeoutError);
    expect((await patient).status).toBe(200);
    expect(emulator.counters.tokenRequests).toBe(1);
  });
});

describe("bad input", () => {
  test.each([
    ["no options", undefined],
    ["no manager", {}],
    ["a manager that is not one", { manager: { getToken: () => "token" } }],
  ])("%s is an error at once", (_, options) => {
    expect(() => iamKy(options as unknown as Parameters<typeof iamKy>[0])).toThrow(
      expect.objectContaining({
        code: "ERR_IAM_CONFIG",
        message: expect.stringContaining("iamKy needs { manager: "),
      }),
    );
  });

  test("an origin that is none is an error at once", async () => {
    const { manager } = await emulated();
    expect(() => iamKy({ manager, origins: ["api.example.com"] })).toThrow(
      expect.objectContaining({ code: "ERR_IAM_CONFIG" }),
    );
  });
});
