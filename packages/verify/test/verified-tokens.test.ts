import { inspect } from "node:util";
import { afterEach, describe, expect, test, vi } from "vitest";
import { createVerifiedTokens, createVerifier } from "../src/index.ts";
import { failureOf, playing } from "./scene.ts";

afterEach(() => void vi.restoreAllMocks());

/** How often a signature is really checked. */
function countSignatures(): () => number {
  const verify = vi.spyOn(globalThis.crypto.subtle, "verify");
  return () => verify.mock.calls.length;
}

describe("a verified token", () => {
  test("is not verified a second time, and gives the same claims", async () => {
    const { verifier, good } = await playing();
    const token = await good();
    const count = countSignatures();
    const claims = await verifier.verify(token);
    for (let call = 0; call < 10; call++) expect(await verifier.verify(token)).toBe(claims);
    expect(count()).toBe(1);
  });

  test("is verified each time without a cache", async () => {
    const { verifier, good } = await playing({ cache: false });
    const token = await good();
    const count = countSignatures();
    for (let call = 0; call < 3; call++) await verifier.verify(token);
    expect(count()).toBe(3);
  });

  test("is looked at again after five minutes, not a millisecond later, also if the date was set back", async () => {
    const { verifier, good, clock } = await playing();
    const token = await good();
    const count = countSignatures();
    await verifier.verify(token);
    clock.advance(299_999);
    await verifier.verify(token);
    expect(count()).toBe(1);
    clock.advance(1);
    await verifier.verify(token);
    expect(count()).toBe(2);
    clock.advance(299_999);
    clock.stepWall(-3_600_000);
    await verifier.verify(token);
    expect(count()).toBe(2);
    clock.advance(1);
    await verifier.verify(token);
    expect(count()).toBe(3);
  });

  test("is looked at again when the date goes forward without the other clock, as in a suspend", async () => {
    const { verifier, good, clock } = await playing();
    const token = await good();
    await verifier.verify(token);
    clock.stepWall(3_605_000);
    await expect(verifier.verify(token)).rejects.toMatchObject({ reason: "expired" });
  });

  test("is never served beyond exp, not even within the tolerance", async () => {
    const { verifier, good, clock, now } = await playing();
    const token = await good({ exp: now + 60 });
    const count = countSignatures();
    await verifier.verify(token);
    clock.advance(59_999);
    await verifier.verify(token);
    expect(count()).toBe(1);
    clock.advance(1);
    await verifier.verify(token);
    expect(count()).toBe(2);
    clock.advance(5000);
    await expect(verifier.verify(token)).rejects.toMatchObject({ reason: "expired" });
  });

  test("is forgotten when the key set changes", async () => {
    const cache = createVerifiedTokens();
    const { verifier, good, emulator } = await playing({ cache });
    const token = await good();
    await verifier.verify(token);
    expect(cache.size).toBe(1);
    await emulator.rotateKeys({ dropOld: true });
    await verifier.verify(await good());
    expect(cache.size).toBe(1);
    await expect(verifier.verify(token)).rejects.toMatchObject({ reason: "unknown-key" });
  });

  test("stays when the key set was asked for and is the same", async () => {
    const cache = createVerifiedTokens();
    const { verifier, good, clock } = await playing({ cache });
    const token = await good();
    await verifier.verify(token);
    clock.advance(3_600_000 - 1);
    const waits: Promise<unknown>[] = [];
    clock.stepWall(-3_600_000);
    await verifier.verify(token);
    clock.advance(1);
    await verifier.verify(await good({ jti: "another" }), {
      waitUntil: (promise) => void waits.push(promise),
    });
    await Promise.all(waits);
    expect(waits).toHaveLength(1);
    expect(cache.size).toBe(2);
  });

  test("was found good with a key that has to be one of this verifier's too", async () => {
    const cache = createVerifiedTokens();
    const first = await playing({ cache });
    const token = await first.good();
    await first.verifier.verify(token);
    const { keys } = await first.verifier.exportKeys();
    const jwk = { ...keys[0], n: `${keys[0]?.n?.slice(0, -4)}AAAA` };
    // The same options, the same memory, the same kid: another key.
    const second = createVerifier({
      ...first.options,
      keys: { keys: [jwk], fetchedAt: first.clock.wallNow() },
    });
    await expect(second.verify(token)).rejects.toMatchObject({ reason: "signature" });
  });

  test("of one verifier is shared with another only if both decide alike", async () => {
    const cache = createVerifiedTokens();
    const { options, verifier, good } = await playing({ cache });
    const token = await good();
    await verifier.verify(token);
    const count = countSignatures();
    const alike = createVerifier({ ...options, keys: await verifier.exportKeys() });
    await alike.verify(token);
    expect(count()).toBe(0);
    const keys = await verifier.exportKeys();
    const strict = [
      { accounts: ["f".repeat(32)] },
      { subjectTypes: ["ServiceId"] as const },
      { audience: "me" },
      { issuer: "https://iam.test.cloud.ibm.com/identity" },
      { maxLifetimeS: 60 },
    ];
    for (const more of strict) await failureOf(createVerifier({ ...options, keys, ...more }).verify(token));
    await createVerifier({ ...options, keys, clockToleranceS: 1 }).verify(token);
    expect(count()).toBe(strict.length + 1);
  });
});

describe("a refused token", () => {
  test("is not remembered, as a refusal or otherwise", async () => {
    const cache = createVerifiedTokens();
    const { verifier, good, now, clock } = await playing({ cache });
    const token = await good({ nbf: now + 60 });
    await failureOf(verifier.verify(token));
    expect(cache.size).toBe(0);
    clock.advance(60_000);
    await verifier.verify(token);
    expect(cache.size).toBe(1);
  });

  test("with the claims of a good one and another signature is refused", async () => {
    const { verifier, good } = await playing();
    const token = await good();
    await verifier.verify(token);
    const last = token.slice(-342, -341) === "A" ? "B" : "A";
    const other = token.slice(0, -342) + last + token.slice(-341);
    await expect(verifier.verify(other)).rejects.toMatchObject({ reason: "signature" });
  });
});

describe("the memory", () => {
  test("holds a thousand tokens unless told, and lets go of the one that was used longest ago", () => {
    for (const [cache, max] of [
      [createVerifiedTokens(), 1000],
      [createVerifiedTokens({ maxTokens: 3 }), 3],
    ] as const) {
      const entry = { kid: "1" } as never;
      for (let i = 0; i < max; i++) cache.set(String(i), entry);
      expect(cache.get("0")).toBe(entry);
      cache.set("one more", entry);
      expect(cache.size).toBe(max);
      expect(cache.get("0")).toBe(entry);
      expect(cache.get("1")).toBeUndefined();
      cache.set("0", entry);
      expect(cache.size).toBe(max);
    }
  });

  test("stays bounded whatever comes", async () => {
    const cache = createVerifiedTokens({ maxTokens: 5 });
    const { verifier, good } = await playing({ cache });
    for (let i = 0; i < 12; i++) await verifier.verify(await good({ jti: `t-${i}` }));
    expect(cache.size).toBe(5);
  });

  test.each([0, -1, 1.5, Number.NaN, "9" as never])("of %s tokens is none", (maxTokens) => {
    expect(() => createVerifiedTokens({ maxTokens })).toThrow(/maxTokens must be a whole number/);
  });

  test("holds no token, and its keys are SHA-256", async () => {
    const { verifier, good, options } = await playing();
    const kept = new Map<string, unknown>();
    const cache = {
      ...createVerifiedTokens(),
      set: (key: string, token: unknown) => void kept.set(key, token),
    };
    const token = await good();
    await createVerifier({ ...options, keys: await verifier.exportKeys(), cache }).verify(token);
    const [[key, entry]] = [...kept] as [[string, unknown]];
    expect(key).toMatch(/^[\w+/]{43}=$/);
    const signature = token.split(".")[2] ?? "";
    expect(inspect([key, entry], { depth: null, showHidden: true })).not.toContain(signature.slice(0, 20));
  });

  test("has the same keys whether the hash comes from Node or from WebCrypto", async () => {
    const { options, verifier, good } = await playing();
    const keys = await verifier.exportKeys();
    const token = await good();
    const hashed = async () => {
      let key = "";
      const set = (name: string) => {
        key = name;
      };
      const cache = { ...createVerifiedTokens(), set };
      await createVerifier({ ...options, keys, cache }).verify(token);
      return key;
    };
    const byNode = await hashed();
    const digest = vi.spyOn(globalThis.crypto.subtle, "digest");
    expect(await hashed()).toBe(byNode);
    expect(digest).not.toHaveBeenCalled();
    for (const getBuiltinModule of [
      undefined,
      () => undefined,
      () => ({ hash: () => "nonsense" }),
      () => {
        throw new Error();
      },
    ]) {
      const stub = vi
        .spyOn(process, "getBuiltinModule")
        .mockImplementation((getBuiltinModule ?? (() => ({}))) as never);
      expect(await hashed()).toBe(byNode);
      stub.mockRestore();
    }
    expect(digest).toHaveBeenCalledTimes(4);
  });
});
