import { createRemoteJWKSet, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { defaultServiceIdApiKey } from "../src/index.ts";
import { emulating, jsonOf, post, tokenOf } from "./emulating.ts";

const keysOf = async (url: string) => {
  const { keys } = await jsonOf(await fetch(`${url}/identity/keys`));
  return Array.isArray(keys) ? keys : [];
};

describe("the published keys", () => {
  test("have exactly kty, n, e, alg and kid, and are named by their minute of birth", async () => {
    const emulator = await emulating({ now: () => Date.UTC(2026, 4, 16, 8, 44) });
    const keys = await keysOf(emulator.url);
    expect(keys).toEqual([
      { kty: "RSA", n: expect.stringMatching(/^[\w-]{300,}$/), e: "AQAB", alg: "RS256", kid: "202605160844" },
    ]);
  });

  test("after a rotation list the new one first; tokens of the old one still verify", async () => {
    const emulator = await emulating();
    const token = await tokenOf(emulator);
    const kids = [await emulator.rotateKeys(), await emulator.rotateKeys()];
    const published = (await keysOf(emulator.url)).map((key) => key.kid);
    expect(published.slice(0, 2)).toEqual(kids.toReversed());
    expect(new Set(published).size).toBe(3);
    const jwks = createRemoteJWKSet(new URL(`${emulator.url}/identity/keys`));
    await jwtVerify(token, jwks);
    const { protectedHeader } = await jwtVerify(await tokenOf(emulator), jwks);
    expect(protectedHeader.kid).toBe(kids[1]);
  });

  test("can lose the old ones, whose tokens are refused from then on", async () => {
    const emulator = await emulating();
    const token = await tokenOf(emulator);
    await emulator.rotateKeys({ dropOld: true });
    expect(await keysOf(emulator.url)).toHaveLength(1);
    expect(await jsonOf(await post(`${emulator.url}/identity/introspect`, { token }))).toEqual({
      active: false,
    });
  });
});

describe("discovery", () => {
  test("names the global issuer and the endpoints of the origin that was asked", async () => {
    const { url } = await emulating();
    const document = await jsonOf(await fetch(`${url}/identity/.well-known/openid-configuration`));
    expect(document).toMatchObject({
      issuer: "https://iam.cloud.ibm.com/identity",
      authorization_endpoint: `${url}/identity/authorize`,
      token_endpoint: `${url}/identity/token`,
      passcode_endpoint: `${url}/identity/passcode`,
      userinfo_endpoint: `${url}/identity/userinfo`,
      jwks_uri: `${url}/identity/keys`,
      id_token_signing_alg_values_supported: ["RS256"],
    });
    expect(Object.keys(document)).toHaveLength(13);
  });

  test("can name another host for tokens, and an issuer of one's own", async () => {
    const issuer = (origin: string) => `${origin}/identity`;
    const emulator = await emulating({ tokenEndpointOrigin: "https://identity-2.example", issuer });
    const document = await jsonOf(await fetch(`${emulator.url}/identity/.well-known/openid-configuration`));
    expect(document.token_endpoint).toBe("https://identity-2.example/identity/token");
    expect(document.issuer).toBe(`${emulator.url}/identity`);
    const jwks = createRemoteJWKSet(new URL(`${emulator.url}/identity/keys`));
    await jwtVerify(await tokenOf(emulator), jwks, { issuer: `${emulator.url}/identity` });
  });
});

describe("introspection", () => {
  test("gives the claims of an active token, and nothing of any other", async () => {
    const emulator = await emulating();
    const at = `${emulator.url}/identity/introspect`;
    const token = await tokenOf(emulator);
    expect(await jsonOf(await post(at, { token, grant_type: "x" }))).toMatchObject({
      active: true,
      iam_id: "IBMid-270000EMUL",
      account: { bss: "0123456789abcdef0123456789abcdef" },
    });
    emulator.clock.advance(3_600_000);
    expect(await jsonOf(await post(at, { token }))).toEqual({ active: false });
    expect(await jsonOf(await post(at, { token: "nonsense" }))).toEqual({ active: false });
    expect(await jsonOf(await post(at, {}))).toMatchObject({ errorCode: "BXNIM0109E" });
  });

  test("takes an API key too", async () => {
    const emulator = await emulating();
    const at = `${emulator.url}/identity/introspect`;
    const known = await jsonOf(await post(at, { apikey: defaultServiceIdApiKey }));
    expect(known).toMatchObject({ active: true, sub_type: "ServiceId" });
    emulator.apiKeys.disable(defaultServiceIdApiKey);
    expect(await jsonOf(await post(at, { apikey: defaultServiceIdApiKey }))).toEqual({ active: false });
    expect(await jsonOf(await post(at, { apikey: "unknown" }))).toEqual({ active: false });
  });

  test("is indented when pretty", async () => {
    const emulator = await emulating();
    const response = await post(`${emulator.url}/identity/introspect?pretty=true`, { token: "nonsense" });
    expect(await response.text()).toBe('{\n  "active": false\n}');
  });
});

test("userinfo is 200 with active false for a token that is not good", async () => {
  const emulator = await emulating();
  const ask = (headers: Record<string, string>) => fetch(`${emulator.url}/identity/userinfo`, { headers });
  const good = await ask({ authorization: `Bearer ${await tokenOf(emulator)}` });
  expect(await jsonOf(good)).toMatchObject({
    active: true,
    iam_id: "IBMid-270000EMUL",
    email: "ada@example.com",
  });
  for (const headers of [{}, { authorization: "Bearer nonsense" }]) {
    const bad = await ask(headers);
    expect([bad.status, await jsonOf(bad)]).toEqual([200, { active: false }]);
  }
});

test("an unknown path is 404, a wrong method 405", async () => {
  const { url } = await emulating();
  expect((await fetch(`${url}/nowhere`)).status).toBe(404);
  expect((await fetch(`${url}//identity/token`)).status).toBe(404);
  expect((await fetch(`${url}/_emulator/state`)).status).toBe(404);
  expect((await fetch(`${url}/identity/keys`, { method: "POST" })).status).toBe(405);
  expect((await fetch(`${url}/identity/introspect`)).status).toBe(405);
});

test("issueToken makes tokens with any claims and any lifetime", async () => {
  const emulator = await emulating();
  const token = await emulator.issueToken({ lifetimeS: -10, claims: { aud: "me", email: undefined } });
  const jwks = createRemoteJWKSet(new URL(`${emulator.url}/identity/keys`));
  await expect(jwtVerify(token.value, jwks)).rejects.toThrow("exp");
  const { payload } = await jwtVerify(token.value, jwks, { clockTolerance: 60 });
  expect(payload.aud).toBe("me");
  expect(payload).not.toHaveProperty("email");
});
