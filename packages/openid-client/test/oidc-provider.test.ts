import { apiKeyGrant } from "@iam/core";
import { SignJWT } from "jose";
import { ClientSecretBasic, ClientSecretPost, Configuration, None, PrivateKeyJwt } from "openid-client";
import { describe, expect, test } from "vitest";
import { openidGrant, openidTransport } from "../src/index.ts";
import {
  clientKeys,
  issuerKeys,
  jwtBearer,
  managerOf,
  oidcProvider,
  type Running,
  tokenExchange,
} from "./servers.ts";

const secret = "a secret/of+the client";
const key = async () => {
  const { subtle } = globalThis.crypto;
  const der = new Uint8Array(clientKeys.privateKey.export({ type: "pkcs8", format: "der" }));
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  return { key: await subtle.importKey("pkcs8", der, algorithm, false, ["sign"]), kid: "client" };
};

async function managed(
  server: Running,
  clientId: string,
  authentication: Parameters<Running["client"]>[1],
  [grantType, ...rest]: [
    string,
    ...(Parameters<typeof openidGrant> extends [unknown, string, ...infer R] ? R : never),
  ],
) {
  const configuration = await server.client(clientId, authentication);
  const transport = openidTransport(configuration);
  const tokenEndpoint = `${server.issuer}/token`;
  return managerOf(openidGrant(configuration, grantType, ...rest), { transport, tokenEndpoint });
}

describe("client credentials of oidc-provider", () => {
  test.each([
    ["basic", ClientSecretBasic(secret)],
    ["post", ClientSecretPost(secret)],
    ["signing", undefined],
  ] as const)("come by the client authentication of openid-client: %s", async (clientId, authentication) => {
    const server = await oidcProvider();
    const auth = authentication ?? PrivateKeyJwt(await key());
    const manager = await managed(server, clientId, auth, ["client_credentials", { scope: "read" }]);
    const tokens = await Promise.all(Array.from({ length: 100 }, () => manager.getToken()));
    const [token] = tokens;
    expect(new Set(tokens).size).toBe(1);
    expect(token).toMatchObject({ tokenType: "Bearer", scope: "read" });
    expect(((token?.expiresAt ?? 0) - (token?.obtainedAt ?? 0)) / 1000).toBe(60);
    expect(await server.find(token?.accessToken ?? "")).toMatchObject({ clientId, scope: "read" });
    const [{ form, authorization }] = server.seen as [Running["seen"][0]];
    expect(server.seen).toHaveLength(1);
    const names = {
      basic: [],
      post: ["client_id", "client_secret"],
      signing: ["client_assertion", "client_assertion_type", "client_id"],
    };
    expect([...form.keys()].sort()).toEqual([...names[clientId], "grant_type", "scope"].sort());
    expect(authorization?.slice(0, 6)).toBe(clientId === "basic" ? "Basic " : undefined);
  });

  test("of a wrong secret are refused with the code that the server gave", async () => {
    const server = await oidcProvider();
    const manager = await managed(server, "basic", ClientSecretBasic("wrong"), ["client_credentials"]);
    await expect(manager.getToken()).rejects.toMatchObject({
      code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
      status: 401,
      errorCode: "invalid_client",
    });
  });

  test("of a scope that the client does not have are refused with the code that the server gave", async () => {
    const server = await oidcProvider();
    const manager = await managed(server, "basic", ClientSecretBasic(secret), [
      "client_credentials",
      { scope: "write" },
    ]);
    await expect(manager.getToken()).rejects.toMatchObject({ status: 400, errorCode: "invalid_scope" });
  });

  test("have an assertion of their own at each exchange, because the server takes each once", async () => {
    const server = await oidcProvider();
    const manager = await managed(server, "signing", PrivateKeyJwt(await key()), ["client_credentials"]);
    const first = await manager.getToken();
    const second = await manager.getToken({ rejected: first });
    expect(second.accessToken).not.toBe(first.accessToken);
    const assertions = server.seen.map(({ form }) => form.get("client_assertion"));
    expect(new Set(assertions).size).toBe(2);
  });

  test("have an assertion of their own at each attempt of one exchange", async () => {
    const server = await oidcProvider();
    const configuration = await server.client("signing", PrivateKeyJwt(await key()));
    const carry = openidTransport(configuration);
    let attempts = 0;
    const manager = managerOf(openidGrant(configuration, "client_credentials"), {
      transport: async (request, options) => {
        const answer = await carry(request, options);
        // The first answer is lost on the way, after the server has used up the assertion.
        if (++attempts === 1) throw new Error("lost");
        return answer;
      },
      random: () => 0,
    });
    expect(await server.find((await manager.getToken()).accessToken)).toMatchObject({ clientId: "signing" });
    expect(server.seen).toHaveLength(2);
  });
});

describe("the API key grant of oidc-provider", () => {
  test("comes from core's own grant, with the client of the Configuration", async () => {
    const server = await oidcProvider();
    const transport = openidTransport(await server.client("post"));
    const manager = managerOf(apiKeyGrant("known-key", { scope: "write" }), {
      transport,
      tokenEndpoint: server.issuer,
    });
    const { accessToken, scope } = await manager.getToken();
    expect(scope).toBe("write");
    expect(await server.find(accessToken)).toMatchObject({ clientId: "post", said: { by: "apikey" } });
  });

  test("names a public client in the form, as openid-client does", async () => {
    const server = await oidcProvider();
    const transport = openidTransport(await server.client("public", None()));
    const manager = managerOf(apiKeyGrant("known-key"), { transport });
    expect(await server.find((await manager.getToken()).accessToken)).toMatchObject({ clientId: "public" });
    expect(server.seen[0]?.form.get("client_id")).toBe("public");
    expect(server.seen[0]?.authorization).toBeUndefined();
  });

  test("refuses an unknown key with the code that the server gave", async () => {
    const server = await oidcProvider();
    const transport = openidTransport(await server.client("basic", ClientSecretBasic(secret)));
    await expect(managerOf(apiKeyGrant("unknown-key"), { transport }).getToken()).rejects.toMatchObject({
      code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
      status: 400,
      errorCode: "invalid_grant",
    });
  });

  test("may have its client in the grant instead, and not in both", async () => {
    const server = await oidcProvider();
    const grant = apiKeyGrant("known-key", { clientId: "basic", clientSecret: "a secret/of+the client" });
    const silent = openidTransport(await server.client("ignored", () => {}));
    // core writes the secret as it is; oidc-provider decodes it as a form, in which a plus is a blank.
    await expect(managerOf(grant, { transport: silent }).getToken()).rejects.toMatchObject({
      errorCode: "invalid_client",
    });
    expect(server.seen[0]?.authorization).toBe(`Basic ${btoa(`basic:${secret}`)}`);
    for (const [clientId, authentication] of [
      ["post", ClientSecretPost(secret)],
      ["basic", ClientSecretBasic(secret)],
      ["public", None()],
      ["signing", PrivateKeyJwt(await key())],
    ] as const) {
      const both = openidTransport(await server.client(clientId, authentication));
      await expect(managerOf(grant, { transport: both }).getToken()).rejects.toMatchObject({
        code: "ERR_IAM_CONFIG",
        message: expect.stringMatching(/Both the grant and the Configuration name a client/),
      });
    }
    expect(server.seen).toHaveLength(1);
  });
});

describe("token exchange at oidc-provider", () => {
  const subject_token_type = "urn:ietf:params:oauth:token-type:access_token";

  test("gives a token on behalf of the subject that a function gives, anew at each exchange", async () => {
    const server = await oidcProvider();
    const subjects = await managed(server, "post", ClientSecretPost(secret), ["client_credentials"]);
    const manager = await managed(server, "basic", ClientSecretBasic(secret), [
      tokenExchange,
      async () => ({
        subject_token: (await subjects.getToken()).accessToken,
        subject_token_type,
        scope: "read",
      }),
    ]);
    const first = await manager.getToken();
    expect(await server.find(first.accessToken)).toEqual({
      clientId: "basic",
      scope: "read",
      said: { onBehalfOf: "post" },
    });
    const subject = await subjects.getToken();
    await subjects.getToken({ rejected: subject });
    await manager.getToken({ rejected: first });
    const sent = server.seen.map(({ form }) => form.get("subject_token")).filter(Boolean);
    expect(sent).toHaveLength(2);
    expect(sent[0]).toBe(subject.accessToken);
    expect(sent[1]).toBe((await subjects.getToken()).accessToken);
    expect(sent[1]).not.toBe(sent[0]);
  });

  test("sends a parameter that is there several times as often as it is there", async () => {
    const server = await oidcProvider();
    const parameters = new URLSearchParams({ subject_token: "unknown", subject_token_type });
    for (const resource of ["https://a.example", "https://b.example"])
      parameters.append("resource", resource);
    const manager = await managed(server, "basic", ClientSecretBasic(secret), [tokenExchange, parameters]);
    await expect(manager.getToken()).rejects.toMatchObject({ errorCode: "invalid_grant" });
    expect(server.seen[0]?.form.getAll("resource")).toEqual(["https://a.example", "https://b.example"]);
  });
});

describe("JWT bearer at oidc-provider", () => {
  const assertion = (issuer: string) =>
    new SignJWT({ sub: "ada" })
      .setProtectedHeader({ alg: "ES256", kid: "issuer" })
      .setIssuer("https://users.example")
      .setAudience(issuer)
      .setJti(crypto.randomUUID())
      .setExpirationTime("1m")
      .sign(issuerKeys.privateKey);

  test("gives a token for the user of the assertion", async () => {
    const server = await oidcProvider();
    const manager = await managed(server, "signing", PrivateKeyJwt(await key()), [
      jwtBearer,
      async () => ({ assertion: await assertion(server.issuer) }),
    ]);
    const token = await manager.getToken();
    expect(await server.find(token.accessToken)).toMatchObject({
      clientId: "signing",
      said: { user: "ada" },
    });
    await manager.getToken({ rejected: token });
    expect(server.seen).toHaveLength(2);
  });

  test("never sends an assertion twice", async () => {
    const server = await oidcProvider();
    const configuration = await server.client("post");
    const once = await assertion(server.issuer);
    const carry = openidTransport(configuration);
    const manager = managerOf(openidGrant(configuration, jwtBearer, { assertion: once }), {
      transport: async (request, options) => {
        await carry(request, options);
        throw new Error("lost");
      },
      random: () => 0,
    });
    await expect(manager.getToken()).rejects.toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE" });
    expect(server.seen).toHaveLength(1);
  });
});

test("a Configuration goes to the token endpoint that was discovered, whatever the manager thinks", async () => {
  const server = await oidcProvider();
  const configuration = await server.client("post");
  expect((await server.metadata()).token_endpoint).toBe(`${server.issuer}/token`);
  const manager = managerOf(openidGrant(configuration, "client_credentials"), {
    transport: openidTransport(configuration),
    tokenEndpoint: "https://iam.cloud.ibm.com",
  });
  expect((await manager.getToken()).tokenType).toBe("Bearer");
  expect(configuration()).toBeInstanceOf(Configuration);
});
