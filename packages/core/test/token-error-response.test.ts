import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { parseTokenErrorResponse, tokenResponse } from "../src/token-response.ts";

const date = "Sun, 06 Nov 1994 08:49:37 GMT";
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
    `${btoa('{"alg":"RS256"}')}.${btoa('{"sub":"somebody"}')}.c2ln`,
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
