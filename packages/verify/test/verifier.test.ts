import { inspect } from "node:util";
import { BearerError, isIamError } from "@iam/core";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createVerifiedTokens, createVerifier, type VerifierOptions } from "../src/index.ts";
import { accountId, failureOf, playing, signed } from "./scene.ts";

describe("a good token", () => {
  test("of a user gives its claims, as they are in the token", async () => {
    const { verifier, good, now } = await playing();
    const token = await good();
    const claims = await verifier.verify(token);
    expect(claims).toEqual(JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()));
    expect(claims).toMatchObject({
      iss: "https://iam.cloud.ibm.com/identity",
      sub: "ada@example.com",
      account: { valid: true, bss: accountId, frozen: true },
      iat: now,
      exp: now + 3600,
    });
  });

  test.each([
    ["a user", "user", {}],
    ["a service ID", "ServiceId", { sub_type: "ServiceId", iam_id: "iam-ServiceId-1" }],
    ["a trusted profile", "Profile", { sub_type: "Profile", iam_id: "iam-Profile-1" }],
    ["a CRN", "CRN", { sub_type: "CRN", iam_id: "crn-crn:v1:x" }],
  ] as const)("of %s passes when subjectTypes has it, and only then", async (_, type, claims) => {
    const { options, good } = await playing();
    const token = await good(claims);
    const verify = (subjectTypes: VerifierOptions["subjectTypes"]) =>
      createVerifier({ ...options, subjectTypes }).verify(token);
    await expect(verify([type])).resolves.toMatchObject(claims);
    await expect(verify(undefined)).resolves.toMatchObject(claims);
    const others = (["user", "ServiceId", "Profile", "CRN"] as const).filter((other) => other !== type);
    await expect(verify(others)).rejects.toMatchObject({ reason: "subject-type" });
  });

  test("passes whether its account is frozen or not", async () => {
    const { verifier, good } = await playing();
    for (const frozen of [true, false, undefined]) {
      const token = await good({ account: { valid: true, bss: accountId, frozen } });
      expect((await verifier.verify(token)).account.frozen).toBe(frozen);
    }
  });

  test("of an account that is listed passes, of another not, and without a list any", async () => {
    const { options, good } = await playing();
    const other = "f".repeat(32);
    const token = await good({ account: { valid: true, bss: other } });
    const verify = (accounts: string[] | undefined) => createVerifier({ ...options, accounts }).verify(token);
    expect((await verify([accountId, other])).account.bss).toBe(other);
    expect((await verify(undefined)).account.bss).toBe(other);
    await expect(verify([accountId])).rejects.toMatchObject({ reason: "account" });
  });

  test("for an audience passes where it is one's own, and a token for nobody does not pass there", async () => {
    const { options, good } = await playing();
    const audience = ["me", "also me"];
    const { verify } = createVerifier({ ...options, audience });
    expect((await verify(await good({ aud: "me" }))).aud).toBe("me");
    expect((await verify(await good({ aud: ["you", "also me"] }))).aud).toEqual(["you", "also me"]);
    await expect(verify(await good())).rejects.toMatchObject({ reason: "audience" });
    await expect(verify(await good({ aud: "you" }))).rejects.toMatchObject({ reason: "audience" });
    const one = createVerifier({ ...options, audience: "me" });
    expect((await one.verify(await good({ aud: "me" }))).aud).toBe("me");
  });

  test("cannot be changed by those who are given its claims", async () => {
    const { verifier, good } = await playing();
    const token = await good();
    const claims = await verifier.verify(token);
    for (const part of [claims, claims.account, claims.authn, claims.amr])
      expect(Object.isFrozen(part)).toBe(true);
    expect(() => Object.assign(claims.account, { bss: "f".repeat(32) })).toThrow(TypeError);
  });

  test("may have claims with quotes, colons, braces and letters of any alphabet", async () => {
    const { verifier, good } = await playing();
    for (const name of ['a "quoted": name', 'back\\slash":', "{[:,]}", "Аda Бyron", "a : b", '":":":'])
      expect((await verifier.verify(await good({ name }))).name).toBe(name);
  });
});

describe("time", () => {
  test("a token is good until just before exp and the tolerance, five seconds unless told", async () => {
    const { options, good, clock } = await playing({ cache: false });
    const token = await good();
    const verifiers = [0, 5, 60].map((clockToleranceS) => createVerifier({ ...options, clockToleranceS }));
    const usual = createVerifier(options);
    const verdicts = async () => {
      const all = [...verifiers, usual].map(({ verify }) =>
        verify(token).then(
          () => "good",
          (error) => error.reason,
        ),
      );
      return Promise.all(all);
    };
    clock.advance(3_599_999);
    expect(await verdicts()).toEqual(["good", "good", "good", "good"]);
    clock.advance(1);
    expect(await verdicts()).toEqual(["expired", "good", "good", "good"]);
    clock.advance(4999);
    expect(await verdicts()).toEqual(["expired", "good", "good", "good"]);
    clock.advance(1);
    expect(await verdicts()).toEqual(["expired", "expired", "good", "expired"]);
    clock.advance(55_000);
    expect(await verdicts()).toEqual(["expired", "expired", "expired", "expired"]);
  });

  test("a token is good from nbf less the tolerance on", async () => {
    const { verifier, good, now, clock } = await playing();
    const token = await good({ nbf: now + 60 });
    clock.advance(54_999);
    await expect(verifier.verify(token)).rejects.toMatchObject({ reason: "not-yet-valid" });
    clock.advance(1);
    expect((await verifier.verify(token)).nbf).toBe(now + 60);
  });

  test("a life of exactly maxLifetimeS is believed, a second more is not", async () => {
    const { options, good, now } = await playing();
    const { verify } = createVerifier({ ...options, maxLifetimeS: 7200 });
    expect((await verify(await good({ exp: now + 7200 }))).exp).toBe(now + 7200);
    await expect(verify(await good({ exp: now + 7201 }))).rejects.toMatchObject({ reason: "lifetime" });
  });

  test("the challenge says that a token expired, and of other faults nothing", async () => {
    const { verifier, good, now } = await playing();
    const expired = await failureOf(verifier.verify(await good({ iat: now - 7200, exp: now - 3600 })));
    expect(expired).toMatchObject({
      wwwAuthenticate: 'Bearer error="invalid_token", error_description="The access token expired"',
    });
    const foreign = await failureOf(verifier.verify(await good({ iss: "x" })));
    expect(foreign).toMatchObject({ wwwAuthenticate: 'Bearer error="invalid_token"' });
  });
});

describe("the issuer", () => {
  test("is the same whatever host is asked for keys, as with private and regional endpoints", async () => {
    const { emulator, good, clock } = await playing();
    const { url } = await emulator.listen();
    const { verify } = createVerifier({ jwksUrl: new URL(`${url}/identity/keys`), clock });
    expect((await verify(await good())).iss).toBe("https://iam.cloud.ibm.com/identity");
  });

  test("can be another, exactly, and its keys are then asked for below it", async () => {
    const { emulator, good, clock, options } = await playing();
    const issuer = `${emulator.url}/identity`;
    const { verify } = createVerifier({ issuer, clock });
    expect((await verify(await good({ iss: issuer }))).iss).toBe(issuer);
    await expect(verify(await good())).rejects.toMatchObject({ reason: "issuer" });
    const staging = createVerifier({ ...options, issuer: "https://iam.test.cloud.ibm.com/identity" });
    const token = await good({ iss: "https://iam.test.cloud.ibm.com/identity" });
    expect((await staging.verify(token)).iss).toBe("https://iam.test.cloud.ibm.com/identity");
  });

  test("is IAM's own unless told, with its keys and its introspection", async () => {
    const asked: string[] = [];
    const { emulator, good, clock } = await playing();
    const fetch: typeof globalThis.fetch = (input, init) => {
      asked.push(String(input));
      return globalThis.fetch(String(input).replace("https://iam.cloud.ibm.com", emulator.url), init);
    };
    const { verify } = createVerifier({ fetch, clock, introspection: true });
    expect((await verify(await good())).iss).toBe("https://iam.cloud.ibm.com/identity");
    expect(asked).toEqual([
      "https://iam.cloud.ibm.com/identity/keys",
      "https://iam.cloud.ibm.com/identity/introspect",
    ]);
  });
});

describe("algorithms", () => {
  test("are RS256 alone unless said otherwise", async () => {
    const { options, emulator, clock } = await playing();
    const { SignJWT, generateKeyPair, exportJWK } = await import("jose");
    const claims = JSON.parse(
      Buffer.from((await emulator.issueToken()).value.split(".")[1] ?? "", "base64url").toString(),
    );
    for (const alg of ["RS512", "PS256", "ES256"] as const) {
      const pair = await generateKeyPair(alg);
      const key = { ...(await exportJWK(pair.publicKey)), alg, kid: alg };
      const token = await new SignJWT(claims).setProtectedHeader({ alg, kid: alg }).sign(pair.privateKey);
      const keys = { keys: [key], fetchedAt: clock.wallNow() };
      const verifier = createVerifier({ ...options, keys, algorithms: ["RS256", alg] });
      expect(await verifier.verify(token)).toEqual(claims);
      expect(() => createVerifier({ ...options, keys })).toThrow(/no usable key/);
      await expect(createVerifier(options).verify(token)).rejects.toMatchObject({ reason: "algorithm" });
    }
  });
});

describe("introspection", () => {
  test("refuses a token that was revoked, also one that is remembered, and is not made unless asked for", async () => {
    const { emulator, options, good } = await playing();
    const url = `${emulator.url}/identity/introspect`;
    const online = createVerifier({ ...options, introspection: { url } });
    const offline = createVerifier(options);
    const token = await good();
    expect(await online.verify(token)).toBe(await online.verify(token));
    await offline.verify(token);
    expect(emulator.log.filter(({ target }) => target === "introspect")).toHaveLength(2);
    emulator.revoke(token);
    const error = await failureOf(online.verify(token));
    expect(error).toMatchObject({ code: "ERR_IAM_BEARER", status: 401, reason: "inactive" });
    await offline.verify(token);
    expect(emulator.log.filter(({ target }) => target === "introspect")).toHaveLength(3);
  });

  test("is not asked about a token that is refused without it", async () => {
    const { emulator, options, good } = await playing();
    const { verify } = createVerifier({
      ...options,
      introspection: { url: `${emulator.url}/identity/introspect` },
    });
    await expect(verify(await good({ iss: "x" }))).rejects.toMatchObject({
      reason: "issuer",
      message: "The token is of another issuer than https://iam.cloud.ibm.com/identity (iss).",
    });
    expect(emulator.log.filter(({ target }) => target === "introspect")).toHaveLength(0);
  });

  test("that gives no answer says nothing about the token, and is left alone for a second", async () => {
    const { emulator, options, good, clock } = await playing();
    const { verify } = createVerifier({
      ...options,
      introspection: { url: `${emulator.url}/identity/introspect` },
    });
    const token = await good();
    const faults = [
      [{ kind: "reset" }, /\((ECONNRESET|UND_ERR_SOCKET)\)/],
      [{ kind: "status", status: 503 }, /\(HTTP 503\)/],
      [{ kind: "html", status: 200 }, /\(no JSON\)/],
      [{ kind: "broken-json" }, /\(no JSON\)/],
    ] as const;
    for (const [fault, why] of faults) {
      emulator.fault(fault, { target: "introspect" });
      for (let call = 0; call < 3; call++) {
        const error = await failureOf(verify(token));
        expect(error).toMatchObject({
          code: "ERR_IAM_VERIFICATION_UNAVAILABLE",
          retryable: true,
          retryAfterMs: 1000,
          message: expect.stringMatching(why),
        });
        expect(error).not.toBeInstanceOf(BearerError);
        expect(inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true })).not.toContain(
          token.slice(-40),
        );
      }
      clock.advance(0.5);
      expect(await failureOf(verify(token))).toMatchObject({ retryAfterMs: 1000 });
      clock.advance(999.5);
      await verify(token);
    }
    // One that failed and one that succeeded for each fault.
    expect(emulator.log.filter(({ target }) => target === "introspect")).toHaveLength(2 * faults.length);
  });

  test("names its client when there is one", async () => {
    const headers: (string | null)[] = [];
    const fetch: typeof globalThis.fetch = (input, init) => {
      headers.push(new Headers(init?.headers).get("authorization"));
      return globalThis.fetch(input, init);
    };
    const { emulator, options, good } = await playing();
    const url = `${emulator.url}/identity/introspect`;
    const client = { clientId: "bx", clientSecret: "bx" };
    await createVerifier({ ...options, fetch, introspection: { url, ...client } }).verify(await good());
    expect(headers).toEqual([null, "Basic Yng6Yng="]);
  });
});

describe("options that cannot work are refused with ERR_IAM_CONFIG", () => {
  test.each<[string, unknown, RegExp]>([
    ["options that are null", null, /takes an object of options/],
    ["options that are a text", "https://iam.cloud.ibm.com/identity", /takes an object of options/],
    ["a clock that is none", { clock: 7 }, /clock must have the members of Clock: there is no wallNow/],
    [
      "half a clock",
      { clock: { wallNow: Date.now, monotonicNow: Date.now } },
      /clock must have the members of Clock: there is no setTimer/,
    ],
    ["allowInsecure that is a text", { allowInsecure: "false" }, /allowInsecure must be true or false/],
    ["accounts misspelled", { account: ["a"] }, /createVerifier has no option account; it has .*accounts,/],
    ["an empty issuer", { issuer: "" }, /issuer/],
    ["a jwksUrl that is no URL", { jwksUrl: "keys" }, /jwksUrl must be an absolute URL/],
    ["a jwksUrl in the clear", { jwksUrl: "http://iam.example/keys" }, /jwksUrl must be https/],
    ["a jwksUrl in the clear to a name for loopback", { jwksUrl: "http://lvh.me/keys" }, /must be https/],
    ["a jwksUrl with credentials", { jwksUrl: "https://a:b@iam.example/keys" }, /without credentials/],
    ["a jwksUrl of another scheme", { jwksUrl: "file:///keys" }, /jwksUrl must be https/],
    ["an issuer that is no URL, without jwksUrl", { issuer: "KNOXSSO" }, /jwksUrl/],
    [
      "introspection in the clear",
      { introspection: { url: "http://iam.example/i" } },
      /introspection.url must be https/,
    ],
    ["half a client", { introspection: { clientId: "bx" } }, /belong together/],
    ["an empty list of accounts", { accounts: [] }, /accounts must be a list/],
    ["accounts that are no list", { accounts: accountId }, /accounts must be a list/],
    ["an account that is missing", { accounts: [undefined] }, /accounts must be a list/],
    ["an empty audience", { audience: "" }, /audience must be a list/],
    [
      "a kind of subject that does not exist",
      { subjectTypes: ["User"] },
      /subjectTypes can only hold user, /,
    ],
    ["the algorithm none", { algorithms: ["none"] }, /algorithms can only hold RS256/],
    ["a shared key", { algorithms: ["RS256", "HS256"] }, /algorithms can only hold RS256/],
    ["no algorithm", { algorithms: [] }, /algorithms/],
    ["a tolerance in milliseconds", { clockToleranceS: 5000 }, /clockToleranceS .* from 0 to 300/],
    ["a negative tolerance", { clockToleranceS: -1 }, /clockToleranceS/],
    ["a tolerance that is NaN", { clockToleranceS: Number.NaN }, /clockToleranceS/],
    ["a life that is a text", { maxLifetimeS: "1" }, /maxLifetimeS/],
    ["introspection that is null", { introspection: null }, /introspection must be/],
    ["introspection that is a text", { introspection: "yes" }, /introspection must be/],
    ["a cache that is true", { cache: true }, /cache must be what createVerifiedTokens/],
    ["a cache without a method", { cache: { ...createVerifiedTokens(), clear: undefined } }, /cache must be/],
    ["a fetch that is a text", { fetch: "https://iam.cloud.ibm.com" }, /fetch must be a function/],
    ["keys without a key", { keys: { keys: [] } }, /keys must be what exportKeys/],
  ])("%s", (_, options, message) => {
    let error: unknown;
    try {
      createVerifier(options as VerifierOptions);
    } catch (thrown) {
      error = thrown;
    }
    expect(isIamError(error) && error.code).toBe("ERR_IAM_CONFIG");
    expect((error as Error).message).toMatch(message);
  });

  test("a page that has no Web Crypto, where every token would look bad", () => {
    vi.stubGlobal("crypto", { getRandomValues: () => {} });
    onTestFinished(() => void vi.unstubAllGlobals());
    expect(() => createVerifier()).toThrow(
      expect.objectContaining({ code: "ERR_IAM_CONFIG", message: expect.stringMatching(/needs Web Crypto/) }),
    );
  });

  test("but keys may come in the clear when that is said", () => {
    const jwksUrl = "http://iam.internal/keys";
    expect(() => createVerifier({ jwksUrl, allowInsecure: true })).not.toThrow();
    expect(() => createVerifier({ jwksUrl: "ftp://iam.internal/keys", allowInsecure: true })).toThrow(
      /https/,
    );
  });
});

test("a signature over text that is not base64url is never looked at", async () => {
  const { verifier, kid } = await playing();
  const token = signed({ alg: "RS256", kid }, {});
  await expect(verifier.verify(`${token}=`)).rejects.toMatchObject({ reason: "encoding" });
});
