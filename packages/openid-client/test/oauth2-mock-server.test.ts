import { findSecret } from "@iam/conformance";
import { isIamError } from "@iam/core";
import { Events } from "oauth2-mock-server";
import { ClientSecretBasic } from "openid-client";
import { describe, expect, test } from "vitest";
import { openidGrant, openidTransport } from "../src/index.ts";
import { jwtBearer, managerOf, oauth2MockServer } from "./servers.ts";

async function managed(
  grantType = "client_credentials",
  parameters: Record<string, string> = { scope: "read" },
) {
  const { server, client, issuer } = await oauth2MockServer();
  const configuration = await client("program", ClientSecretBasic("secret"));
  const transport = openidTransport(configuration);
  const manager = managerOf(openidGrant(configuration, grantType, parameters), {
    transport,
    tokenEndpoint: issuer,
  });
  return { server, manager };
}

describe("oauth2-mock-server", () => {
  test("gives a token by client credentials", async () => {
    const { manager } = await managed();
    const { accessToken, scope, expiresAt = 0, obtainedAt } = await manager.getToken();
    const claims = JSON.parse(Buffer.from(accessToken.split(".")[1] ?? "", "base64url").toString());
    expect([scope, claims.scope]).toEqual(["read", "read"]);
    expect(expiresAt - obtainedAt).toBe(3_600_000);
  });

  test("gives a token by JWT bearer", async () => {
    const { server, client } = await oauth2MockServer();
    const configuration = await client("program", ClientSecretBasic("secret"));
    const forAda = (_header: unknown, payload: Record<string, unknown>) =>
      void Object.assign(payload, { sub: "ada" });
    const assertion = async () => ({
      assertion: await server.issuer.buildToken({ scopesOrTransform: forAda }),
      scope: "read",
    });
    const transport = openidTransport(configuration);
    const { accessToken } = await managerOf(openidGrant(configuration, jwtBearer, assertion), {
      transport,
    }).getToken();
    const claims = JSON.parse(Buffer.from(accessToken.split(".")[1] ?? "", "base64url").toString());
    expect(claims).toMatchObject({ sub: "ada", scope: "read" });
  });

  test("gives a token by password", async () => {
    const { manager } = await managed("password", { username: "ada", password: "hers", scope: "read" });
    const { accessToken } = await manager.getToken();
    const claims = JSON.parse(Buffer.from(accessToken.split(".")[1] ?? "", "base64url").toString());
    expect(claims.sub).toBe("ada");
  });

  test("refuses a grant that it does not know", async () => {
    const { manager } = await managed("urn:example:unknown", {});
    await expect(manager.getToken()).rejects.toMatchObject({
      code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
      status: 400,
    });
  });
});

describe("an odd answer of oauth2-mock-server", () => {
  const token = "canary-token-0123456789";
  const good = { access_token: token, token_type: "Bearer", expires_in: 60 };
  const invalid = "ERR_IAM_TOKEN_RESPONSE_INVALID";
  const idToken = `${btoa('{"alg":"none"}')}.${btoa("{}")}.`.replaceAll("=", "");

  test.each<[string, number, unknown, object]>([
    // Refused by core, though openid-client takes them.
    [
      "an error in a 200",
      200,
      { ...good, error: "invalid_grant" },
      { code: invalid, errorCode: "invalid_grant" },
    ],
    [
      "IAM's error in a 200",
      200,
      { ...good, errorCode: "BXNIM0415E" },
      { code: invalid, errorCode: "BXNIM0415E" },
    ],
    ["a token that no header can carry", 200, { ...good, access_token: `${token}\n` }, { code: invalid }],
    ["a token of DPoP", 200, { ...good, token_type: "DPoP" }, { code: invalid }],
    ["an endless life", 200, { ...good, expires_in: 1e12 }, { code: invalid }],
    // Refused by openid-client, though core takes them.
    ["an ID token that nobody signed", 200, { ...good, id_token: idToken }, { code: invalid, status: 200 }],
    ["no token_type", 200, { ...good, token_type: undefined }, { code: invalid, status: 200 }],
    ["a status of 201", 201, good, { code: invalid, status: 201 }],
    // Refused by both.
    ["no token", 200, { ...good, access_token: undefined }, { code: invalid }],
    ["a token that is a number", 200, { ...good, access_token: 42 }, { code: invalid }],
    ["a list", 200, [good], { code: invalid }],
    // Refusals of the server.
    [
      "a refusal of RFC 6749",
      400,
      { error: "invalid_grant", error_description: token },
      { status: 400, errorCode: "invalid_grant" },
    ],
    [
      "a refusal of IAM",
      400,
      { errorCode: "BXNIM0415E", errorMessage: token },
      { status: 400, errorCode: "BXNIM0415E" },
    ],
    [
      "a refusal of the client",
      401,
      { error: "invalid_client" },
      { status: 401, errorCode: "invalid_client" },
    ],
    ["a refusal without a reason", 403, { token }, { status: 403, errorCode: undefined }],
    ["too many requests", 429, { token }, { code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", status: 429 }],
    ["an outage", 503, { token }, { code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", status: 503 }],
  ])(
    "is an error that shows no token, nor openid-client's own: %s",
    async (_, statusCode, body, expected) => {
      const { server, manager } = await managed();
      server.service.on(Events.BeforeResponse, (response) => {
        response.statusCode = statusCode;
        response.body = body as never;
      });
      const error: unknown = await manager.getToken().catch((thrown) => thrown);
      expect(isIamError(error)).toBe(true);
      expect(error).toMatchObject(expected);
      expect(findSecret(error, [token, "secret"])).toBeUndefined();
      const { cause } = error as Error;
      if (cause !== undefined) expect(Object.keys(cause as object).sort()).toEqual(["name"]);
    },
  );

  test.each<[string, object, object]>([
    [
      "a token_type in another case",
      { ...good, token_type: "bEARER" },
      { tokenType: "Bearer", refreshToken: undefined },
    ],
    ["a lifetime as text", { ...good, expires_in: "60" }, { tokenType: "Bearer", refreshToken: undefined }],
    [
      "IAM's refresh_token that is none",
      { ...good, refresh_token: "not_supported" },
      { tokenType: "Bearer", refreshToken: undefined },
    ],
  ])("is a token when both can read it: %s", async (_, body, expected) => {
    const { server, manager } = await managed();
    server.service.on(Events.BeforeResponse, (response) => {
      response.body = body as never;
    });
    const { accessToken, tokenType, refreshToken } = await manager.getToken();
    expect({ accessToken, tokenType, refreshToken }).toEqual({ accessToken: token, ...expected });
  });

  test("has its cause reduced to openid-client's name and code", async () => {
    const { server, manager } = await managed();
    server.service.on(Events.BeforeResponse, (response) => {
      response.body = { ...good, id_token: idToken } as never;
    });
    const error = await manager.getToken().catch((thrown) => thrown);
    expect(error.message).toMatch(/openid-client does not accept the answer/);
    expect(error.cause).toMatchObject({
      name: "ClientError",
      message: expect.stringMatching(/^OAUTH_[A-Z_]+$/),
    });
    expect(error.cause.cause).toBeUndefined();
  });
});
