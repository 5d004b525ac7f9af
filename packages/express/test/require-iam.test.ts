import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { inspect } from "node:util";
import { BearerError, IamError } from "@iam/core";
import { type RunningEmulator, startEmulator } from "@iam/emulator";
import { createVerifier, type VerifierOptions } from "@iam/verify";
import express5 from "express";
import express4 from "express-4";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type BearerVerifier, type RequireIamOptions, requireIam } from "../src/index.ts";
import { serving } from "./serving.ts";

// Express prints what its own error handler is given, sometimes when the test is over.
vi.spyOn(console, "error").mockImplementation(() => {});

interface Scene {
  readonly emulator: RunningEmulator;
  readonly token: string;
  /** Asks for the guarded path, and gives what came back. */
  ask(
    headers?: Record<string, string> | string[],
    more?: { path?: string; method?: string; body?: string },
  ): Promise<{ status: number; challenge: string | undefined; retryAfter: string | undefined; body: string }>;
  /** What reached the error handler. */
  readonly errors: unknown[];
  /** What handlers saw as `req.auth`. */
  readonly auths: unknown[];
}

async function guarded(
  options: Partial<RequireIamOptions> = {},
  {
    verifying = {},
    express = express5,
  }: { verifying?: Partial<VerifierOptions>; express?: typeof express5 } = {},
): Promise<Scene> {
  const emulator = await startEmulator();
  onTestFinished(() => emulator.close());
  const { value: token } = await emulator.issueToken();
  const verifier = createVerifier({ jwksUrl: `${emulator.url}/identity/keys`, ...verifying });
  const errors: unknown[] = [];
  const auths: unknown[] = [];
  const app = express();
  app.set("env", "production");
  app.use(express.urlencoded({ extended: true }), express.json());
  app.use(requireIam({ verifier, ...options }), (req, res) => {
    auths.push(req.auth);
    res.json({ iam_id: req.auth?.payload.iam_id ?? null });
  });
  app.use((error: unknown, _req: unknown, _res: unknown, next: (error: unknown) => void) => {
    errors.push(error);
    next(error);
  });
  const { port } = await serving(app);
  return {
    emulator,
    token,
    errors,
    auths,
    async ask(headers = {}, { path = "/things", method = "GET", body } = {}) {
      const outgoing = httpRequest({ port, host: "127.0.0.1", path, method, headers });
      outgoing.end(body);
      const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
      let text = "";
      for await (const chunk of answer) text += chunk;
      const { statusCode = 0, headers: got } = answer;
      return {
        status: statusCode,
        challenge: got["www-authenticate"],
        retryAfter: got["retry-after"],
        body: text,
      };
    },
  };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const form = { "content-type": "application/x-www-form-urlencoded" };
const answering = (claims: unknown): BearerVerifier => ({ verify: async () => claims });
const failing = (error: unknown): BearerVerifier => ({ verify: () => Promise.reject(error) });

describe.each([
  ["express 5", express5],
  ["express 4", express4 as unknown as typeof express5],
])("requireIam in %s", (_, express) => {
  test("lets in who shows a good token, and says who it is", async () => {
    const { ask, token, auths, errors } = await guarded({}, { express });
    const answer = await ask(bearer(token));
    expect(answer).toMatchObject({ status: 200, challenge: undefined });
    const [header, payload] = token
      .split(".", 2)
      .map((part) => JSON.parse(Buffer.from(part, "base64url").toString()));
    expect(JSON.parse(answer.body)).toEqual({ iam_id: payload.iam_id });
    const [auth] = auths as [{ header: unknown; payload: unknown; token: string }];
    expect([auth.header, auth.payload, auth.token]).toEqual([header, payload, token]);
    expect(errors).toEqual([]);
  });

  test("answers 401 without a code and without details when there is no token", async () => {
    const { ask, auths, errors } = await guarded({}, { express });
    for (const headers of [
      {},
      { authorization: "Basic eDp5" },
      { authorization: "" },
      { authorization: "Bearerx y" },
    ]) {
      const answer = await ask(headers);
      expect(answer).toMatchObject({ status: 401, challenge: "Bearer" });
      expect(answer.body).not.toMatch(/token|BearerError/);
    }
    expect(auths).toEqual([]);
    expect(errors).toMatchObject(Array(4).fill({ code: "ERR_IAM_BEARER", reason: "no-token" }));
  });

  test("answers 503 with Retry-After when the keys cannot be had", async () => {
    const { ask, token, emulator, errors, auths } = await guarded({}, { express });
    emulator.fault({ kind: "reset" }, { target: "keys" });
    const answer = await ask(bearer(token));
    expect(answer).toMatchObject({ status: 503, challenge: undefined, retryAfter: "1" });
    // Not a TokenEndpointError: no token endpoint was asked.
    expect(errors).toMatchObject([
      { code: "ERR_IAM_VERIFICATION_UNAVAILABLE", status: 503, name: "IamError", retryAfterMs: 1000 },
    ]);
    expect(auths).toEqual([]);
  });
});

describe("a bad token", () => {
  const invalid = 'Bearer error="invalid_token"';
  test.each<[string, (token: string) => string]>([
    ["another signature", (token) => token.replace(/.{4}$/, "AAAA")],
    ["two tokens", (token) => `${token} ${token}`],
    ["two tokens with a comma", (token) => `${token}, Bearer ${token}`],
    ["a token in quotes", (token) => `"${token}"`],
    ["nothing", () => ""],
    ["a tab before it", (token) => `\t${token}`],
    ["bytes that are no ASCII", (token) => `${token}\u00e9`],
  ])("is answered 401 invalid_token: %s", async (_, forge) => {
    const { ask, token, auths } = await guarded();
    expect(await ask(bearer(forge(token)))).toMatchObject({ status: 401, challenge: invalid });
    expect(auths).toEqual([]);
  });

  test("that is expired is told so", async () => {
    const { ask, emulator } = await guarded();
    const { value } = await emulator.issueToken({ lifetimeS: -10 });
    expect(await ask(bearer(value))).toMatchObject({
      status: 401,
      challenge: 'Bearer error="invalid_token", error_description="The access token expired"',
    });
  });

  test("gets the same answer whatever the case of Bearer, as a good one does", async () => {
    const { ask, token } = await guarded();
    for (const scheme of ["bearer", "BEARER", "bEaReR"]) {
      expect((await ask({ authorization: `${scheme} ${token}` })).status).toBe(200);
      expect(await ask({ authorization: `${scheme} ${token}x` })).toMatchObject({
        status: 401,
        challenge: invalid,
      });
      const twice = { authorization: `${scheme} ${token} ${token}` };
      expect(await ask(twice)).toMatchObject({ status: 401, challenge: invalid });
    }
    expect((await ask({ authorization: `Bearer   ${token}  ` })).status).toBe(200);
  });

  test("costs the verifier nothing when it cannot be one", async () => {
    const seen: string[] = [];
    const verifier = { verify: async (token: string) => void seen.push(token) };
    const { ask } = await guarded({ verifier });
    await ask(bearer("a b"));
    await ask(bearer("{}"));
    expect(seen).toEqual([]);
  });
});

describe("a token in the wrong place", () => {
  const refused = { status: 400, challenge: 'Bearer error="invalid_request"' };

  test.each(["/things?access_token=", "/things?a=1&access%5Ftoken=", "/?access_token=x&access_token="])(
    "is refused in the URL, alone or beside a header: %s",
    async (path) => {
      const { ask, token, auths } = await guarded();
      expect(await ask({}, { path: path + token })).toMatchObject(refused);
      expect(await ask(bearer(token), { path: path + token })).toMatchObject(refused);
      expect(auths).toEqual([]);
    },
  );

  test("is refused in a form beside a header", async () => {
    const { ask, token } = await guarded();
    const body = `access_token=${token}`;
    const headers = { ...bearer(token), ...form };
    expect(await ask(headers, { method: "POST", body })).toMatchObject(refused);
    expect((await ask(headers, { method: "POST", body: "other=1" })).status).toBe(200);
    // Alone it is no token: RFC 6750 leaves it to the server whether forms count.
    expect(await ask(form, { method: "POST", body })).toMatchObject({ status: 401, challenge: "Bearer" });
    // A member of that name is no way to present a token in anything but a form.
    const json = { ...bearer(token), "content-type": "application/json" };
    expect((await ask(json, { method: "POST", body: '{"access_token":"x"}' })).status).toBe(200);
  });

  test("is refused in two Authorization headers, of which Node would hide the second", async () => {
    const { ask, token } = await guarded();
    const good = ["Authorization", `Bearer ${token}`];
    for (const headers of [
      [...good, ...good],
      [...good, "authorization", "Bearer x"],
      ["AUTHORIZATION", "Basic eDp5", ...good],
    ])
      expect(await ask(["Host", "localhost", ...headers])).toMatchObject(refused);
    expect((await ask(["Host", "localhost", "X-Name", "authorization", ...good])).status).toBe(200);
  });

  test("is refused where a token is optional too", async () => {
    const { ask, token } = await guarded({ optional: true });
    expect(await ask({}, { path: `/?access_token=${token}` })).toMatchObject(refused);
  });
});

describe("who is not let in although the token is good", () => {
  const forbidden = { status: 403, challenge: 'Bearer error="insufficient_scope"' };
  const account = "0123456789abcdef0123456789abcdef";

  test("is somebody of another account", async () => {
    const { ask, token, errors, emulator } = await guarded({ accounts: [account] });
    expect((await ask(bearer(token))).status).toBe(200);
    for (const bss of ["f".repeat(32), undefined, account.toUpperCase()]) {
      const { value } = await emulator.issueToken({ claims: { account: { valid: true, bss } } });
      expect(await ask(bearer(value))).toMatchObject(forbidden);
    }
    expect(errors).toMatchObject(Array(3).fill({ reason: "account", code: "ERR_IAM_BEARER" }));
  });

  test("is an identity that is not listed, whatever its e-mail address", async () => {
    const { ask, emulator, errors } = await guarded({ identities: ["IBMid-1", "iam-ServiceId-2"] });
    const statusOf = async (claims: Record<string, unknown>) =>
      (await ask(bearer((await emulator.issueToken({ claims })).value))).status;
    expect(await statusOf({ iam_id: "IBMid-1" })).toBe(200);
    expect(await statusOf({ iam_id: "iam-ServiceId-2" })).toBe(200);
    expect(await statusOf({ iam_id: "IBMid-3", sub: "IBMid-1", id: "IBMid-1", email: "IBMid-1" })).toBe(403);
    expect(await statusOf({ iam_id: "ibmid-1" })).toBe(403);
    expect(errors).toMatchObject(Array(2).fill({ reason: "identity" }));
  });

  test("is a token without one of the scopes, and is told which are needed", async () => {
    const { ask, emulator } = await guarded({ scopes: ["openid", "things:write"] });
    const answerTo = async (scope: string | undefined) =>
      ask(bearer((await emulator.issueToken({ claims: { scope } })).value));
    expect((await answerTo("things:write ibm openid")).status).toBe(200);
    for (const scope of ["ibm openid", "things:write2 openid", undefined])
      expect(await answerTo(scope)).toMatchObject({
        status: 403,
        challenge: 'Bearer error="insufficient_scope", scope="openid things:write"',
      });
  });

  test("is anybody whose verifier gives no claims to compare", async () => {
    const lists = { accounts: [account], identities: ["IBMid-1"], scopes: ["a"] };
    for (const [name, list] of Object.entries(lists)) {
      const { ask } = await guarded({ verifier: answering({}), [name]: list });
      expect((await ask(bearer("x"))).status).toBe(403);
    }
    const strange = { account: { bss: [account] }, iam_id: ["IBMid-1"], scope: ["a"] };
    for (const [name, list] of Object.entries(lists)) {
      const { ask } = await guarded({ verifier: answering(strange), [name]: list });
      expect((await ask(bearer("x"))).status).toBe(403);
    }
  });
});

describe("an optional token", () => {
  test("may be missing, and then there is no req.auth", async () => {
    const { ask, auths } = await guarded({ optional: true });
    expect((await ask()).status).toBe(200);
    expect((await ask({ authorization: "Basic eDp5" })).status).toBe(200);
    expect(auths).toEqual([undefined, undefined]);
  });

  test("may not be bad, nor too little, nor in doubt", async () => {
    const { ask, token, emulator, auths } = await guarded({ optional: true, scopes: ["more"] });
    expect(await ask(bearer(`${token}x`))).toMatchObject({
      status: 401,
      challenge: 'Bearer error="invalid_token"',
    });
    for (const authorization of [
      "Bearer",
      `Bearer\t${token}`,
      `Bearer:${token}`,
      `Bearer,${token}`,
      'Bearer"x"',
    ])
      expect((await ask({ authorization })).status).toBe(401);
    expect((await ask(bearer(token))).status).toBe(403);
    await emulator.rotateKeys();
    emulator.fault({ kind: "reset" }, { target: "keys" });
    expect((await ask(bearer((await emulator.issueToken()).value))).status).toBe(503);
    expect(auths).toEqual([]);
  });

  test("does not leave in place what somebody else has put on the request", async () => {
    const seen: unknown[] = [];
    const app = express5().use(
      (req, _res, next) => {
        Object.assign(req, { auth: { payload: { iam_id: "mallory" } } });
        next();
      },
      requireIam({ verifier: answering({}), optional: true }),
      (req, res) => {
        seen.push(req.auth);
        res.end();
      },
    );
    const { url } = await serving(app);
    await (await fetch(url)).text();
    expect(seen).toEqual([undefined]);
  });
});

describe("a verifier", () => {
  test.each<[string, BearerVerifier, number, string | undefined]>([
    ["false", answering(false), 401, 'Bearer error="invalid_token"'],
    ["nothing", answering(undefined), 401, 'Bearer error="invalid_token"'],
    ["a text", answering("claims"), 401, 'Bearer error="invalid_token"'],
    ["an error of its own", failing(new Error("a secret")), 401, 'Bearer error="invalid_token"'],
    ["a text as an error", failing("a secret"), 401, 'Bearer error="invalid_token"'],
    ["an error with an answer", failing({ status: 403, wwwAuthenticate: "Bearer x" }), 403, "Bearer x"],
    [
      "an answer that is none",
      failing({ status: 200, wwwAuthenticate: "Bearer\r\nx: y" }),
      401,
      'Bearer error="invalid_token"',
    ],
    [
      "an IamError that may pass",
      failing(new IamError("ERR_IAM_BEARER", "x", { retryable: true })),
      503,
      undefined,
    ],
  ])("that gives %s lets nobody in", async (_, verifier, status, challenge) => {
    const { ask, auths, errors } = await guarded({ verifier });
    expect(await ask(bearer("token"))).toMatchObject({ status, challenge });
    expect(auths).toEqual([]);
    expect(inspect(errors, { depth: null, showHidden: true })).not.toContain("a secret");
  });

  test("that throws at once lets nobody in either", async () => {
    const verify = () => {
      throw new Error("broken");
    };
    const { ask } = await guarded({ verifier: { verify } });
    expect((await ask(bearer("token"))).status).toBe(401);
  });

  test("with a copy of core of its own keeps its reason", async () => {
    const copy = Object.assign(new IamError("ERR_IAM_BEARER", "x"), {
      status: 401,
      reason: "expired",
      wwwAuthenticate: "Bearer y",
      headers: { "WWW-Authenticate": "Bearer y" },
    });
    const { ask, errors } = await guarded({ verifier: failing(copy) });
    expect(await ask(bearer("token"))).toMatchObject({ status: 401, challenge: "Bearer y" });
    expect(errors).toEqual([copy]);
  });

  test("that gives the same claims for two tokens does not mix them up", async () => {
    const { ask, auths } = await guarded({ verifier: answering({ sub: "x" }) });
    for (const token of ["one", "two", "one"]) await ask(bearer(token));
    expect(auths).toMatchObject([{ token: "one" }, { token: "two" }, { token: "one" }]);
  });

  test("may take tokens that are no JWT", async () => {
    const { ask, auths } = await guarded({ verifier: answering({ sub: "x" }) });
    expect((await ask(bearer("opaque-token"))).status).toBe(200);
    expect((await ask(bearer("MQ"))).status).toBe(200);
    expect(auths).toMatchObject([{ header: {}, payload: { sub: "x" } }, { payload: { sub: "x" } }]);
  });
});

test("the challenge reaches the caller through an error handler that knows nothing of it", async () => {
  const app = express5().use(requireIam({ verifier: failing(new Error()) }));
  app.use((error: { status: number }, _req: unknown, res: express5.Response, _next: unknown) => {
    res.status(error.status).json({ sorry: true });
  });
  const { url } = await serving(app);
  const answer = await fetch(url, { headers: bearer("x") });
  expect(answer.status).toBe(401);
  expect(answer.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
});

test("the token is nowhere to be seen in req.auth or in an error, and there by name", async () => {
  const { ask, token, auths, errors } = await guarded();
  await ask(bearer(token));
  await ask(bearer(token.replace(/.{4}$/, "AAAA")));
  expect(errors).toHaveLength(1);
  const shown = inspect([auths, errors], { depth: null, showHidden: true, getters: true });
  expect(shown).not.toContain(token.slice(-300, -4));
  expect(JSON.stringify([auths, errors])).not.toContain(token.slice(-300, -4));
  expect(auths).toMatchObject([{ token }]);
});

describe("options that cannot work are refused with ERR_IAM_CONFIG", () => {
  const verifier = answering({});
  test.each<[unknown, RegExp]>([
    [undefined, /needs a verifier/],
    [{}, /needs a verifier/],
    [{ verifier: () => ({}) }, /needs a verifier/],
    [{ verifier, accounts: [] }, /accounts must be a list/],
    [{ verifier, account: ["a"] }, /requireIam has no option account; it has verifier, accounts,/],
    [{ verifier, optional: "false" }, /optional of requireIam must be true or false/],
    [{ verifier, optional: null }, /optional of requireIam must be true or false/],
    [{ verifier, identities: "IBMid-1" }, /identities must be a list/],
    [{ verifier, identities: [undefined] }, /identities must be a list/],
    [{ verifier, scopes: [""] }, /scopes must be a list/],
  ])("%j", (options, message) => {
    expect(() => requireIam(options as RequireIamOptions)).toThrow(message);
    expect(() => requireIam(options as RequireIamOptions)).toThrow(IamError);
    expect(() => requireIam(options as RequireIamOptions)).not.toThrow(BearerError);
  });
});
