import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { findSecret } from "@iam/conformance";
import { apiKeyGrant, isIamError, memoryStore, sharedStore, type TokenManagerOptions } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import { allowInsecureRequests, Configuration, type CustomFetch, customFetch, None } from "openid-client";
import { describe, expect, onTestFinished, test } from "vitest";
import { type ConfigurationSource, discoverIam, openidGrant, openidTransport } from "../src/index.ts";
import { managerOf } from "./servers.ts";

async function emulated(options: Parameters<typeof startEmulator>[0] = {}) {
  const emulator = await startEmulator(options);
  onTestFinished(() => emulator.close());
  const tokenEndpoint = `${emulator.url}/identity/token`;
  const server = { issuer: "https://iam.cloud.ibm.com/identity", token_endpoint: tokenEndpoint };
  const configuration = (change: (made: Configuration) => void = () => {}) => {
    const made = new Configuration(server, "some-client", undefined, () => {});
    allowInsecureRequests(made);
    change(made);
    return made;
  };
  return { emulator, tokenEndpoint, server, configuration, grant: apiKeyGrant(emulator.apiKey) };
}

/** A server that gives each request a token of its own. */
async function tokenServer() {
  let asked = 0;
  const server = createServer((request, response) => {
    request.resume();
    const body = { access_token: crypto.randomUUID(), token_type: "Bearer", expires_in: 3600 };
    response.setHeader("content-type", "application/json").end(JSON.stringify(body));
    asked++;
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked };
}

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => {
      throw new Error("It should have failed.");
    },
    (error: unknown) => error,
  );

describe("each exchange has a Configuration of its own", () => {
  test("which is asked for at each, and not touched after", async () => {
    const { grant, tokenEndpoint, configuration } = await emulated();
    const made: Configuration[] = [];
    const transport = openidTransport(() => {
      const one = configuration();
      made.push(one);
      return one;
    });
    const manager = managerOf(grant, { transport, tokenEndpoint });
    const first = await manager.getToken();
    await manager.getToken();
    expect(made).toHaveLength(1);
    await manager.getToken({ rejected: first });
    expect(made).toHaveLength(2);
  });

  test("which may come by a promise", async () => {
    const { grant, configuration } = await emulated();
    const transport = openidTransport(async () => configuration());
    expect((await managerOf(grant, { transport }).getToken()).tokenType).toBe("Bearer");
  });

  test("and the same one twice is refused, because answers could be mixed up", async () => {
    const { grant, configuration, emulator } = await emulated();
    const same = configuration();
    const manager = managerOf(grant, { transport: openidTransport(() => same) });
    const token = await manager.getToken();
    const error = await failureOf(manager.getToken({ rejected: token }));
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG", message: expect.stringMatching(/came twice/) });
    expect(emulator.counters.tokenRequests).toBe(1);
  });

  test.each<[string, ConfigurationSource]>([
    [
      "throws",
      () => {
        throw new Error("canary-secret");
      },
    ],
    ["rejects", () => Promise.reject(new Error("canary-secret"))],
    ["gives nothing", () => undefined as never],
    ["gives something else", () => ({}) as never],
  ])("and a function that %s is an error without what it said", async (_, source) => {
    const { grant } = await emulated();
    const error = await failureOf(managerOf(grant, { transport: openidTransport(source) }).getToken());
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
    expect(findSecret(error, ["canary-secret"])).toBeUndefined();
  });

  test("so a Configuration instead of a function is refused at once", () => {
    const made = new Configuration({ issuer: "https://a.example" }, "x");
    for (const make of [
      () => openidTransport(made as never),
      () => openidGrant(made as never, "client_credentials"),
    ])
      expect(make).toThrow(/takes a function that makes a Configuration/);
  });
});

describe("the network below", () => {
  test("is the customFetch of the Configuration, with our rules on each call", async () => {
    const { grant, configuration, emulator } = await emulated();
    const calls: Parameters<CustomFetch>[] = [];
    const transport = openidTransport(() =>
      configuration((made) => {
        made[customFetch] = (...call) => {
          calls.push(call);
          return fetch(...(call as Parameters<typeof fetch>));
        };
      }),
    );
    await managerOf(grant, { transport }).getToken();
    const [[url, { redirect, signal, headers, body }]] = calls as [Parameters<CustomFetch>];
    expect(url).toBe(`${emulator.url}/identity/token`);
    expect(redirect).toBe("manual");
    expect(signal).toBeInstanceOf(AbortSignal);
    expect(headers.accept).toBe("application/json");
    expect(headers["content-type"]).toMatch(/^application\/x-www-form-urlencoded/);
    // IAM is sent no more than what it was sent by core, if no client is named.
    expect([...new URLSearchParams(String(body)).keys()].sort()).toEqual(["apikey", "grant_type"]);
  });

  test("is under the deadline of the manager, not under that of openid-client", async () => {
    const { grant, configuration, emulator } = await emulated();
    emulator.fault({ kind: "hang" }, { times: "forever" });
    const source = () =>
      configuration((made) => {
        made.timeout = 0.001;
      });
    const options: Partial<TokenManagerOptions> = { attemptDeadlineMs: 300, deadlineMs: 300 };
    const startedAt = performance.now();
    const error = await failureOf(
      managerOf(grant, { ...options, transport: openidTransport(source) }).getToken(),
    );
    expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", retryable: true });
    expect(performance.now() - startedAt).toBeGreaterThan(290);
    expect(emulator.counters.tokenRequests).toBe(1);
  });

  test("is retried by the manager, with Retry-After and all", async () => {
    const { grant, configuration, emulator } = await emulated();
    emulator.fault({ kind: "status", status: 503 });
    const transport = openidTransport(() => configuration());
    await managerOf(grant, { transport, random: () => 0 }).getToken();
    expect(emulator.counters.tokenRequests).toBe(2);
    emulator.fault({ kind: "throttle", retryAfter: 60 });
    const error = await failureOf(managerOf(grant, { transport }).getToken());
    expect(error).toMatchObject({ status: 429, retryAfterMs: 60_000 });
    emulator.fault({ kind: "throttle", retryAfter: { dateInS: 90 } });
    expect(await failureOf(managerOf(grant, { transport }).getToken())).toMatchObject({
      status: 429,
      retryAfterMs: 90_000,
    });
  });

  test("is not http beyond loopback, even if openid-client is told to allow it", async () => {
    const { grant, server } = await emulated();
    const asked: string[] = [];
    const source = () => {
      const made = new Configuration(
        { ...server, token_endpoint: "http://iam.example/token" },
        "x",
        undefined,
        None(),
      );
      allowInsecureRequests(made);
      made[customFetch] = async (url) => {
        asked.push(url);
        return Response.json({ access_token: "abc", token_type: "Bearer", expires_in: 60 });
      };
      return made;
    };
    const error = await failureOf(managerOf(grant, { transport: openidTransport(source) }).getToken());
    expect(error).toMatchObject({
      code: "ERR_IAM_CONFIG",
      message: expect.stringMatching(/http:\/\/iam\.example/),
    });
    expect(asked).toEqual([]);
    await managerOf(grant, { transport: openidTransport(source, { allowInsecure: true }) }).getToken();
    expect(asked).toEqual(["http://iam.example/token"]);
  });

  test("is not asked when openid-client cannot make the request", async () => {
    const { grant, server, emulator } = await emulated();
    const sources: ConfigurationSource[] = [
      // http without its consent.
      () => new Configuration(server, "x"),
      () => new Configuration({ issuer: server.issuer }, "x"),
      () => {
        const made = new Configuration(server, "x", undefined, () => {
          throw new Error("canary-secret");
        });
        allowInsecureRequests(made);
        return made;
      },
    ];
    for (const source of sources) {
      const error = await failureOf(managerOf(grant, { transport: openidTransport(source) }).getToken());
      expect(error).toMatchObject({
        code: "ERR_IAM_CONFIG",
        message: expect.stringMatching(/made no token request/),
      });
      expect((error as Error).cause).toBeInstanceOf(Error);
      expect(findSecret(error, ["canary-secret"])).toBeUndefined();
    }
    expect(emulator.counters.requests).toBe(0);
  });
});

describe("a request that is none of OAuth 2", () => {
  test.each<[string, object]>([
    ["another method", { method: "PUT" }],
    ["JSON", { headers: { "content-type": "application/json" } }],
    ["no grant_type", { body: "apikey=x" }],
    ["no body", { body: undefined }],
  ])("is refused: %s", async (_, change) => {
    const { configuration, tokenEndpoint, emulator } = await emulated();
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const request = { method: "POST", url: tokenEndpoint, headers, body: "grant_type=x", ...change };
    const { signal } = new AbortController();
    const error = await failureOf(openidTransport(() => configuration())(request, { signal }));
    expect(isIamError(error) && error.code).toBe("ERR_IAM_CONFIG");
    expect(emulator.counters.requests).toBe(0);
  });
});

describe("openidGrant", () => {
  test("with another transport fails before anything is sent, and says what to do", async () => {
    const { configuration, emulator, tokenEndpoint } = await emulated();
    const grant = openidGrant(configuration, "client_credentials");
    const manager = managerOf(grant, { tokenEndpoint, transport: undefined as never });
    const error = await failureOf(manager.getToken());
    expect(error).toMatchObject({
      code: "ERR_IAM_CONFIG",
      message: expect.stringMatching(/transport: openidTransport/),
    });
    expect(emulator.counters.requests).toBe(0);
  });

  test("never takes two grants that speak for somebody for the same", () => {
    const server = { issuer: "https://a.example", token_endpoint: "https://a.example/token" };
    const source = () => new Configuration(server, "x");
    const party = { token_endpoint: "https://a.example/token", client_id: "x" };
    const identity = (...[grantType, parameters, options]: [string, object?, object?]) =>
      openidGrant(source, grantType, parameters as never, options).identity();
    expect(identity("client_credentials")).toEqual(party);
    expect(identity("client_credentials", { scope: "a", audience: "b" })).toEqual({
      ...party,
      scope: "a",
      audience: "b",
    });
    const speaking: [string, object?][] = [
      ["client_credentials", { scope: "a", password: "canary" }],
      ["client_credentials", () => ({})],
      ["password", { username: "ada", password: "canary" }],
      ["urn:ietf:params:oauth:grant-type:token-exchange", { subject_token: "canary" }],
    ];
    for (const [grantType, parameters] of speaking) {
      const [one, other] = [identity(grantType, parameters), identity(grantType, parameters)];
      expect(one).not.toEqual(other);
      expect(JSON.stringify(one)).not.toContain("canary");
      expect(identity(grantType, parameters, { identity: { subject: "ada" } })).toEqual({
        ...party,
        subject: "ada",
      });
    }
  });

  test("shares a token with the same client of the same server, and with no other", async () => {
    const [here, there] = await Promise.all([tokenServer(), tokenServer()]);
    const store = sharedStore(memoryStore(), { pepper: crypto.getRandomValues(new Uint8Array(32)) });
    const tokenOf = async (issuer: string, clientId: string) => {
      const source = () => {
        const made = new Configuration({ issuer, token_endpoint: `${issuer}/token` }, clientId, "secret");
        allowInsecureRequests(made);
        return made;
      };
      const grant = openidGrant(source, "client_credentials", { scope: "read" });
      // The manager is not told which server it is: that is the Configuration's business.
      const manager = managerOf(grant, { transport: openidTransport(source), store });
      return (await manager.getToken()).accessToken;
    };
    const first = await tokenOf(here.url, "a");
    expect(await tokenOf(here.url, "a")).toBe(first);
    expect(await tokenOf(here.url, "b")).not.toBe(first);
    expect(await tokenOf(there.url, "a")).not.toBe(first);
    expect([here.asked(), there.asked()]).toEqual([2, 1]);
  });

  test("cannot wait for a Configuration that comes by a promise: then it shares only what is named", async () => {
    const fails = () => Promise.reject(new Error("canary-secret"));
    const throws = () => {
      throw new Error("canary-secret");
    };
    const identity = (source: ConfigurationSource, options?: object) =>
      openidGrant(source, "client_credentials", { scope: "a" }, options).identity();
    for (const source of [fails, throws]) {
      expect(identity(source)).not.toEqual(identity(source));
      const grant = openidGrant(source, "client_credentials");
      expect(grant.identity()).toEqual(grant.identity());
    }
    const named = { identity: { server: "a.example", client_id: "x" } };
    expect(identity(fails, named)).toEqual(named.identity);
    expect(identity(throws, named)).not.toEqual(identity(throws, named));
  });

  test("knows which credentials may be sent once only", () => {
    const source = () => new Configuration({ issuer: "https://a.example" }, "x");
    const retryOf = (grantType: string) => openidGrant(source, grantType).retry;
    for (const grantType of [
      "client_credentials",
      "password",
      "urn:ietf:params:oauth:grant-type:token-exchange",
    ])
      expect(retryOf(grantType)).toBe("safe");
    for (const grantType of [
      "authorization_code",
      "refresh_token",
      "urn:ietf:params:oauth:grant-type:jwt-bearer",
    ])
      expect(retryOf(grantType)).toBe("once");
    expect(openidGrant(source, "refresh_token", {}, { retry: "safe" }).retry).toBe("safe");
  });

  test.each<[string, unknown, unknown]>([
    ["a grant type that is empty", "", {}],
    ["a grant type that is missing", undefined, {}],
    ["a parameter that is undefined", "x", { scope: undefined }],
    ["a parameter that is a number", "x", { max_age: 1 }],
    ["the grant type among the parameters", "x", { grant_type: "y" }],
    ["parameters that are a text", "x", "scope=read"],
    ["parameters that are a Map", "x", new Map([["scope", "read"]])],
    ["parameters that are null", "x", null],
  ])("refuses %s", (_, grantType, parameters) => {
    const source = () => new Configuration({ issuer: "https://a.example" }, "x");
    expect(() => openidGrant(source, grantType as never, parameters as never)).toThrow(
      expect.objectContaining({ code: "ERR_IAM_CONFIG" }),
    );
  });

  test("refuses an allowInsecure that is a text", () => {
    expect(() =>
      openidTransport(() => new Configuration({ issuer: "https://a.example" }, "x"), {
        allowInsecure: "false" as never,
      }),
    ).toThrow(
      expect.objectContaining({ code: "ERR_IAM_CONFIG", message: expect.stringContaining("allowInsecure") }),
    );
  });

  test("refuses a server without a token endpoint, and parameters of a function that are none", async () => {
    const { configuration } = await emulated();
    const bare = () => new Configuration({ issuer: "https://a.example" }, "x");
    const cases = [
      openidGrant(bare, "client_credentials"),
      openidGrant(configuration, "client_credentials", (() => ({ scope: 1 })) as never),
    ];
    for (const grant of cases) {
      const transport = openidTransport(() => configuration());
      expect(await failureOf(managerOf(grant, { transport }).getToken())).toMatchObject({
        code: "ERR_IAM_CONFIG",
      });
    }
  });

  test("shows nothing of its parameters", async () => {
    const { configuration } = await emulated();
    const shown: unknown[] = [];
    const grant = openidGrant(configuration, "password", { username: "ada", password: "canary-password" });
    const carry = openidTransport(() => configuration());
    const manager = managerOf(grant, {
      transport: (request, options) => {
        shown.push(request, { ...request });
        return carry(request, options);
      },
    });
    shown.push(await failureOf(manager.getToken()), grant);
    expect(findSecret(shown, ["canary-password"])).toBeUndefined();
  });
});

describe("discoverIam", () => {
  test("finds the token endpoint of a region, and leaves out a client that IAM does not want", async () => {
    const emulator = await startEmulator();
    const region = await emulator.listen();
    onTestFinished(() => emulator.close());
    const source = await discoverIam(emulator.url);
    expect(source().serverMetadata()).toMatchObject({
      issuer: "https://iam.cloud.ibm.com/identity",
      token_endpoint: `${emulator.url}/identity/token`,
    });
    const elsewhere = await startEmulator({ tokenEndpointOrigin: region.url });
    onTestFinished(() => elsewhere.close());
    const regional = await discoverIam(elsewhere.url);
    expect(regional().serverMetadata().token_endpoint).toBe(`${region.url}/identity/token`);
    const manager = managerOf(apiKeyGrant(emulator.apiKey), { transport: openidTransport(regional) });
    await manager.getToken();
    expect(emulator.log.at(-1)).toMatchObject({
      target: "token",
      origin: region.url,
      authorization: undefined,
    });
    expect(Object.keys(emulator.log.at(-1)?.fields ?? {}).sort()).toEqual(["apikey", "grant_type"]);
  });

  test("asks IAM itself unless told", async () => {
    const asked: string[] = [];
    const { emulator } = await emulated();
    const fetch: typeof globalThis.fetch = (input, init) => {
      asked.push(String(input));
      return globalThis.fetch(String(input).replace("https://iam.cloud.ibm.com", emulator.url), init);
    };
    const source = await discoverIam(undefined, { fetch });
    expect(asked).toEqual(["https://iam.cloud.ibm.com/identity/.well-known/openid-configuration"]);
    expect(source()[customFetch]).toBe(fetch);
  });

  test("sends a client's id and secret as they are, which is how IAM reads them", async () => {
    const client = { id: "my-client", secret: "s3cr€t: +/%" };
    const { emulator } = await emulated({ clients: [client] });
    const source = await discoverIam(emulator.url, { clientId: client.id, clientSecret: client.secret });
    const transport = openidTransport(source);
    await managerOf(apiKeyGrant(emulator.apiKey), { transport }).getToken();
    expect(emulator.log.at(-1)).toMatchObject({ status: 200, authorization: { scheme: "Basic" } });
    const wrong = await discoverIam(emulator.url, { clientId: client.id, clientSecret: "wrong" });
    const refused = managerOf(apiKeyGrant(emulator.apiKey), { transport: openidTransport(wrong) });
    expect(await failureOf(refused.getToken())).toMatchObject({ errorCode: "BXNIM0310E" });
    // A public client of openid-client puts its id into the form; IAM tolerates that.
    const named = () => {
      const made = new Configuration(source().serverMetadata(), "my-client", undefined, None());
      allowInsecureRequests(made);
      return made;
    };
    await managerOf(apiKeyGrant(emulator.apiKey), { transport: openidTransport(named) }).getToken();
    expect(emulator.log.at(-1)?.fields).toHaveProperty("client_id");
  });

  test("takes the issuer of staging for hosts of staging, and any other that is named", async () => {
    const staging = "https://iam.test.cloud.ibm.com/identity";
    const { emulator } = await emulated({ issuer: staging });
    const fetch: typeof globalThis.fetch = (input, init) =>
      globalThis.fetch(String(input).replace(/^https:\/\/[^/]+/, emulator.url), init);
    for (const host of ["https://iam.test.cloud.ibm.com", "https://private.us-south.iam.test.cloud.ibm.com"])
      expect((await discoverIam(host, { fetch }))().serverMetadata().issuer).toBe(staging);
    expect((await discoverIam(emulator.url, { issuer: staging }))().serverMetadata().issuer).toBe(staging);
    expect(await failureOf(discoverIam(emulator.url))).toMatchObject({
      code: "ERR_IAM_CONFIG",
      message: expect.stringMatching(/does not answer as https:\/\/iam\.cloud\.ibm\.com\/identity/),
    });
  });

  test("takes an issuer on loopback that is http", async () => {
    const emulator = await startEmulator({ issuer: (origin) => `${origin}/identity` });
    onTestFinished(() => emulator.close());
    const issuer = `${emulator.url}/identity`;
    expect((await discoverIam(emulator.url, { issuer }))().serverMetadata().issuer).toBe(issuer);
  });

  test.each([
    [{ kind: "reset" }, "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE"],
    [{ kind: "status", status: 503 }, "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE"],
    [{ kind: "throttle" }, "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE"],
    [{ kind: "status", status: 404 }, "ERR_IAM_CONFIG"],
    [{ kind: "html" }, "ERR_IAM_CONFIG"],
    [{ kind: "empty-body" }, "ERR_IAM_CONFIG"],
    [{ kind: "redirect", location: "http://127.0.0.1:1/" }, "ERR_IAM_CONFIG"],
    [{ kind: "huge-body" }, "ERR_IAM_TOKEN_RESPONSE_INVALID"],
  ] as const)("fails with one of our errors when the document cannot be had: %j", async (fault, code) => {
    const { emulator } = await emulated();
    emulator.fault(fault, { target: "discovery" });
    const error = await failureOf(discoverIam(emulator.url));
    expect(isIamError(error)).toBe(true);
    expect(error).toMatchObject({ code });
  });

  test.each<[unknown, object, RegExp]>([
    ["iam", {}, /takes the https URL/],
    ["http://iam.cloud.ibm.com", {}, /takes the https URL/],
    ["https://a:b@iam.cloud.ibm.com", {}, /without credentials/],
    [undefined, { clientId: "bx" }, /belong together/],
    [undefined, { clientId: "a:b", clientSecret: "canary-secret" }, /without a colon/],
    [undefined, { clientId: "a", clientSecret: () => "canary-secret" }, /must be texts/],
    [undefined, { issuer: "iam.cloud.ibm.com" }, /issuer of discoverIam must be an absolute URL/],
  ])("refuses %j with %j", async (url, options, message) => {
    const error = await failureOf(discoverIam(url as string, options));
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG", message: expect.stringMatching(message) });
  });

  test.each([undefined, null, 5, {}, ["https://iam.cloud.ibm.com/identity/token"], "", "/identity/token"])(
    "refuses a document whose token endpoint is %j",
    async (endpoint) => {
      const { emulator } = await emulated();
      emulator.fault({ kind: "fields", set: { token_endpoint: endpoint } }, { target: "discovery" });
      expect(await failureOf(discoverIam(emulator.url))).toMatchObject({
        code: "ERR_IAM_CONFIG",
        message: expect.stringMatching(/names no token endpoint/),
      });
    },
  );

  test("ends when its signal says so", async () => {
    const { emulator } = await emulated();
    emulator.fault({ kind: "hang" }, { target: "discovery" });
    const ending = new AbortController();
    const failing = failureOf(discoverIam(emulator.url, { signal: ending.signal }));
    await emulator.until(({ faults }) => faults === 1);
    ending.abort();
    expect(await failing).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE" });
  });
});
