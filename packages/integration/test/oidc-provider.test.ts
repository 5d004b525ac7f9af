import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { apiKeyGrant, type Clock, createTokenManager, systemClock, type TokenManager } from "@iam/core";
import { iamFetch } from "@iam/fetch";
import Provider, { type Adapter, type AdapterPayload, errors } from "oidc-provider";
import { expect, onTestFinished, test } from "vitest";

const apiKey = "known-key";
const client = { clientId: "program", clientSecret: "program-secret" };
const apiKeyGrantType = "urn:ibm:params:oauth:grant-type:apikey";

interface Running {
  /** The origin of the server, which has a protected resource at `/api` too. */
  readonly issuer: string;
  /** Makes the server forget a token. */
  revoke(accessToken: string): Promise<void>;
  readonly tokenEndpoint: string;
  readonly introspectionEndpoint: string;
  /** Token requests so far. */
  readonly tokenRequests: number;
}

/** A real authorization server on loopback that takes one API key, from one client, for tokens of a minute. */
async function serving(): Promise<Running> {
  const server = await listening();
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: client.clientId,
        client_secret: client.clientSecret,
        grant_types: [apiKeyGrantType],
        redirect_uris: [],
        response_types: [],
      },
    ],
    features: {
      // Introspection looks for tokens of clients only where this is on.
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      devInteractions: { enabled: false },
    },
    adapter: memory,
    ttl: { ClientCredentials: 60 },
    jwks: { keys: [privateKey.export({ format: "jwk" })] },
    cookies: { keys: ["a key of this test"] },
  });
  provider.registerGrantType<{ apikey?: string }>(
    apiKeyGrantType,
    async (ctx) => {
      if (ctx.oidc.params.apikey !== apiKey) throw new errors.InvalidGrant("no such key");
      const token = new provider.ClientCredentials({ client: ctx.oidc.client });
      ctx.oidc.entity("ClientCredentials", token);
      const access_token = await token.save();
      ctx.body = { access_token, expires_in: token.expiration, token_type: token.tokenType };
    },
    ["apikey"],
  );
  let tokenRequests = 0;
  const handle = provider.callback();
  const answerApi = async ({ authorization = "" }: IncomingHttpHeaders) => {
    const token = await provider.ClientCredentials.find(authorization.slice("Bearer ".length));
    return token?.isValid ? 200 : 401;
  };
  server.on("request", async (request, response) => {
    if (request.url === "/token") tokenRequests++;
    if (request.url === "/api") response.writeHead(await answerApi(request.headers)).end();
    else handle(request, response);
  });
  return {
    issuer,
    revoke: async (accessToken) => (await provider.ClientCredentials.find(accessToken))?.destroy(),
    tokenEndpoint: `${issuer}/token`,
    introspectionEndpoint: `${issuer}/token/introspection`,
    get tokenRequests() {
      return tokenRequests;
    },
  };
}

/** What oidc-provider keeps tokens in; its own memory is for trying out, and says so for each server. */
function memory(): Adapter {
  const kept = new Map<string, AdapterPayload>();
  const find = async (id: string) => kept.get(id);
  const none = async () => undefined;
  return {
    find,
    findByUid: none,
    findByUserCode: none,
    consume: none,
    revokeByGrantId: none,
    upsert: async (id, payload) => void kept.set(id, payload),
    destroy: async (id) => void kept.delete(id),
  };
}

async function listening(): Promise<Server> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return server;
}

function managerOf(
  { tokenEndpoint }: Running,
  options: { key?: string; clientSecret?: string; clock?: Clock } = {},
): TokenManager {
  const { key = apiKey, clientSecret = client.clientSecret, clock } = options;
  const grant = apiKeyGrant(key, { clientId: client.clientId, clientSecret });
  const manager = createTokenManager({ grant, tokenEndpoint, clock });
  onTestFinished(() => manager[Symbol.asyncDispose]());
  return manager;
}

/** What the server itself says of a token (RFC 7662). */
async function introspect({ introspectionEndpoint }: Running, token: string): Promise<unknown> {
  const response = await fetch(introspectionEndpoint, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(`${client.clientId}:${client.clientSecret}`)}` },
    body: new URLSearchParams({ token }),
  });
  return response.json();
}

test("a token of oidc-provider is active by its own introspection", async () => {
  const server = await serving();
  const { accessToken, tokenType } = await managerOf(server).getToken();
  expect(tokenType).toBe("Bearer");
  expect(await introspect(server, accessToken)).toMatchObject({ active: true, client_id: client.clientId });
  expect(await introspect(server, `${accessToken}x`)).toEqual({ active: false });
});

test("a token of oidc-provider is asked for once by many callers, and held", async () => {
  const server = await serving();
  const manager = managerOf(server);
  const tokens = await Promise.all(Array.from({ length: 100 }, () => manager.getToken()));
  expect(new Set([...tokens, await manager.getToken()]).size).toBe(1);
  expect(server.tokenRequests).toBe(1);
});

test("the expires_in of oidc-provider decides when another token is asked for", async () => {
  const server = await serving();
  let laterMs = 0;
  const clock: Clock = {
    ...systemClock,
    wallNow: () => Date.now() + laterMs,
    monotonicNow: () => performance.now() + laterMs,
  };
  const manager = managerOf(server, { clock });
  const first = await manager.getToken();
  expect((first.expiresAt ?? 0) - first.obtainedAt).toBe(60_000);
  laterMs = 35_000;
  expect(await manager.getToken()).toBe(first);
  expect(server.tokenRequests).toBe(1);
  laterMs = 60_000;
  const second = await manager.getToken();
  expect(second.accessToken).not.toBe(first.accessToken);
  expect(server.tokenRequests).toBe(2);
});

test("the refusal of an unknown key by oidc-provider keeps its RFC 6749 code", async () => {
  const server = await serving();
  await expect(managerOf(server, { key: "unknown-key" }).getToken()).rejects.toMatchObject({
    code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
    status: 400,
    errorCode: "invalid_grant",
  });
  expect(server.tokenRequests).toBe(1);
});

test("the refusal of a client by oidc-provider keeps its RFC 6749 code", async () => {
  const server = await serving();
  await expect(managerOf(server, { clientSecret: "wrong" }).getToken()).rejects.toMatchObject({
    code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
    status: 401,
    errorCode: "invalid_client",
  });
});

test("a token of oidc-provider opens its resource, and one that was revoked is replaced on the way", async () => {
  const server = await serving();
  const manager = managerOf(server);
  const fetch = iamFetch({ manager, origins: [server.issuer] });
  expect((await fetch(`${server.issuer}/api`)).status).toBe(200);
  const { accessToken } = await manager.getToken();
  await server.revoke(accessToken);
  expect((await fetch(`${server.issuer}/api`)).status).toBe(200);
  expect((await manager.getToken()).accessToken).not.toBe(accessToken);
  expect(server.tokenRequests).toBe(2);
});
