/// <reference path="../../../axios/test/jsdom.d.ts" />
// A page for axios' adapter for it, which looks for one when it is loaded.
import "../../../axios/test/page.ts";

import { randomBytes } from "node:crypto";
import { findSecret } from "@iam/conformance";
import {
  apiKeyGrant,
  buildTokenRequest,
  createTokenManager,
  fetchTransport,
  isIamError,
  memoryStore,
  sharedStore,
  type TokenManager,
  type TokenManagerOptions,
  type TokenStore,
  tokenResponse,
} from "@iam/core";
import { type RunningEmulator, startEmulator } from "@iam/emulator";
import { createVerifier } from "@iam/verify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { faultClients } from "../../src/faults/fault-clients.ts";
import { createStage, heldTokens } from "../../src/faults/fault-scene.ts";
import { allFaults } from "../../src/faults/observe-fault.ts";
import { apiTroubles } from "./api-trouble.ts";
import { byHand, type Client, clients, type MakeClient, objectStorage, type Settings } from "./clients.ts";
import { runWithDebugOutput } from "./debug-output.ts";
import { createWitness, type Witness } from "./witness.ts";
import { wrongCalls } from "./wrong-calls.ts";
import { wrongCredentials } from "./wrong-credentials.ts";
import { wrongExchanges } from "./wrong-grants.ts";
import { wrongOpenid } from "./wrong-openid.ts";

/** With what percent-encoding and both alphabets of base64 change, and long enough to be found in pieces. */
const newSecret = (what: string) => `canary/${what}+${randomBytes(30).toString("base64url")}?~`;

const apiKey = newSecret("key");
const clientSecret = newSecret("client secret".replace(" ", "-"));
const basic = (secret: string) => Buffer.from(`a-client:${secret}`).toString("base64");

function newWitness(): Witness {
  const witness = createWitness();
  for (const secret of [apiKey, clientSecret, basic(clientSecret)]) witness.knows(secret);
  return witness;
}

/** A manager whose tokens the witness knows, the spoilt ones too, and whose events it sees. */
function managerFor(
  emulator: RunningEmulator,
  witness: Witness,
  options: Partial<TokenManagerOptions> = {},
): TokenManager {
  const carry = fetchTransport();
  return createTokenManager({
    grant: apiKeyGrant(apiKey, { clientId: "a-client", clientSecret }),
    tokenEndpoint: emulator.url,
    onEvent: (event) => witness.saw("an event", event),
    async transport(request, { signal }) {
      const response = await carry(request, { signal });
      for (const name of ["access_token", "refresh_token"]) {
        const [, value] = new RegExp(`"${name}":"([^"]{14,})"`).exec(response.body) ?? [];
        if (value !== undefined) witness.knows(value);
      }
      witness.saw("a token request", request);
      witness.saw("a token response", response);
      return response;
    },
    ...options,
  });
}

let emulator: RunningEmulator;
let elsewhere: string;
beforeAll(async () => {
  emulator = await startEmulator({ apiKeys: [apiKey], clients: [{ id: "a-client", secret: clientSecret }] });
  elsewhere = (await emulator.listen()).url;
});
afterAll(() => emulator.close());

/** Plays everything that can go wrong at an API with one client, and a manager for each. */
async function playApiTroubles(
  name: string,
  make: MakeClient,
  witness: Witness,
  settings: Partial<Settings> = {},
  troubles: Partial<typeof apiTroubles> = apiTroubles,
): Promise<{ failed: string[] }> {
  const failed: string[] = [];
  for (const [trouble, play] of Object.entries(troubles)) {
    if (play === undefined) continue;
    emulator.reset();
    const manager = managerFor(emulator, witness);
    const saw = (value: unknown) => witness.saw(`${name}, an API that ${trouble}`, value);
    await using client: Client = await make({ manager, origins: [emulator.url], ...settings }, saw);
    saw(await client.ask(`${emulator.url}/resource`));
    const watch = async (what: string, run: () => unknown) => {
      const hasFailed = await witness.watch(`${name}, an API that ${trouble}, ${what}`, run);
      if (hasFailed) failed.push(trouble);
      return hasFailed;
    };
    await play({ emulator, elsewhere, client, watch });
    saw(manager);
    await manager[Symbol.asyncDispose]();
  }
  return { failed };
}

describe("no secret is shown", () => {
  test.for([
    ["any call that is wrong", wrongCalls],
    ["an exchange of any grant", wrongExchanges],
    ["credentials that are wrong in any place", wrongCredentials],
    ["an exchange by openid-client", wrongOpenid],
  ] as const)("by %s, and every one of them fails with an IamError", async ([, calls]) => {
    const witness = newWitness();
    for (const [what, run] of Object.entries(await calls(apiKey, clientSecret))) {
      let thrown: unknown = "nothing";
      await witness.watch(what, async () => {
        try {
          return await run();
        } catch (error) {
          thrown = error;
          throw error;
        }
      });
      expect([what, isIamError(thrown) ? "an IamError" : String(thrown)]).toEqual([what, "an IamError"]);
    }
    expect(witness.leaks()).toEqual([]);
  });

  test("by any fault of the token endpoint, to any client, with any token held", {
    timeout: 180_000,
  }, async () => {
    // Another one for each play: a token can only be shown where it was known.
    let witness = newWitness();
    let what = "";
    await using stage = await createStage({
      apiKey,
      saw: (value) => witness.saw(what, value),
      token: (accessToken) => witness.knows(accessToken),
    });
    for (const { faultCase } of allFaults) {
      for (const held of heldTokens) {
        if (held === "fresh" || held === "none, once") continue;
        for (const client of Object.keys(faultClients)) {
          witness = newWitness();
          what = `${client}, ${held}: the token endpoint ${faultCase.does}`;
          await stage.play(faultCase, held, client);
          expect(witness.count).toBeGreaterThan(2);
          expect(witness.leaks()).toEqual([]);
        }
      }
    }
  });

  test.for(Object.entries(clients))(
    "by %s, whatever the API does",
    { timeout: 120_000 },
    async ([name, make]) => {
      const witness = newWitness();
      const { failed } = await playApiTroubles(name, make, witness);
      // These are errors in every client there is.
      expect(failed).toEqual(
        expect.arrayContaining([
          "cuts the connection",
          "is not there",
          "is another origin",
          "never answers, and the caller gives up",
        ]),
      );
      expect(witness.count).toBeGreaterThan(30);
      expect(witness.leaks()).toEqual([]);
    },
  );

  test("by the SDK of Object Storage, in all that its answers lead to", { timeout: 120_000 }, async () => {
    const witness = newWitness();
    // Two are enough: each answer takes a second to print.
    const { "answers 403": forbidden, "is another origin": elsewhere } = apiTroubles;
    const troubles = { "answers 403": forbidden, "is another origin": elsewhere };
    const { failed } = await playApiTroubles("Object Storage", objectStorage, witness, {}, troubles);
    expect(new Set(failed)).toEqual(new Set(Object.keys(troubles)));
    expect(witness.leaks()).toEqual([]);
  });

  test.for(Object.entries(clients))(
    "by %s, where other origins pass",
    { timeout: 120_000 },
    async ([name, make]) => {
      const witness = newWitness();
      await playApiTroubles(name, make, witness, { otherOrigins: "pass" });
      expect(witness.leaks()).toEqual([]);
    },
  );

  test.for(Object.entries(clients))(
    "by %s when its manager is disposed of, before a request or during it",
    async ([name, make]) => {
      const witness = newWitness();
      emulator.reset();
      const manager = managerFor(emulator, witness);
      await using client = await make({ manager, origins: [emulator.url] }, (value) =>
        witness.saw(name, value),
      );
      emulator.fault({ kind: "hang" });
      const during = witness.watch(`${name}, during`, () => client.ask(`${emulator.url}/resource`));
      await emulator.until(({ tokenRequests }) => tokenRequests === 1);
      await manager[Symbol.asyncDispose]();
      expect(await during).toBe(true);
      expect(await witness.watch(`${name}, before`, () => client.ask(`${emulator.url}/resource`))).toBe(true);
      expect(witness.leaks()).toEqual([]);
    },
  );

  test("by a token, a manager, a grant, a transport or what crosses it, however they are looked at", async () => {
    const witness = newWitness();
    emulator.reset();
    const grant = apiKeyGrant(apiKey, { clientId: "a-client", clientSecret });
    const manager = managerFor(emulator, witness, { grant });
    const token = await manager.getToken();
    witness.knows(token.accessToken);
    const answer = tokenResponse({ status: 200, body: JSON.stringify({ access_token: token.accessToken }) });
    const request = buildTokenRequest({
      tokenEndpoint: emulator.url,
      form: { apikey: apiKey },
      clientId: "a-client",
      clientSecret,
    });
    witness.saw("a request", request);
    for (const value of [grant, manager, token, { ...token }, [token], new Map([["token", token]]), answer])
      witness.saw("an object", value);
    witness.saw("a copy", structuredClone({ ...token }));
    witness.saw("an error about it", new Error("x", { cause: { token, manager, grant } }));
    witness.saw("a sentence", `${token}, ${manager}, ${grant}, ${answer}`);
    expect(witness.count).toBeGreaterThan(10);
    expect(witness.leaks()).toEqual([]);
  });

  test("by a shared store, whatever it does with what it is given, nor by what is in it", async () => {
    const witness = newWitness();
    emulator.reset();
    const entries = memoryStore();
    const telling = (method: keyof TokenStore) => async (key: string, entry?: unknown) => {
      throw new Error(`${method} ${key} ${String(entry)}`, { cause: { key, entry } });
    };
    const faults: Record<string, Partial<TokenStore>> = {
      works: {},
      "cannot be read": { get: telling("get") },
      "cannot be written": { set: telling("set") },
      "cannot lock": { lock: telling("lock") },
      "never answers": { get: () => new Promise(() => {}) },
      "gives garbage": { get: async () => ({ entry: "garbage", ttlMs: 60_000 }) },
    };
    for (const [what, fault] of Object.entries(faults)) {
      const store: TokenStore = {
        ...entries,
        ...fault,
        async set(key, entry, options) {
          witness.saw(`what is stored, by a store that ${what}`, { key, entry });
          return (fault.set ?? entries.set)(key, entry, options);
        },
      };
      const manager = managerFor(emulator, witness, { store: sharedStore(store) });
      await witness.watch(`a store that ${what}`, () => manager.getToken());
      emulator.fault({ kind: "refuse", errorCode: "BXNIM0415E" });
      await witness.watch(`a store that ${what}, a key that is refused`, async () =>
        manager.getToken({ rejected: await manager.getToken(), origin: emulator.url }),
      );
      emulator.clearFaults();
      witness.saw("a manager with a store", manager);
      await manager[Symbol.asyncDispose]();
    }
    expect(witness.count).toBeGreaterThan(20);
    expect(witness.leaks()).toEqual([]);
  });

  test("by a verifier, of a token that is good and of ones that are not", async () => {
    const witness = newWitness();
    emulator.reset();
    const { accessToken } = await managerFor(emulator, witness).getToken();
    const [header = "", payload = "", signature = ""] = accessToken.split(".");
    const jwksUrl = `${emulator.url}/identity/keys`;
    const other = signature.startsWith("A") ? "B" : "A";
    const verifiers = {
      "that knows the keys": createVerifier({ jwksUrl }),
      "of another account": createVerifier({ jwksUrl, accounts: ["f".repeat(32)] }),
      "that cannot have the keys": createVerifier({ jwksUrl: `${emulator.url}/nowhere` }),
    };
    for (const [which, verifier] of Object.entries(verifiers)) {
      for (const token of [
        accessToken,
        `${header}.${payload}.${other}${signature.slice(1)}`,
        `${header}.${payload}`,
        `${header}.${payload}.`,
        ` ${accessToken}`,
        `Bearer ${accessToken}`,
      ]) {
        witness.knows(token);
        await witness.watch(`a verifier ${which}`, () => verifier.verify(token));
      }
      witness.saw(`a verifier ${which}`, verifier);
    }
    expect(witness.count).toBeGreaterThan(15);
    expect(witness.leaks()).toEqual([]);
  });

  test("by debug output of Node, of its fetch and of Express", { timeout: 60_000 }, async () => {
    const { output, accessToken } = await runWithDebugOutput(apiKey, {
      NODE_DEBUG: "http,https,http2,tls,fetch,undici,timer",
      DEBUG: "express*,router*,body-parser*,send,http-proxy-middleware*",
    });
    expect(output.length).toBeGreaterThan(2000);
    expect(findSecret(output, [apiKey, accessToken])).toBeUndefined();
  });

  test("of the key, by any debug output there is; the token is, by those that print what they send", {
    timeout: 60_000,
  }, async () => {
    const { output, accessToken } = await runWithDebugOutput(apiKey, {
      NODE_DEBUG: "http,https,http2,net,tls,fetch,undici,timer",
      DEBUG: "*",
    });
    expect(findSecret(output, [apiKey])).toBeUndefined();
    // SECURITY.md says so. When this begins to fail, it can say less.
    expect(findSecret(output, [accessToken])).toBeDefined();
  });
});

describe("the search would have found it", () => {
  test.for(Object.entries(byHand))(
    "in the errors of %s, which are as the client makes them",
    { timeout: 60_000 },
    async ([name, make]) => {
      const witness = newWitness();
      // One kind of trouble is enough: these errors hold everything that Node knows, which takes long to print.
      const { "answers 403": forbidden } = apiTroubles;
      await playApiTroubles(name, make, witness, {}, { "answers 403": forbidden });
      expect(witness.leaks()).not.toEqual([]);
    },
  );

  const hidden = (value: unknown) => Object.defineProperty({}, "hidden", { value });
  const base64 = (text: string, alphabet: "base64" | "base64url" = "base64") =>
    Buffer.from(text).toString(alphabet);
  const places: Record<string, (secret: string) => unknown> = {
    "a text": (secret) => `it is ${secret}`,
    "a message": (secret) => new Error(`bad key ${secret}`),
    "a stack": (secret) => Object.assign(new Error("x"), { stack: `at ${secret}` }),
    "a cause's cause": (secret) => new Error("a", { cause: new Error("b", { cause: new Error(secret) }) }),
    "one of several errors": (secret) => new AggregateError([new Error(secret)]),
    "a hidden property": hidden,
    "a property of a symbol": (secret) => ({ [Symbol("kept")]: secret }),
    "a key of a property": (secret) => ({ [secret]: 1 }),
    "a getter": (secret) => ({
      get secret() {
        return secret;
      },
    }),
    "something thirty levels down": (secret) =>
      Array.from({ length: 30 }).reduce<unknown>((inner) => ({ inner }), secret),
    "the end of a long list": (secret) => [...new Array(500).fill(0), secret],
    "a map and a set": (secret) => new Map([[1, new Set([secret])]]),
    JSON: (secret) => Object.defineProperty({}, "toJSON", { value: () => ({ secret }) }),
    "toJSON of what goes in circles": (secret) => {
      const circle: Record<string, unknown> = {};
      circle.circle = circle;
      return Object.defineProperty(circle, "toJSON", { value: () => ({ circle, secret }) });
    },
    "an error that does not show its own properties": (secret) =>
      Object.assign(new Error("x"), { secret, [Symbol.for("nodejs.util.inspect.custom")]: () => "[Error]" }),
    "its String": (secret) => ({ toString: () => secret }),
    headers: (secret) => new Headers({ authorization: `Bearer ${encodeURIComponent(secret)}` }),
    "a request": (secret) =>
      new Request("http://127.0.0.1/", { headers: { "x-key": encodeURIComponent(secret) } }),
    "a buffer, far in": (secret) => ({ body: Buffer.from(`${"x".repeat(200)}${secret}`) }),
    bytes: (secret) => [new TextEncoder().encode(`apikey=${secret}`)],
    "a form": (secret) => `${new URLSearchParams({ apikey: secret })}`,
    "a percent-encoded text": (secret) =>
      encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase()),
    hexadecimal: (secret) => Buffer.from(secret).toString("hex"),
    "base64, first of three alignments": (secret) => base64(secret),
    "base64, second": (secret) => base64(`x${secret}`),
    "base64, third": (secret) => base64(`xy${secret}z`),
    base64url: (secret) => base64(`apikey:${secret}`, "base64url"),
    "base64 of the form": (secret) => base64(`a=b&key=${secret}&c=d`),
    "its beginning": (secret) => `${secret.slice(0, 30)}…`,
    "its end": (secret) => `…${secret.slice(-30)}`,
  };
  test.for(Object.entries(places))("in %s", ([, place]) => {
    for (const secret of [apiKey, clientSecret]) {
      expect(findSecret(place(secret), [secret])).toBeDefined();
      expect(findSecret(place(newSecret("other")), [secret])).toBeUndefined();
    }
  });
});
