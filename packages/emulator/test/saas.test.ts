import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { defaultPassword, defaultServiceIdApiKey, defaultUser, type RunningEmulator } from "../src/index.ts";
import { askResource, emulating, type Json, jsonOf } from "./emulating.ts";

function send(emulator: RunningEmulator, path: string, body: unknown): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return fetch(emulator.url + path, { method: "POST", headers, body: JSON.stringify(body) });
}

async function claimsOf(emulator: RunningEmulator, { token }: Json) {
  const { keys } = await jsonOf(await fetch(`${emulator.url}/identity/keys`));
  const [key] = Array.isArray(keys) ? keys : [];
  // These services publish their keys elsewhere, by thumbprint.
  const jwks = createLocalJWKSet({ keys: [{ ...key, kid: decodeProtectedHeader(String(token)).kid }] });
  const { payload } = await jwtVerify(String(token), jwks, { currentDate: new Date(emulator.clock.now()) });
  return payload;
}

describe("the SaaS console", () => {
  const paths = {
    v1: "/siusermgr/api/1.0/apikeys/token",
    v2: "/api/2.0/accounts/a1/apikeys/token?includeBuiltinActions=false&prefixRolesWithDefinitionScope=false",
    aws: "/api/2.0/apikeys/token",
  };

  test.for([
    ["v1", "/siusermgr/api/1.0", ["token", "token_type", "expires_in"]],
    ["v2", "/account-iam/api/2.0", ["token", "token_type", "expires_in", "expiration"]],
    ["aws", "/account-iam/api/2.0", ["token"]],
  ] as const)("%s gives a token of two hours for an API key", async ([version, issuer, members]) => {
    const emulator = await emulating();
    const body = await jsonOf(await send(emulator, paths[version], { apikey: emulator.apiKey }));
    expect(Object.keys(body)).toEqual(members);
    if (version !== "aws") expect(body).toMatchObject({ token_type: "Bearer", expires_in: 7200 });
    const claims = await claimsOf(emulator, body);
    expect(claims).toMatchObject({ iss: emulator.url + issuer, aud: expect.stringMatching(/^ACCOUNT\//) });
    expect([Number(claims.exp) - Number(claims.iat), Number(claims.iat) - Number(claims.nbf)]).toEqual([
      7200, 30,
    ]);
    expect(decodeProtectedHeader(String(body.token)).kid).toMatch(/^[\w-]{43}$/);
    expect(await jsonOf(await askResource(emulator.url, String(body.token)))).toMatchObject({
      iam_id: defaultUser.iamId,
    });
    expect(emulator.counters).toMatchObject({ tokenRequests: 1, grants: 1 });
  });

  test("refuses an unknown key, and no key", async () => {
    const emulator = await emulating();
    for (const body of [{ apikey: "unknown" }, {}])
      expect((await send(emulator, paths.v1, body)).status).toBe(401);
    emulator.apiKeys.disable(emulator.apiKey);
    expect((await send(emulator, paths.v1, { apikey: emulator.apiKey })).status).toBe(401);
    expect(emulator.counters).toMatchObject({ refusals: 3, grants: 0 });
  });

  test("knows three kinds of scope", async () => {
    const emulator = await emulating();
    const status = async (scope: string) =>
      (await send(emulator, `/api/2.0/${scope}/1/apikeys/token`, { apikey: emulator.apiKey })).status;
    expect([await status("subscriptions"), await status("services"), await status("others")]).toEqual([
      200, 200, 404,
    ]);
  });

  test("follows the emulator's lifetime when it was changed", async () => {
    const emulator = await emulating({ expiresInS: 60 });
    const body = await jsonOf(await send(emulator, paths.v2, { apikey: emulator.apiKey }));
    expect(body.expires_in).toBe(60);
  });

  test("logs the API key as a fingerprint", async () => {
    const emulator = await emulating();
    await send(emulator, paths.v1, { apikey: emulator.apiKey, callerExtClaim: { a: 1 } });
    expect(JSON.stringify(emulator.log)).not.toContain(emulator.apiKey);
    expect(emulator.log[0]?.fields).toMatchObject({
      apikey: expect.stringMatching(/^\[redacted\] [0-9a-f]{12}$/),
    });
  });

  test("has faults of its own", async () => {
    const emulator = await emulating();
    const ask = async () => jsonOf(await send(emulator, paths.v1, { apikey: emulator.apiKey }));
    emulator.fault({ kind: "bad-token", flaw: "line-break" }, { target: "mcsp" });
    expect((await ask()).token).toMatch(/\n/);
    emulator.fault({ kind: "no-token" }, { target: "mcsp" });
    expect(await ask()).not.toHaveProperty("token");
    emulator.fault({ kind: "status", status: 503 }, { target: "mcsp" });
    expect(await ask()).toEqual({ message: "HTTP 503" });
  });
});

describe("Cloud Pak for Data", () => {
  const username = defaultUser.email;

  test.for(["/v1/authorize", "/icp4d-api/v1/authorize"])(
    "at %s takes a password or an API key",
    async (path) => {
      const emulator = await emulating();
      for (const secret of [{ password: defaultPassword }, { api_key: emulator.apiKey }]) {
        const body = await jsonOf(await send(emulator, path, { username, ...secret }));
        expect(body).toEqual({ _messageCode_: "200", message: "Success", token: expect.any(String) });
        const claims = await claimsOf(emulator, body);
        expect(claims).toMatchObject({ iss: "KNOXSSO", aud: "DSX" });
        expect(Number(claims.exp) - Number(claims.iat)).toBe(43_164);
      }
    },
  );

  test.for([
    { username, password: "wrong" },
    { username, api_key: defaultServiceIdApiKey },
    { username: "nobody@example.com", password: defaultPassword },
    { username },
    {},
  ])("refuses %o", async (body) => {
    const emulator = await emulating();
    expect((await send(emulator, "/v1/authorize", body)).status).toBe(401);
  });
});
