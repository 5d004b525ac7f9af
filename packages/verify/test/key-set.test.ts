import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { BearerError } from "@iam/core";
import type { Fault } from "@iam/emulator";
import { describe, expect, onTestFinished, test } from "vitest";
import { createVerifier, type ExportedKeys, type VerifierOptions } from "../src/index.ts";
import { failureOf, playing, type Scene, signed } from "./scene.ts";

const unavailable = { code: "ERR_IAM_VERIFICATION_UNAVAILABLE", retryable: true };

/** A well-formed token under a name that nobody published, each another one. */
function forged({ privateKey, now }: Scene, number: number): string {
  return signed({ alg: "RS256", kid: `forged-${number}` }, { exp: now + 3600 }, privateKey);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("the keys", () => {
  test("are asked for at the first token, once for any number of tokens at once", async () => {
    const scene = await playing({ cache: false });
    expect(scene.keyRequests).toBe(0);
    const token = await scene.good();
    await Promise.all(Array.from({ length: 200 }, () => scene.verifier.verify(token)));
    await scene.verifier.verify(token);
    expect(scene.keyRequests).toBe(1);
  });

  test("of IAM carry no use, and serve", async () => {
    const { emulator, verifier, good } = await playing();
    const { keys } = (await (await fetch(`${emulator.url}/identity/keys`)).json()) as ExportedKeys;
    expect(Object.keys(keys[0] ?? {}).sort()).toEqual(["alg", "e", "kid", "kty", "n"]);
    await verifier.verify(await good());
  });

  test("are rotated every 30 days, and that costs one request", async () => {
    const scene = await playing();
    await scene.verifier.verify(await scene.good());
    for (let month = 1; month <= 3; month++) {
      scene.clock.advance(30 * 86_400_000);
      scene.emulator.clock.advance(30 * 86_400_000);
      await scene.emulator.rotateKeys();
      const tokens = await Promise.all(
        Array.from({ length: 20 }, (_, i) => scene.good({ jti: `${month}-${i}` })),
      );
      await Promise.all(tokens.map((token) => scene.verifier.verify(token)));
      expect(scene.keyRequests).toBe(1 + month);
    }
  });

  test("that were rotated right after the first request are found all the same", async () => {
    const scene = await playing();
    await scene.verifier.verify(await scene.good());
    await scene.emulator.rotateKeys({ dropOld: true });
    await scene.verifier.verify(await scene.good());
    expect(scene.keyRequests).toBe(2);
  });

  test("that the issuer withdrew serve at most an hour longer, and then cost nobody a wait", async () => {
    const scene = await playing({ cache: false });
    const old = await scene.good();
    await scene.verifier.verify(old);
    await scene.emulator.rotateKeys({ dropOld: true });
    scene.clock.advance(3_599_999);
    await scene.verifier.verify(old);
    expect(scene.keyRequests).toBe(1);
    scene.clock.advance(1);
    let release = () => {};
    scene.emulator.fault(
      { kind: "hold", until: new Promise<void>((resolve) => (release = resolve)) },
      { target: "keys" },
    );
    const waits: Promise<unknown>[] = [];
    const waitUntil = (promise: Promise<unknown>) => void waits.push(promise);
    // The answer is held back, and the old key still serves.
    await scene.verifier.verify(old, { waitUntil });
    await scene.verifier.verify(old, { waitUntil });
    expect(waits).toHaveLength(1);
    release();
    await waits[0];
    expect(scene.keyRequests).toBe(2);
    await expect(scene.verifier.verify(old)).rejects.toMatchObject({ reason: "unknown-key" });
  });
});

test("a waitUntil that throws, as one without its object does, costs no good token, and the keys are refreshed", async () => {
  const scene = await playing({ cache: false });
  const token = await scene.good({ exp: scene.now + 7200 });
  await scene.verifier.verify(token);
  scene.clock.advance(3_600_000);
  const waitUntil = () => {
    throw new TypeError("Illegal invocation");
  };
  await scene.verifier.verify(token, { waitUntil });
  await until(() => scene.keyRequests === 2);
});

describe("a token that names an unknown key", () => {
  test("costs at most one request in 30 s, and 10,000 of them at most two in all", {
    timeout: 30_000,
  }, async () => {
    const scene = await playing();
    const { verifier } = scene;
    const tokens = Array.from({ length: 10_000 }, (_, number) => forged(scene, number));
    const reasons = new Set<unknown>();
    const ask = async (token: string) =>
      reasons.add(((await failureOf(verifier.verify(token))) as BearerError).reason);
    await Promise.all(tokens.slice(0, 5000).map(ask));
    for (const token of tokens.slice(5000)) await ask(token);
    expect(reasons).toEqual(new Set(["unknown-key"]));
    expect(scene.keyRequests).toBeLessThanOrEqual(2);
  });

  test("makes a request again when the cool-down is over, not a millisecond before", async () => {
    const scene = await playing();
    await scene.verifier.verify(await scene.good());
    const ask = (number: number) => failureOf(scene.verifier.verify(forged(scene, number)));
    await ask(1);
    expect(scene.keyRequests).toBe(2);
    scene.clock.advance(29_999);
    await ask(2);
    expect(scene.keyRequests).toBe(2);
    scene.clock.advance(1);
    await ask(3);
    expect(scene.keyRequests).toBe(3);
  });

  test("does not keep good tokens from being verified while its request is under way", async () => {
    const scene = await playing({ cache: false });
    const token = await scene.good();
    await scene.verifier.verify(token);
    let release = () => {};
    scene.emulator.fault(
      { kind: "hold", until: new Promise<void>((resolve) => (release = resolve)) },
      { target: "keys" },
    );
    const refused = failureOf(scene.verifier.verify(forged(scene, 1)));
    await scene.verifier.verify(token);
    release();
    expect(await refused).toMatchObject({ reason: "unknown-key" });
  });
});

describe("requests for keys that overtake one another", () => {
  /** A verifier whose requests for keys are held until they are let go, one by one. */
  async function held() {
    const scene = await playing({ cache: false });
    const waiting: { answer: () => void; fail: () => void }[] = [];
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const response = await globalThis.fetch(input, { ...init, signal: null });
      await new Promise<void>((answer, reject) =>
        waiting.push({ answer, fail: () => reject(new Error("cut")) }),
      );
      return response;
    };
    const keys = await scene.verifier.exportKeys();
    const options = { ...scene.options, fetch, keys: { keys: keys.keys } };
    const next = async () => {
      await until(() => waiting.length > 0);
      return waiting.shift() ?? { answer() {}, fail() {} };
    };
    return { scene, verifier: createVerifier(options), next, waiting };
  }

  test("a key that was published while an older request was under way is found by a request of its own", async () => {
    const { scene, verifier, next } = await held();
    // Old keys: they are asked for beside their use.
    await verifier.verify(await scene.good());
    const older = await next();
    scene.clock.advance(1);
    await scene.emulator.rotateKeys();
    const verifying = verifier.verify(await scene.good());
    older.answer();
    (await next()).answer();
    expect((await verifying).iam_id).toBe("IBMid-270000EMUL");
  });

  test("one that was taken for dead puts neither its older keys nor its failure over newer ones", async () => {
    for (const end of ["answer", "fail"] as const) {
      const { scene, verifier, next, waiting } = await held();
      await verifier.verify(await scene.good());
      const dead = await next();
      await scene.emulator.rotateKeys({ dropOld: true });
      scene.clock.advance(5000);
      scene.emulator.clock.advance(5000);
      const token = await scene.good();
      const verifying = verifier.verify(token);
      (await next()).answer();
      await verifying;
      dead[end]();
      await new Promise((resolve) => setTimeout(resolve, 20));
      await verifier.verify(token);
      expect(waiting).toHaveLength(0);
      // Judged, not in doubt: the failure was of a request that is overtaken.
      scene.clock.advance(29_000);
      await expect(verifier.verify(forged(scene, 1))).rejects.toMatchObject({ reason: "unknown-key" });
    }
  });

  test("an unknown name during the rest after a failure does not make the rest longer", async () => {
    const scene = await playing();
    await scene.verifier.verify(await scene.good());
    await scene.emulator.rotateKeys();
    const token = await scene.good();
    scene.emulator.fault({ kind: "reset" }, { target: "keys" });
    await failureOf(scene.verifier.verify(token));
    scene.clock.advance(29_000);
    expect(await failureOf(scene.verifier.verify(token))).toMatchObject({
      ...unavailable,
      retryAfterMs: 1000,
    });
    scene.clock.advance(1000);
    await scene.verifier.verify(token);
  });
});

describe("an issuer that does not give its keys", () => {
  const faults = [
    { kind: "reset" },
    { kind: "status", status: 500 },
    { kind: "html", status: 200 },
    { kind: "broken-json" },
    { kind: "empty-body" },
    { kind: "huge-body" },
    { kind: "redirect", location: "http://127.0.0.1:1/", status: 307 },
  ] as const;

  test.each(faults)("by $kind makes an error that says so, not one about the token", async (fault) => {
    const scene = await playing();
    const token = await scene.good();
    scene.emulator.fault(fault, { target: "keys", times: "forever" });
    const error = await failureOf(scene.verifier.verify(token));
    expect(error).toMatchObject({ ...unavailable, retryAfterMs: 1000 });
    expect(error).not.toBeInstanceOf(BearerError);
    expect((error as Error).message).toContain(`${scene.emulator.url}/identity/keys`);
    scene.emulator.clearFaults();
    scene.clock.advance(1000);
    await scene.verifier.verify(token);
  });

  test("is asked again after 1, 2, 4, 8, 16, then every 30 s, however many tokens come", async () => {
    const scene = await playing();
    const token = await scene.good();
    scene.emulator.fault({ kind: "status", status: 503 }, { target: "keys", times: "forever" });
    let asked = 0;
    for (const pauseMs of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
      await Promise.all(Array.from({ length: 50 }, () => failureOf(scene.verifier.verify(token))));
      expect(scene.keyRequests).toBe(++asked);
      scene.clock.advance(pauseMs - 1);
      expect(await failureOf(scene.verifier.verify(token))).toMatchObject({
        ...unavailable,
        retryAfterMs: 1,
      });
      expect(scene.keyRequests).toBe(asked);
      scene.clock.advance(1);
    }
    scene.emulator.clearFaults();
    await scene.verifier.verify(await scene.good({ exp: scene.clock.wallNow() / 1000 + 600 }));
  });

  test("does not cost the keys that are known", async () => {
    const scene = await playing({ cache: false });
    await scene.verifier.verify(await scene.good());
    scene.emulator.fault({ kind: "reset" }, { target: "keys", times: "forever" });
    for (let day = 0; day < 30; day++) {
      scene.clock.advance(86_400_000);
      const now = scene.clock.wallNow() / 1000;
      const waits: Promise<unknown>[] = [];
      await scene.verifier.verify(await scene.good({ iat: now, exp: now + 3600 }), {
        waitUntil: (p) => void waits.push(p),
      });
      await Promise.all(waits);
    }
    expect(scene.keyRequests).toBe(31);
  });

  test.each<[string, (url: string) => VerifierOptions]>([
    ["of the keys", (jwksUrl) => ({ jwksUrl })],
    ["of introspection", (url) => ({ introspection: { url } })],
  ])("shows no query of its URL in any error, which may hold a secret: %s", async (_, options) => {
    const { emulator, options: working } = await playing();
    const { value } = await emulator.issueToken();
    const query = "?key=secret-in-the-query#secret-in-the-fragment";
    const asked: string[] = [];
    const fetch: typeof globalThis.fetch = (input, init) => {
      asked.push(`${input}`);
      return globalThis.fetch(input, init);
    };
    for (const url of [`http://127.0.0.1:1/keys${query}`, `${emulator.url}/nowhere${query}`]) {
      const verifier = createVerifier({ ...working, ...options(url), fetch });
      const failure = await failureOf(verifier.verify(value));
      expect(failure).toMatchObject({
        code: "ERR_IAM_VERIFICATION_UNAVAILABLE",
        message: expect.stringContaining(url.slice(0, url.indexOf("?"))),
      });
      expect(inspect(failure, { depth: Number.POSITIVE_INFINITY, showHidden: true })).not.toContain(
        "secret-in",
      );
      expect(asked).toContain(url);
    }
  });

  test("leaves it open whether an unknown name is bad", async () => {
    const scene = await playing();
    await scene.verifier.verify(await scene.good());
    scene.emulator.fault({ kind: "reset" }, { target: "keys" });
    await scene.emulator.rotateKeys();
    const token = await scene.good();
    expect(await failureOf(scene.verifier.verify(token))).toMatchObject({
      ...unavailable,
      retryAfterMs: 30_000,
    });
    scene.clock.advance(30_000);
    await scene.verifier.verify(token);
  });

  test("and a set without a usable key leave the known keys in place", async () => {
    let body = "";
    const server = createServer((_, response) => response.end(body)).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    onTestFinished(() => void server.close());
    const scene = await playing();
    const { keys } = await scene.verifier.exportKeys();
    const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const verifier = createVerifier({ ...scene.options, jwksUrl, cache: false });
    body = JSON.stringify({ keys });
    await verifier.verify(await scene.good());
    const [key] = keys;
    const useless = [
      { keys: [] },
      { keys: {} },
      [],
      null,
      { keys: [null, 1, "x", {}] },
      { keys: [{ ...key, use: "enc" }] },
      { keys: [{ ...key, alg: "RS512" }] },
      { keys: [{ ...key, kty: "oct", k: "AAAA" }] },
      { keys: [{ ...key, n: key?.n?.slice(0, 170) }] },
      { keys: [{ ...key, key_ops: ["encrypt"] }] },
      { keys: [{ ...key, kid: undefined }] },
    ];
    for (const set of useless) {
      body = JSON.stringify(set);
      scene.clock.advance(40_000);
      await failureOf(verifier.verify(forged(scene, 1)));
      await verifier.verify(await scene.good());
    }
    for (const more of [{ use: "sig" }, { key_ops: ["verify"] }, { alg: undefined }]) {
      body = JSON.stringify({
        keys: [
          { kty: "RSA", kid: "decoy" },
          { ...key, ...more },
        ],
      });
      const fresh = createVerifier({ ...scene.options, jwksUrl });
      await fresh.verify(await scene.good());
    }
  });

  test("in time is given up after five seconds, by those who joined too, and asked again", async () => {
    const hanging: (() => void)[] = [];
    const clock = { timers: [] as (() => void)[] };
    const scene = await playing();
    let hang = true;
    const fetch: typeof globalThis.fetch = (input, init) =>
      hang ? new Promise(() => hanging.push(() => {})) : globalThis.fetch(input, init);
    let wall = scene.clock.wallNow();
    let monotonic = 0;
    const verifier = createVerifier({
      ...scene.options,
      fetch,
      clock: {
        wallNow: () => wall,
        monotonicNow: () => monotonic,
        setTimer(run, delayMs) {
          expect(delayMs).toBeLessThanOrEqual(5000);
          clock.timers.push(run);
          return () => {
            const at = clock.timers.indexOf(run);
            if (at >= 0) clock.timers.splice(at, 1);
          };
        },
      },
    });
    const token = await scene.good();
    const both = [verifier.verify(token), verifier.verify(token)].map(failureOf);
    await until(() => clock.timers.length === 2);
    expect(hanging).toHaveLength(1);
    wall += 5000;
    monotonic += 5000;
    for (const run of clock.timers.splice(0)) run();
    for (const error of await Promise.all(both)) expect(error).toMatchObject(unavailable);
    hang = false;
    wall += 1000;
    monotonic += 1000;
    await verifier.verify(token);
    expect(clock.timers).toHaveLength(0);
  });

  test("because the request that asked it has died, as on Workers, is asked by the next", async () => {
    const scene = await playing();
    const token = await scene.good();
    const dead: string[] = [];
    const fetch: typeof globalThis.fetch = (input, init) => {
      if (dead.length > 0) return globalThis.fetch(input, init);
      dead.push(String(input));
      return new Promise(() => {});
    };
    let monotonic = 0;
    // Nor do the timers of a request that has ended fire.
    const clock = { ...scene.clock, monotonicNow: () => monotonic, setTimer: () => () => {} };
    const verifier = createVerifier({ ...scene.options, fetch, clock });
    void verifier.verify(token);
    await until(() => dead.length === 1);
    monotonic = 4999;
    let settled = false;
    void verifier.verify(token).finally(() => (settled = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(settled).toBe(false);
    monotonic = 5000;
    await verifier.verify(token);
  });
});

describe("exported keys", () => {
  test("let another verifier start without a request", async () => {
    const scene = await playing();
    const keys = JSON.parse(JSON.stringify(await scene.verifier.exportKeys())) as ExportedKeys;
    expect(scene.keyRequests).toBe(1);
    expect(keys.fetchedAt).toBe(scene.clock.wallNow());
    const another = createVerifier({ ...scene.options, keys });
    await another.verify(await scene.good());
    expect(await another.exportKeys()).toEqual(keys);
    expect(scene.keyRequests).toBe(1);
  });

  test("are public: nothing but what verifying takes", async () => {
    const scene = await playing();
    const { privateKey, kid } = scene;
    const jwk = { ...privateKey.export({ format: "jwk" }), kid, alg: "RS256", secret: "x" };
    const verifier = createVerifier({ ...scene.options, keys: { keys: [jwk], fetchedAt: 0 } });
    const { keys } = await verifier.exportKeys();
    expect(keys.map((key) => Object.keys(key).sort())).toEqual([["alg", "e", "kid", "kty", "n"]]);
  });

  test("that are older than an hour, or do not say, serve at once and are refreshed beside", async () => {
    const scene = await playing();
    const { keys, fetchedAt = 0 } = await scene.verifier.exportKeys();
    const cases: [number | undefined, number][] = [
      [undefined, 1],
      [fetchedAt - 3_600_000, 1],
      [fetchedAt - 3_599_999, 0],
      [fetchedAt + 9_999_999, 0],
    ];
    for (const [at, requests] of cases) {
      const before = scene.keyRequests;
      const verifier = createVerifier({ ...scene.options, keys: { keys, fetchedAt: at } });
      const waits: Promise<unknown>[] = [];
      await verifier.verify(await scene.good(), { waitUntil: (promise) => void waits.push(promise) });
      await Promise.all(waits);
      expect(scene.keyRequests - before).toBe(requests);
    }
  });

  test("of before a rotation find the new key by one request", async () => {
    const scene = await playing();
    const keys = await scene.verifier.exportKeys();
    await scene.emulator.rotateKeys();
    await createVerifier({ ...scene.options, keys }).verify(await scene.good());
    expect(scene.keyRequests).toBe(2);
  });

  test.for<[Fault, RegExp]>([
    [{ kind: "reset" }, /\((ECONNRESET|UND_ERR_SOCKET)\)/],
    [{ kind: "status", status: 404 }, /\(HTTP 404\)/],
    [{ kind: "html", status: 200 }, /\(no JSON\)/],
    [{ kind: "fields", set: { keys: [] } }, /\(no usable key\)/],
  ])("that cannot be had are said not to be there, and why: %j", async ([fault, why]) => {
    const scene = await playing();
    scene.emulator.fault(fault, { target: "keys" });
    const message = expect.stringMatching(why);
    await expect(scene.verifier.verify(await scene.good())).rejects.toMatchObject({
      ...unavailable,
      message,
    });
  });

  test("cannot be had from an issuer that does not answer", async () => {
    const scene = await playing();
    scene.emulator.fault({ kind: "reset" }, { target: "keys" });
    await expect(scene.verifier.exportKeys()).rejects.toMatchObject(unavailable);
  });
});
