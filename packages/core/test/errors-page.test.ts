import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { apiKeyGrant } from "../src/api-key-grant.ts";
import { authorizedFetch } from "../src/authorized-fetch.ts";
import type { IamError } from "../src/errors.ts";
import type { ExchangeContext } from "../src/grant.ts";
import { originRules } from "../src/origins.ts";
import { createTokenManager } from "../src/token-manager.ts";
import { parseTokenErrorResponse, parseTokenResponse, tokenResponse } from "../src/token-response.ts";
import { fetchTransport, unreachable as noAnswer } from "../src/transport.ts";
import { rejectionOf } from "./thrown.ts";
import { apiKey, granting, world } from "./virtual-world.ts";

const page = readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8");

/** The messages that the page has for a code, each as an expression: `…` stands for what varies. */
function documented(code: string): RegExp[] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`\`${code}\`\n`)) ?? "";
  return Array.from(section.matchAll(/^\| `([^`]+)`\s+\|/gm), ([, text = ""]) => {
    const literal = text.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return new RegExp(`^${literal.join(".*")}$`, "s");
  });
}

afterEach(() => {
  vi.unstubAllGlobals();
});

const grant = apiKeyGrant(apiKey);
const managed = (options: object) => createTokenManager({ grant, ...options });
const answer = (status: number, body: unknown = {}) =>
  parseTokenErrorResponse(
    tokenResponse({ status, body: JSON.stringify(body), transactionId: "tx-1" }),
    "https://iam.example.com/identity/token",
    0,
  );
const fails = (error: unknown) => {
  if (error !== undefined) throw error;
};
const parsed = (members: object) =>
  parseTokenResponse(tokenResponse({ status: 200, body: JSON.stringify({ access_token: "a", ...members }) }));
const judge = (url: string) => originRules().judge(url);

test.for<[string, () => unknown]>([
  ["no key", () => apiKeyGrant(undefined)],
  ["a key with a line break", () => apiKeyGrant("key\n")],
  ["options that are none", () => apiKeyGrant(apiKey, null as never)],
  ["half a client", () => apiKeyGrant(apiKey, { clientId: "me" })],
  ["no grant", () => managed({ grant: undefined })],
  ["a duration that is none", () => managed({ deadlineMs: "soon" })],
  ["a clock that is none", () => managed({ clock: 7 })],
  ["a switch that is a text", () => managed({ allowInsecure: "false" })],
  ["a listener that is none", () => managed({ onEvent: "log" })],
  [
    "a key in a page",
    () => {
      vi.stubGlobal("location", {});
      vi.stubGlobal("document", {});
      managed({});
    },
  ],
  ["a token endpoint that is none", () => managed({ tokenEndpoint: "iam" })],
  ["a token endpoint in the clear", () => managed({ tokenEndpoint: "http://iam.example.com" })],
  [
    "a grant's request in the clear",
    () =>
      world({
        grant: { ...grant, exchange: ({ send }) => send({ method: "POST", url: "http://a.b", headers: {} }) },
      }).manager.getToken(),
  ],
  ["a validity below 0", () => managed({}).getToken({ minValidityMs: -1 })],
  ["a validity above the life of tokens", () => world().manager.getToken({ minValidityMs: 1e9 })],
  [
    "a manager that was disposed of",
    async () => {
      const manager = managed({});
      await manager[Symbol.asyncDispose]();
      await manager.getToken();
    },
  ],
  [
    "a function that throws",
    () => world({ grant: apiKeyGrant(() => Promise.reject(new RangeError(apiKey))) }).manager.getToken(),
  ],
  [
    "a secret that never comes",
    async () => {
      const { manager, clock } = world({ grant: apiKeyGrant(() => new Promise<string>(() => {})) });
      const waiting = manager.getToken();
      waiting.catch(() => {});
      await clock.advance(9_000);
      await waiting;
    },
  ],
  [
    "a grant without a secret that reads it",
    () =>
      world({
        grant: {
          ...grant,
          secret: undefined,
          exchange: async ({ secret, send }: ExchangeContext) =>
            send({ method: "POST", url: await secret(), headers: {} }),
        } as unknown as typeof grant,
      }).manager.getToken(),
  ],
  ["an adapter without a manager", () => authorizedFetch({} as Parameters<typeof authorizedFetch>[0])],
  [
    "an adapter with a fetch that is none",
    () => authorizedFetch({ manager: managed({}), fetch: 7 as unknown as typeof fetch }),
  ],
  ["an origin that is none", () => originRules({ origins: ["api.example.com"] })],
  [
    "a wildcard where anybody hosts",
    () => originRules({ origins: ["https://*.us-east.codeengine.appdomain.cloud"] }),
  ],
  ["a third way with other origins", () => originRules({ otherOrigins: "ask" as "pass" })],
  ["a request to another origin", () => judge("https://evil.example/")],
  ["a request with credentials", () => judge("https://me:pass@iam.cloud.ibm.com/")],
  ["a request without an absolute URL", () => judge("/v1")],
  ["no answer", () => fails(noAnswer("https://iam.example.com", new TypeError("fetch failed")))],
  ["429", () => fails(answer(429))],
  ["503", () => fails(answer(503, { errorCode: "BXNIM0050E" }))],
  ["408", () => fails(answer(408))],
  ["an unknown key", () => fails(answer(400, { errorCode: "BXNIM0415E" }))],
  ["401", () => fails(answer(401))],
  ["302", () => fails(answer(302))],
  ["404", () => fails(answer(404))],
  ["a web page", () => parsed({ access_token: undefined })],
  ["an error under 200", () => parsed({ error: "invalid_grant" })],
  ["another type of token", () => parsed({ token_type: "mac" })],
  ["a scope that is no string", () => parsed({ scope: 7 })],
  ["a lifetime that is none", () => parsed({ expires_in: -1 })],
  [
    "a token that expired on the way",
    async () => {
      const { manager, endpoint, clock } = world();
      endpoint.otherwise = async (...call) => {
        await clock.advance(2_000);
        return granting(1)(...call);
      };
      await manager.getToken();
    },
  ],
  [
    "a body without end",
    () =>
      fetchTransport({ fetch: async () => new Response("x".repeat(2 ** 20 + 1)) })(
        { method: "POST", url: "https://iam.example.com", headers: {} },
        { signal: new AbortController().signal },
      ),
  ],
  [
    "too many token requests",
    async () => {
      const { manager, endpoint, clock } = world({ maxTokenRequestsPerMinute: 1 });
      endpoint.otherwise = granting(1);
      await manager.getToken();
      await clock.advance(1_000);
      await manager.getToken();
    },
  ],
])("the page of errors has the message for %s", async ([, provoke]) => {
  const error: IamError = await rejectionOf(async () => provoke());
  const known = documented(error.code);
  expect(
    known.filter((message) => message.test(error.message)),
    error.message,
  ).toHaveLength(1);
});

describe("the page of errors", () => {
  const source = readFileSync(new URL("../src/errors.ts", import.meta.url), "utf8");
  const codes = Array.from(source.matchAll(/^ {2}\| "(ERR_IAM_\w+)"/gm), ([, code = ""]) => code);

  test("has a section for each code, and for no other", () => {
    const sections = Array.from(page.matchAll(/^## `(\w+)`$/gm), ([, code = ""]) => code);
    expect(codes.length).toBeGreaterThan(6);
    expect(new Set(sections)).toEqual(new Set(codes));
  });
});
