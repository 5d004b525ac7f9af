import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { TokenEndpointError } from "../src/errors.ts";
import { parseTokenErrorResponse, parseTokenResponse, tokenResponse } from "../src/token-response.ts";
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

const endpoint = "https://iam.example.com/identity/token";

function errorOf(status: number, body = "", headers: Record<string, string> = {}) {
  const response = tokenResponse({ status, body, ...headers });
  return parseTokenErrorResponse(response, endpoint, 0);
}

describe("an answer of the token endpoint", () => {
  test.for([200, 201, 204, 299])("with status %d is no error", (status) => {
    expect(errorOf(status, '{"errorCode":"BXNIM0415E"}')).toBeUndefined();
  });

  test("with any other status is an error by the class of its status", () => {
    for (let status = 400; status <= 599; status++) {
      const retryable = status === 408 || status === 429 || (status >= 500 && status !== 501);
      const code = retryable ? "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE" : "ERR_IAM_TOKEN_ENDPOINT_REFUSED";
      expect(errorOf(status)).toMatchObject({ status, code, retryable, errorCode: undefined });
      // Not the code in the body: a list of codes is never complete.
      expect(errorOf(status, '{"errorCode":"BXNIM0415E"}')).toMatchObject({ status, code, retryable });
    }
  });

  test.for([0, 300, 301, 302, 303, 304, 307, 308, 399])(
    "with status %d is a redirect, which is refused",
    (status) => {
      const error = errorOf(status, "", { retryAfter: "1" });
      expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED", status, retryable: false });
      expect(error?.retryAfterMs).toBeUndefined();
      expect(error?.message).toContain("redirect");
      expect(error?.message).toContain("tokenEndpoint");
    },
  );

  test.for([100, 101, 199, Number.NaN, -1])("with the odd status %d is refused", (status) => {
    expect(errorOf(status)).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED", retryable: false });
  });

  test("names the endpoint, the status, the code and the transaction, and what to do", () => {
    const body = JSON.stringify({
      errorCode: "BXNIM0415E",
      errorMessage: "Provided API key could not be found.",
      context: { requestId: "x", clientIp: "192.0.2.1" },
    });
    const transactionId = "bjdneHM-3163d971302b4d18b9ef924a6451dc43";
    const error = errorOf(400, body, { transactionId });
    expect(error).toMatchObject({ status: 400, errorCode: "BXNIM0415E", transactionId });
    for (const text of [endpoint, "400", "BXNIM0415E", transactionId, "API key", "not found", "iam/apikeys"])
      expect(error?.message).toContain(text);
    expect(inspect(error)).not.toContain("192.0.2.1");
  });

  test.for<[string, string | undefined]>([
    ['{"errorCode":"BXNIM0109E","errorMessage":"Property missing or empty."}', "BXNIM0109E"],
    ['{"error":"invalid_client"}', "invalid_client"],
    ['{"error":"invalid_grant","error_description":"unknown"}', "invalid_grant"],
    ['{"error":"unsupported_grant_type"}', "unsupported_grant_type"],
    ['{"errors":[{"code":"missing_value","message":"x"}],"status_code":400,"trace":"t"}', "missing_value"],
    ['{"errors":[{"code":"profile_not_linked"}]}', "profile_not_linked"],
    ['{"errors":[{"code":"unauthenticated"}]}', "unauthenticated"],
    ['{"errors":[{"code":"unauthorized"}]}', "unauthorized"],
    ['{"errorCode":null,"error":null,"errors":[{"code":"not_found"}]}', "not_found"],
    ['{"errors":[]}', undefined],
    ['{"errors":[null]}', undefined],
    ['{"errors":["not_found"]}', undefined],
    ['{"errors":[{"code":404}]}', undefined],
    ["", undefined],
    ["<html>502 Bad Gateway</html>", undefined],
    ["[]", undefined],
    ["null", undefined],
    ['"invalid_client"', undefined],
    ["{", undefined],
  ])("with the body %s has the code %j", ([body, errorCode]) => {
    expect(errorOf(400, body)).toMatchObject({ errorCode });
    expect(errorOf(503, body)).toMatchObject({ errorCode });
  });

  const key = "Qw3-kEy_that-nobody-may-see-0123456789abcdef";
  test.for<unknown>([
    key,
    `invalid_client ${key}`,
    "invalid client",
    "invalid_client\n",
    "\ninvalid_client",
    "INVALID_CLIENT",
    "invalid-client",
    "BXNIM0415E: Provided API key could not be found.",
    "BXNIM04155E",
    "BXNIM0415",
    "bxnim0415e",
    "XBXNIM0415E",
    "__proto__",
    "constructor",
    "toString",
    "a_b_c_d_e_f_g",
    `invalid_${"x".repeat(80)}`,
    eyJ(),
    415,
    true,
    { code: "x" },
    ["invalid_client"],
  ])("does not echo the hostile code %j", (code) => {
    for (const body of [{ errorCode: code }, { error: code }, { errors: [{ code }] }]) {
      const error = errorOf(400, JSON.stringify(body));
      expect(error?.errorCode).toBeUndefined();
      if (typeof code === "string") expect(inspect(error)).not.toContain(`, ${code}`);
    }
  });

  test.for<[string, boolean]>([
    ["bjdneHM-3163d971302b4d18b9ef924a6451dc43", true],
    ["a", true],
    ["a.b_c-D9", true],
    ["x".repeat(80), true],
    ["x".repeat(81), false],
    ["", false],
    ["two words", false],
    ["id\nsecond line", false],
    ["id\n", false],
    ["<script>", false],
    ['id"', false],
    ["apikey=abc", false],
    ["\u001b[31m", false],
    ["ü", false],
  ])("with the transaction id %j keeps it: %s", ([transactionId, kept]) => {
    const error = errorOf(400, "", { transactionId });
    expect(error?.transactionId).toBe(kept ? transactionId : undefined);
    if (!kept && transactionId !== "") expect(error?.message).not.toContain(transactionId);
  });

  test("holds nothing of the body", () => {
    const body = JSON.stringify({
      errorCode: "BXNIM0415E",
      errorMessage: key,
      errorDetails: key,
      access_token: key,
      [key]: key,
      context: { url: key },
      requirements: { code: key, error: key },
    });
    for (const status of [302, 400, 401, 404, 429, 500, 501])
      expect(inspect(errorOf(status, body), { depth: Infinity, showHidden: true })).not.toContain(key);
  });

  test.for<[number, RegExp]>([
    [404, /tokenEndpoint/],
    [405, /tokenEndpoint/],
    [400, /credentials/],
    [401, /credentials/],
    [429, /too many/],
    [503, /later/],
  ])("with status %d and no code says what to look at", ([status, words]) => {
    expect(errorOf(status)?.message).toMatch(words);
  });

  test("with the code of an unknown key says something of its own", () => {
    const advice = (errorCode: string) =>
      errorOf(400, JSON.stringify({ errorCode }))?.message.replace(errorCode, "");
    expect(advice("BXNIM0415E")).not.toBe(advice("BXNIM9999E"));
  });

  test("says when to come back, for what may pass and nothing else", () => {
    const headers = { retryAfter: "7" };
    for (const status of [408, 429, 500, 503]) expect(errorOf(status, "", headers)?.retryAfterMs).toBe(7000);
    for (const status of [400, 401, 404, 501, 302])
      expect(errorOf(status, "", headers)?.retryAfterMs).toBeUndefined();
    expect(errorOf(429)?.retryAfterMs).toBeUndefined();
    const dated = { retryAfter: "Sun, 06 Nov 1994 08:49:47 GMT", date };
    expect(errorOf(429, "", dated)?.retryAfterMs).toBe(10_000);
  });
});

function eyJ(): string {
  return jwt({ sub: "somebody" });
}
