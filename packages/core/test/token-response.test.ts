import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { TokenEndpointError } from "../src/errors.ts";
import { parseTokenResponse, tokenResponse } from "../src/token-response.ts";
import { thrownBy } from "./thrown.ts";

const opaque = "opaque-token";
const ok = { access_token: opaque, token_type: "Bearer", expires_in: 3600 };
const date = "Sun, 06 Nov 1994 08:49:37 GMT";
const dateS = 784_111_777;

function parse(body: unknown, headers: { date?: string } = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return parseTokenResponse(tokenResponse({ status: 200, body: text, ...headers }));
}

function refusal(body: unknown, headers: { date?: string } = {}) {
  const error = thrownBy(() => parse(body, headers));
  expect(error).toBeInstanceOf(TokenEndpointError);
  expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_RESPONSE_INVALID", status: 200, retryable: true });
  return error;
}

function jwt(claims: unknown): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "RS256" })}.${part(claims)}.c2lnbmF0dXJl`;
}

describe("a token response", () => {
  test("of IAM is read", () => {
    const body = { ...ok, refresh_token: "not_supported", expiration: 1473188353, scope: "ibm openid" };
    const parsed = parse({ ...body, ims_user_id: 1, session_id: "C-1" });
    expect(parsed.accessToken).toBe(opaque);
    expect(parsed.lifetimeMs).toBe(3_600_000);
    expect(parsed.scope).toBe("ibm openid");
    expect(parsed.refreshToken).toBeUndefined();
    expect("refreshToken" in parsed).toBe(false);
  });

  test("shows no token, before and after it is read", () => {
    const response = tokenResponse({
      status: 200,
      body: JSON.stringify({ ...ok, refresh_token: "r3fresh" }),
    });
    const parsed = parseTokenResponse(response);
    expect(parsed.refreshToken).toBe("r3fresh");
    const shown = inspect([response, parsed], { depth: Infinity, showHidden: true, getters: true });
    for (const text of [shown, JSON.stringify([response, parsed]), inspect({ ...response, ...parsed })]) {
      expect(text).not.toContain(opaque);
      expect(text).not.toContain("r3fresh");
    }
  });

  test.for<[string, unknown]>([
    ["nothing", ""],
    ["HTML", "<!doctype html><title>Sign in</title>"],
    ["JSON cut short", '{"access_token":"abc"'],
    ["a form", "access_token=abc&token_type=bearer"],
    ["null", "null"],
    ["a number", "1"],
    ["a text", '"abc"'],
    ["an array", '[{"access_token":"abc"}]'],
    ["two objects", '{"access_token":"abc"}{}'],
  ])("that is %s is refused", ([, body]) => {
    expect(refusal(body).message).toContain("JSON");
  });

  test.for<[string, unknown]>([
    ["absent", undefined],
    ["null", null],
    ["empty", ""],
    ["a number", 123],
    ["a boolean", true],
    ["an object", { token: opaque }],
    ["an array", [opaque]],
  ])("whose access_token is %s is refused", ([, access_token]) => {
    expect(refusal({ ...ok, access_token }).message).toContain("access_token");
  });

  test.for([
    "a",
    "=a".slice(1),
    "abcXYZ019-._~+/",
    "abc=",
    "abc==",
    "abc====",
    "-",
    ".",
    "~",
    "+",
    "/",
    jwt({ sub: "x" }),
    "a".repeat(10_000),
  ])("whose access_token is the b64token %s is taken", (access_token) => {
    expect(parse({ ...ok, access_token }).accessToken).toBe(access_token);
  });

  test.for([
    "a b",
    " a",
    "a ",
    "a\n",
    "a\r\nx-injected: 1",
    "a\tb",
    "a\u0000",
    "a=b",
    "=",
    "==",
    "=a",
    'a"',
    "a,b",
    "a;b",
    "a:b",
    "a*b",
    "a%20",
    "a\\b",
    "a@b",
    "a\u007f",
    "ä",
    "a\u2028",
    "ａ",
    "ſ",
    "🔑",
    "\ufeffa",
    "Bearer abc",
  ])("whose access_token is %j, which is no b64token, is refused without being shown", (access_token) => {
    const error = refusal({ ...ok, access_token });
    expect(error.message).toContain("access_token");
    if (access_token.length > 3) expect(error.message).not.toContain(access_token);
  });

  test.for(["Bearer", "bearer", "BEARER", "bEaReR"])("whose token_type is %s is taken", (token_type) => {
    expect(parse({ ...ok, token_type }).accessToken).toBe(opaque);
  });

  test("without a token_type is taken", () => {
    expect(parse({ ...ok, token_type: undefined }).accessToken).toBe(opaque);
  });

  test.for([
    "",
    "mac",
    "DPoP",
    "N_A",
    "Bearer ",
    " bearer",
    "Bearer\n",
    "bearers",
    "delegated",
    null,
    1,
    true,
    {},
    [],
    ["Bearer"],
  ])("whose token_type is %j is refused", (token_type) => {
    expect(refusal({ ...ok, token_type }).message).toContain("token_type");
  });

  test.for<[unknown, string | undefined]>([
    ["r", "r"],
    ["not supported", "not supported"],
    ["NOT_SUPPORTED", "NOT_SUPPORTED"],
    ["not_supported", undefined],
    ["", undefined],
    [null, undefined],
    [undefined, undefined],
  ])("with the refresh_token %j has %j", ([refresh_token, expected]) => {
    expect(parse({ ...ok, refresh_token }).refreshToken).toBe(expected);
  });

  test.for<[unknown, string | undefined]>([
    ["ibm openid", "ibm openid"],
    ["", ""],
    [null, undefined],
    [undefined, undefined],
  ])("with the scope %j has %j", ([scope, expected]) => {
    expect(parse({ ...ok, scope }).scope).toBe(expected);
  });

  test.for(["refresh_token", "scope"])("whose %s is not a string is refused", (name) => {
    for (const value of [1, 0, true, false, {}, [], ["a"]])
      expect(refusal({ ...ok, [name]: value }).message).toContain(name);
  });

  test.for<[object, string | undefined]>([
    [{ error: "invalid_grant" }, "invalid_grant"],
    [{ error: "invalid_grant", error_description: "the key k3y" }, "invalid_grant"],
    [{ errorCode: "BXNIM0415E", errorMessage: "Provided API key could not be found." }, "BXNIM0415E"],
    [{ error: "free text about k3y" }, undefined],
    [{ error: "" }, undefined],
    [{ error: false }, undefined],
    [{ error: { code: "x" } }, undefined],
    [{ error: null, errorCode: "BXNIM0415E" }, "BXNIM0415E"],
  ])("that holds the error %j is refused, token or not", ([members, errorCode]) => {
    for (const body of [members, { ...ok, ...members }]) {
      const error = refusal(body);
      expect(error).toMatchObject({ errorCode });
      expect(inspect(error)).not.toContain("k3y");
    }
  });

  test("whose members of an error are null has none", () => {
    expect(parse({ ...ok, error: null }).accessToken).toBe(opaque);
    expect(parse({ ...ok, errorCode: null }).accessToken).toBe(opaque);
    expect(parse({ ...ok, error: null, errorCode: null, errorMessage: null }).accessToken).toBe(opaque);
  });

  test("is not misled by the names of Object.prototype", () => {
    expect(parse(`{"access_token":"a","__proto__":{"error":"x","expires_in":5}}`).lifetimeMs).toBeUndefined();
    refusal(`{"__proto__":{"access_token":"a"}}`);
  });
});

const maxS = 367 * 86_400;

describe("the lifetime of a token", () => {
  test.for<[unknown, number]>([
    [1, 1],
    ["1", 1],
    ["0001", 1],
    [60, 60],
    ["3600", 3600],
    [5_184_000, 5_184_000],
    [maxS, maxS],
    [String(maxS), maxS],
  ])("with expires_in %j is %d s", ([expires_in, lifetimeS]) => {
    expect(parse({ ...ok, expires_in }).lifetimeMs).toBe(lifetimeS * 1000);
  });

  test("reads 3.6e3 and 3600.0 in JSON as the whole numbers they are", () => {
    for (const literal of ["3.6e3", "3600.0"])
      expect(parse(`{"access_token":"a","expires_in":${literal}}`).lifetimeMs).toBe(3_600_000);
  });

  test.for<unknown>([
    ...[0, -0, -1, -3600, 0.5, 3599.5, maxS + 1, 1e15, 1e308, Number.MAX_SAFE_INTEGER + 1],
    ...[
      "0",
      "-1",
      "+60",
      "60.0",
      "60.5",
      "6e1",
      "0x3c",
      " 60",
      "60 ",
      "60\n",
      "",
      "sixty",
      "NaN",
      "Infinity",
    ],
    ...[String(maxS + 1), "9".repeat(15), "9".repeat(16), "9".repeat(400), "６０", "60s", "PT1H"],
    ...[true, false, {}, [], [60], ["60"], { valueOf: 60 }],
  ])("cannot be told from expires_in %j: the response is refused", (expires_in) => {
    expect(refusal({ ...ok, expires_in }).message).toContain("lifetime");
  });

  test("cannot be told from an expires_in beyond what a double holds", () => {
    for (const literal of ["1e400", "-1e400"])
      expect(refusal(`{"access_token":"a","expires_in":${literal}}`).message).toContain("lifetime");
  });

  test("comes from expires_in before anything else", () => {
    const body = { access_token: jwt({ iat: 0, exp: 70 }), expires_in: 50, expiration: dateS + 60 };
    expect(parse(body, { date }).lifetimeMs).toBe(50_000);
    expect(parse({ ...body, expires_in: null }, { date }).lifetimeMs).toBe(60_000);
    expect(parse({ ...body, expires_in: null }).lifetimeMs).toBe(70_000);
    expect(parse({ ...body, expires_in: undefined, expiration: null }, { date }).lifetimeMs).toBe(70_000);
  });

  const withoutExpiresIn = { access_token: opaque };

  test.for<[unknown, number]>([
    [dateS + 1, 1],
    [String(dateS + 3600), 3600],
    [dateS + maxS, maxS],
  ])("is expiration %j less the date of the answer", ([expiration, lifetimeS]) => {
    expect(parse({ ...withoutExpiresIn, expiration }, { date }).lifetimeMs).toBe(lifetimeS * 1000);
  });

  test.for<unknown>([dateS, dateS - 1, 0, -1, dateS + maxS + 1, (dateS + 60) * 1000])(
    "cannot be told from expiration %j with that date: the response is refused",
    (expiration) => {
      expect(refusal({ ...withoutExpiresIn, expiration }, { date }).message).toContain("lifetime");
    },
  );

  test.for<unknown>(["soon", "", 1.5, "1.5", true, {}, [], "2026-01-01T00:00:00Z"])(
    "cannot be told from expiration %j with a date: the response is refused",
    (expiration) => {
      expect(refusal({ ...withoutExpiresIn, expiration }, { date }).message).toContain("lifetime");
    },
  );

  test.for([
    ["no date", undefined],
    ["an empty date", ""],
    ["a date that is none", "yesterday"],
    ["a number for a date", "5"],
    ["a date that HTTP does not have", "1994-11-06T08:49:37Z"],
    ["a date in a zone of its own", "Sun, 06 Nov 1994 08:49:37 +0100"],
    ["two dates", `${date}, ${date}`],
  ] as const)("is not told by expiration with %s, and the local clock is not asked", ([, given]) => {
    const headers = given === undefined ? {} : { date: given };
    const expiration = Math.floor(Date.now() / 1000) + 60;
    expect(parse({ ...withoutExpiresIn, expiration }, headers).lifetimeMs).toBeUndefined();
    expect(parse({ access_token: jwt({ iat: 0, exp: 70 }), expiration }, headers).lifetimeMs).toBe(70_000);
  });

  test.for<[unknown, number | undefined]>([
    [{ iat: 1000, exp: 1001 }, 1],
    [{ iat: 1000.5, exp: 1002 }, 1.5],
    [{ iat: 0, exp: maxS }, maxS],
    [{ iat: 1000, exp: 4600, name: "Ä 漢字" }, 3600],
    [{ exp: 4600 }, undefined],
    [{ iat: 4600 }, undefined],
    [{ iat: "1000", exp: "4600" }, undefined],
    [{ iat: null, exp: 4600 }, undefined],
    [{}, undefined],
    [[1000, 4600], undefined],
    ["text", undefined],
    [null, undefined],
  ])("of a JWT with the claims %j is %j s", ([claims, lifetimeS]) => {
    const expected = lifetimeS === undefined ? undefined : lifetimeS * 1000;
    expect(parse({ access_token: jwt(claims) }).lifetimeMs).toBe(expected);
  });

  test("of a JWT is read from base64url, not from base64", () => {
    const access_token = jwt({ iat: 1000, exp: 4600, name: "~~~???>>>" });
    expect(access_token).toMatch(/^\w+\.(?=.*-)(?=.*_)/);
    expect(parse({ access_token }).lifetimeMs).toBe(3_600_000);
  });

  test.for([
    { iat: 1000, exp: 1000 },
    { iat: 1001, exp: 1000 },
    { iat: 0, exp: maxS + 1 },
  ])("of a JWT with the claims %j cannot be told: the response is refused", (claims) => {
    expect(refusal({ access_token: jwt(claims) }).message).toContain("lifetime");
  });

  test.for([
    "abc",
    "a.b",
    "a.b.c",
    "..",
    ".",
    "a..c",
    "a.e30",
    "a.bm90IGpzb24.c",
    "a.e.c",
    "a.~~.c",
    "a.W10.c",
  ])("of the opaque token %s is unknown: usable until rejected", (access_token) => {
    expect(parse({ access_token }).lifetimeMs).toBeUndefined();
  });
});
