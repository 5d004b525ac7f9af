import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { defaultServiceIdApiKey, defaultUserApiKey, iamErrors } from "../src/index.ts";
import { apiKeyGrantType, askToken, basic, emulating, jsonOf, objectAt, post } from "./emulating.ts";

describe("a grant", () => {
  test("answers exactly the members and headers of IAM", async () => {
    const emulator = await emulating();
    const response = await askToken(emulator);
    expect(response.status).toBe(200);
    const body = await jsonOf(response);
    expect(Object.keys(body).sort()).toEqual(
      [
        ...["access_token", "refresh_token", "ims_user_id", "token_type"],
        ...["expires_in", "expiration", "scope"],
      ].sort(),
    );
    expect(body).toMatchObject({ token_type: "Bearer", refresh_token: "not_supported", scope: "ibm openid" });
    expect(Number(body.expiration) - Number(body.expires_in)).toBeCloseTo(Date.now() / 1000, -1);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("content-language")).toBe("en-US");
    expect(response.headers.get("vary")).toBe("Accept-Encoding");
    expect(response.headers.get("cache-control")).toContain("no-store");
    expect(response.headers.get("strict-transport-security")).toBe("max-age=31536000; includeSubDomains");
    expect(response.headers.get("transaction-id")).toMatch(/^[A-Za-z0-9+/]{7}-[0-9a-f]{32}$/);
  });

  test("for a user's key holds a JWT with the claims of a user, verifiable from the published keys", async () => {
    const emulator = await emulating();
    const { access_token } = await jsonOf(await askToken(emulator));
    const jwks = createRemoteJWKSet(new URL(`${emulator.url}/identity/keys`));
    const { payload, protectedHeader } = await jwtVerify(String(access_token), jwks, {
      issuer: "https://iam.cloud.ibm.com/identity",
    });
    expect(Object.keys(protectedHeader).sort()).toEqual(["alg", "kid"]);
    expect(protectedHeader.kid).toMatch(/^\d{12}$/);
    expect(payload).toEqual({
      iam_id: "IBMid-270000EMUL",
      id: "IBMid-270000EMUL",
      realmid: "IBMid",
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      identifier: "270000EMUL",
      given_name: "Ada",
      family_name: "Byron",
      name: "Ada Byron",
      email: "ada@example.com",
      sub: "ada@example.com",
      authn: {
        sub: "ada@example.com",
        iam_id: "IBMid-270000EMUL",
        name: "Ada Byron",
        given_name: "Ada",
        family_name: "Byron",
        email: "ada@example.com",
      },
      account: { valid: true, bss: "0123456789abcdef0123456789abcdef", frozen: true },
      iat: expect.any(Number),
      exp: Number(payload.iat) + 3600,
      iss: "https://iam.cloud.ibm.com/identity",
      grant_type: apiKeyGrantType,
      scope: "ibm openid",
      client_id: "default",
      acr: 1,
      amr: ["pwd"],
    });
  });

  test("for a service ID's key holds the claims of a service ID, and no ims_user_id", async () => {
    const emulator = await emulating();
    const body = await jsonOf(
      await post(emulator.url, { grant_type: apiKeyGrantType, apikey: defaultServiceIdApiKey }),
    );
    expect(body).not.toHaveProperty("ims_user_id");
    const { payload } = await jwtVerify(
      String(body.access_token),
      createRemoteJWKSet(new URL(`${emulator.url}/identity/keys`)),
    );
    const id = "ServiceId-5e8bd0ab-0c5e-4c3e-9a4f-6f6d2f3c1b7a";
    expect(payload).toMatchObject({
      iam_id: `iam-${id}`,
      realmid: "iam",
      identifier: id,
      sub: id,
      name: "ci",
    });
    expect(payload).toMatchObject({
      sub_type: "ServiceId",
      authn: { sub_type: "ServiceId", iam_id: `iam-${id}` },
    });
    expect(payload).not.toHaveProperty("email");
  });

  test("with client authentication names the client and holds a refresh token", async () => {
    const emulator = await emulating({ clients: [{ id: "own", secret: "s:é" }] });
    const body = await jsonOf(await askToken(emulator, basic("own", "s:é")));
    expect(body.refresh_token).not.toBe("not_supported");
    expect(decodePayload(String(body.access_token)).client_id).toBe("own");
    expect((await askToken(emulator, basic("bx", "bx"))).status).toBe(200);
    expect((await askToken(emulator, basic("cf", ""))).status).toBe(200);
  });

  test.for(["%20", "+"])("reads a space written as %s", async (space) => {
    const emulator = await emulating({ apiKeys: ["two words"] });
    const body = `grant_type=${encodeURIComponent(apiKeyGrantType)}&apikey=two${space}words`;
    expect((await post(emulator.url, body)).status).toBe(200);
  });

  test("tolerates empty and unknown fields, and an API key as client_id", async () => {
    const emulator = await emulating();
    const odd = { redirect_uri: "", refresh_token: "", client_id: emulator.apiKey, nonsense: "1" };
    const response = await post(emulator.url, {
      grant_type: apiKeyGrantType,
      apikey: emulator.apiKey,
      ...odd,
    });
    expect(response.status).toBe(200);
  });

  test("takes parameters from the query, and from the form when both have one", async () => {
    const emulator = await emulating();
    const query = new URLSearchParams({ grant_type: apiKeyGrantType, apikey: "unknown" });
    const url = `${emulator.url}/identity/token?${query}`;
    expect((await jsonOf(await post(url, ""))).errorCode).toBe("BXNIM0415E");
    expect((await post(url, { apikey: emulator.apiKey })).status).toBe(200);
  });

  test.for(["cloud_iam", "cloud_iam,ims_portal", "ims_portal cloud_iam", " , "])(
    "takes the response_type '%s'",
    async (response_type) => {
      const emulator = await emulating();
      const fields = { grant_type: apiKeyGrantType, apikey: emulator.apiKey, response_type };
      expect((await post(emulator.url, fields)).status).toBe(200);
    },
  );

  test("echoes the caller's transaction id", async () => {
    const emulator = await emulating();
    const response = await askToken(emulator, { "transaction-id": "mine-1" });
    expect(response.headers.get("transaction-id")).toBe("mine-1");
  });

  test("lives as long as the settings say, also when they change", async () => {
    const emulator = await emulating({ expiresInS: 90 });
    expect((await jsonOf(await askToken(emulator))).expires_in).toBe(90);
    emulator.configure({ expiresInS: 25 });
    const { expires_in, access_token } = await jsonOf(await askToken(emulator));
    const { iat, exp } = decodePayload(String(access_token));
    expect([expires_in, Number(exp) - Number(iat)]).toEqual([25, 25]);
  });
});

describe("a refusal", () => {
  const fine = { grant_type: apiKeyGrantType, apikey: defaultUserApiKey };
  const details = (name: string) => `Property '${name}' either missing or empty.`;
  test.for<[string, Record<string, string>, Record<string, string>, string, string | undefined]>([
    ["no fields", {}, {}, "BXNIM0109E", details("grant_type")],
    ["an empty grant_type", { grant_type: "" }, {}, "BXNIM0109E", details("grant_type")],
    ["no apikey", { grant_type: apiKeyGrantType }, {}, "BXNIM0109E", details("apikey")],
    ["an empty apikey", { grant_type: apiKeyGrantType, apikey: "" }, {}, "BXNIM0109E", details("apikey")],
    ["an unknown grant", { grant_type: "nonsense" }, {}, "BXNIM0106E", undefined],
    ["a grant named like a member of Object", { grant_type: "toString" }, {}, "BXNIM0106E", undefined],
    ["an unknown key", { ...fine, apikey: "unknown" }, {}, "BXNIM0415E", undefined],
    ["response_type uaa", { ...fine, response_type: "cloud_iam uaa" }, {}, "BXNIM0106E", undefined],
    ["an unknown client", fine, basic("bogus", "bogus"), "BXNIM0310E", undefined],
    ["a wrong client secret", fine, basic("bx", "wrong"), "BXNIM0310E", undefined],
    ["broken client credentials", fine, { authorization: "Basic §§" }, "BXNIM0310E", undefined],
    ["a secret without a client", fine, basic("", ""), "BXNIM0310E", undefined],
  ])("for %s has the code and status of IAM", async ([, fields, headers, code, errorDetails]) => {
    const emulator = await emulating();
    const response = await post(emulator.url, fields, headers);
    const body = await jsonOf(response);
    expect(body).toMatchObject({ errorCode: code });
    expect(response.status).toBe(Object.entries(iamErrors).find(([name]) => name === code)?.[1].status);
    expect(body.errorDetails).toBe(errorDetails);
  });

  test("names the valid values of a property that failed validation", async () => {
    const emulator = await emulating();
    const { errorMessage } = await jsonOf(await post(emulator.url, { ...fine, response_type: "uaa" }));
    expect(errorMessage).toBe(
      "Validation of property 'response_type' with value 'uaa' failed. Valid values: 'cloud_iam'",
    );
  });

  test("has every member of context as a string, and the headers of IAM", async () => {
    const emulator = await emulating();
    emulator.clock.freeze(Date.UTC(2026, 4, 16, 16, 18, 48, 400));
    const response = await post(emulator.url, {}, { "user-agent": "tester/1" });
    const context = objectAt(await jsonOf(response), "context");
    const instanceId = String(context.instanceId);
    expect(context).toEqual({
      requestId: response.headers.get("transaction-id"),
      requestType: "incoming.Identity_Token",
      userAgent: "tester/1",
      clientIp: "127.0.0.1",
      url: emulator.url,
      instanceId: expect.stringMatching(/^iamid-/),
      threadId: expect.stringMatching(/^[0-9a-f]+$/),
      host: instanceId,
      startTime: "16.05.2026 16:18:48:400 UTC",
      endTime: "16.05.2026 16:18:48:400 UTC",
      elapsedTime: "0",
      locale: "en_US",
      clusterName: expect.any(String),
    });
    const tail = instanceId.slice(instanceId.lastIndexOf("-") + 1);
    const [head = "", digits = ""] = String(context.requestId).split("-");
    expect(Buffer.from(head, "base64").toString()).toBe(tail);
    expect(head).not.toContain("=");
    expect(digits).toMatch(/^[0-9a-f]{32}$/);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "x-content-type-options": "nosniff",
      "ibm-cloud-service-name": "iam-identity",
      "x-correlation-id": context.requestId,
      "x-request-id": expect.stringMatching(/^[0-9a-f-]{36}$/),
      "cache-control": "no-cache, no-store, must-revalidate",
      expires: "0",
      pragma: "no-cache",
      "content-type": "application/json",
      "content-language": "en-US",
    });
  });

  test("of GET is 405 without context", async () => {
    const emulator = await emulating();
    const response = await fetch(`${emulator.url}/identity/token`);
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST");
    const body = await jsonOf(response);
    expect(body).toMatchObject({ errorCode: "BXNIM0060E", errorDetails: "HTTP 405 Method Not Allowed" });
    expect(body).not.toHaveProperty("context");
  });

  test("follows the state of a key: disabled, enabled, expired, deleted, added", async () => {
    const emulator = await emulating();
    const code = async () => (await jsonOf(await askToken(emulator))).errorCode;
    emulator.apiKeys.disable(emulator.apiKey);
    expect(await code()).toBe("BXNIM0462E");
    emulator.apiKeys.enable(emulator.apiKey);
    expect(await code()).toBeUndefined();
    emulator.apiKeys.add({ key: emulator.apiKey, expiresAt: emulator.clock.now() + 60_000 });
    expect(await code()).toBeUndefined();
    emulator.clock.advance(60_000);
    expect(await code()).toBe("BXNIM9001E");
    emulator.apiKeys.delete(emulator.apiKey);
    expect(await code()).toBe("BXNIM0415E");
    emulator.apiKeys.add(emulator.apiKey);
    expect(await code()).toBeUndefined();
    expect(() => emulator.apiKeys.disable("unknown")).toThrow("No such API key");
  });
});

test("a form without a length, or that does not say it is one, is not read", async () => {
  const emulator = await emulating();
  const form = `grant_type=${apiKeyGrantType}&apikey=${emulator.apiKey}`;
  const stream: RequestInit & { duplex: "half" } = {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new Blob([form]).stream(),
    duplex: "half",
  };
  const chunked = await fetch(`${emulator.url}/identity/token`, stream);
  expect((await jsonOf(chunked)).errorCode).toBe("BXNIM0109E");
  const json = await post(emulator.url, form, { "content-type": "application/json" });
  expect((await jsonOf(json)).errorCode).toBe("BXNIM0109E");
});

function decodePayload(token: string): Record<string, unknown> {
  expect(decodeProtectedHeader(token).alg).toBe("RS256");
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}
