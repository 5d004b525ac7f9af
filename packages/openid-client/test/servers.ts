import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { createTokenManager, type Grant, type TokenManager, type TokenManagerOptions } from "@iam/core";
import { createLocalJWKSet, jwtVerify } from "jose";
import { OAuth2Server } from "oauth2-mock-server";
import Provider, { type Adapter, type AdapterPayload, errors, type KoaContextWithOIDC } from "oidc-provider";
import { allowInsecureRequests, type ClientAuth, Configuration, discovery } from "openid-client";
import { onTestFinished } from "vitest";
import type { ConfigurationSource } from "../src/index.ts";

const apiKeyGrantType = "urn:ibm:params:oauth:grant-type:apikey";
export const tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange";
export const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/** Keys of a client that signs its assertions, and of somebody who signs JWTs for users. */
export const clientKeys = generateKeyPairSync("ec", { namedCurve: "P-256" });
export const issuerKeys = generateKeyPairSync("ec", { namedCurve: "P-256" });
const jwksOf = ({ publicKey }: typeof clientKeys, kid: string) => ({
  keys: [{ ...publicKey.export({ format: "jwk" }), kid, alg: "ES256", use: "sig" }],
});

/** A request for a token as it came over the wire. */
interface SeenRequest {
  readonly authorization: string | undefined;
  readonly form: URLSearchParams;
}

export interface Running {
  readonly issuer: string;
  readonly seen: readonly SeenRequest[];
  /** What the server itself says of an access token. */
  find(
    accessToken: string,
  ): Promise<{ clientId: string | undefined; scope: string | undefined; said: unknown } | undefined>;
  /** Server metadata as openid-client's own discovery reads them. */
  metadata(): Promise<ReturnType<Configuration["serverMetadata"]>>;
  /** A source of Configurations for one of its clients. */
  client(clientId: string, authentication?: ClientAuth | string): Promise<ConfigurationSource>;
}

const grants = ["client_credentials", apiKeyGrantType, tokenExchange, jwtBearer];
const common = { grant_types: grants, redirect_uris: [], response_types: [], scope: "read write" };
const secret = "a secret/of+the client";

/** The real oidc-provider, with the grants of IAM, of RFC 8693 and of RFC 7523 registered. */
export async function oidcProvider(): Promise<Running> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const provider = new Provider(issuer, {
    clients: [
      {
        ...common,
        scope: "read",
        client_id: "basic",
        client_secret: secret,
        token_endpoint_auth_method: "client_secret_basic",
      },
      {
        ...common,
        client_id: "post",
        client_secret: secret,
        token_endpoint_auth_method: "client_secret_post",
      },
      { ...common, client_id: "public", token_endpoint_auth_method: "none" },
      {
        ...common,
        client_id: "signing",
        token_endpoint_auth_method: "private_key_jwt",
        token_endpoint_auth_signing_alg: "ES256",
        jwks: jwksOf(clientKeys, "client"),
      },
    ],
    scopes: ["read", "write"],
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
    adapter: memory(),
    ttl: { ClientCredentials: 60 },
    jwks: { keys: [privateKey.export({ format: "jwk" })] },
    cookies: { keys: ["a key of this test"] },
  });
  const said = registerGrants(provider, issuer);
  const seen: SeenRequest[] = [];
  const handle = provider.callback();
  server.on("request", async (request, response) => {
    if (request.url === "/token") seen.push(await peek(request));
    handle(request, response);
  });
  return {
    issuer,
    seen,
    async find(accessToken) {
      const token = await provider.ClientCredentials.find(accessToken);
      return token && { clientId: token.clientId, scope: token.scope, said: said.get(accessToken) };
    },
    metadata: () => metadataOf(issuer),
    async client(clientId, authentication = secret) {
      const metadata = await metadataOf(issuer);
      return source(metadata, clientId, authentication);
    },
  };
}

/** The real oauth2-mock-server. */
export async function oauth2MockServer(): Promise<
  Pick<Running, "issuer" | "client" | "metadata"> & { server: OAuth2Server }
> {
  const server = new OAuth2Server();
  await server.issuer.keys.generate("RS256");
  await server.start(0, "127.0.0.1");
  onTestFinished(() => server.stop());
  const issuer = server.issuer.url ?? "";
  return {
    issuer,
    server,
    metadata: () => metadataOf(issuer),
    async client(clientId, authentication = secret) {
      return source(await metadataOf(issuer), clientId, authentication);
    },
  };
}

async function metadataOf(issuer: string): Promise<ReturnType<Configuration["serverMetadata"]>> {
  const options = { execute: [allowInsecureRequests] };
  return (await discovery(new URL(issuer), "any", undefined, undefined, options)).serverMetadata();
}

function source(
  metadata: ReturnType<Configuration["serverMetadata"]>,
  clientId: string,
  authentication: ClientAuth | string,
): ConfigurationSource {
  return () => {
    const made =
      typeof authentication === "string"
        ? new Configuration(metadata, clientId, authentication)
        : new Configuration(metadata, clientId, undefined, authentication);
    allowInsecureRequests(made);
    return made;
  };
}

type Params = Record<string, string | undefined>;

/** Registers the grants, and gives what each token of them was issued for. */
function registerGrants(provider: Provider, issuer: string): ReadonlyMap<string, Record<string, string>> {
  const said = new Map<string, Record<string, string>>();
  const issue = async (ctx: KoaContextWithOIDC, what: Record<string, string>, more: object = {}) => {
    const { client, params } = ctx.oidc;
    if (client === undefined) throw new errors.InvalidClient("no client");
    const scope = (params as Params | undefined)?.scope;
    const token = new provider.ClientCredentials({ client, ...(scope && { scope }) });
    ctx.oidc.entity("ClientCredentials", token);
    const access_token = await token.save();
    said.set(access_token, what);
    ctx.body = {
      access_token,
      expires_in: token.expiration,
      token_type: token.tokenType,
      scope,
      ...more,
    };
  };
  provider.registerGrantType(
    apiKeyGrantType,
    async (ctx) => {
      if (paramsOf(ctx).apikey !== "known-key") throw new errors.InvalidGrant("no such key");
      await issue(ctx, { by: "apikey" });
    },
    ["apikey", "scope"],
  );
  provider.registerGrantType(
    tokenExchange,
    async (ctx) => {
      const { subject_token = "", subject_token_type } = paramsOf(ctx);
      const subject = await provider.ClientCredentials.find(subject_token);
      if (!subject?.isValid || !subject_token_type?.endsWith(":access_token"))
        throw new errors.InvalidGrant("no such subject");
      const issued_token_type = "urn:ietf:params:oauth:token-type:access_token";
      await issue(ctx, { onBehalfOf: subject.clientId ?? "" }, { issued_token_type });
    },
    ["subject_token", "subject_token_type", "audience", "resource", "scope"],
    ["audience", "resource"],
  );
  const keys = createLocalJWKSet(jwksOf(issuerKeys, "issuer"));
  const usedIds = new Set<unknown>();
  provider.registerGrantType(
    jwtBearer,
    async (ctx) => {
      const { assertion = "" } = paramsOf(ctx);
      const verified = await jwtVerify(assertion, keys, {
        issuer: "https://users.example",
        audience: issuer,
      }).catch(() => {
        throw new errors.InvalidGrant("no good assertion");
      });
      if (usedIds.has(verified.payload.jti)) throw new errors.InvalidGrant("the assertion was used before");
      usedIds.add(verified.payload.jti);
      await issue(ctx, { user: verified.payload.sub ?? "" });
    },
    ["assertion", "scope"],
  );
  return said;
}

function paramsOf(ctx: KoaContextWithOIDC): Params {
  return (ctx.oidc.params ?? {}) as Params;
}

/** Looks at a request and leaves its body to be read by the server. */
async function peek(request: IncomingMessage): Promise<SeenRequest> {
  await once(request, "readable");
  const body: Buffer = request.read() ?? Buffer.alloc(0);
  request.unshift(body);
  return { authorization: request.headers.authorization, form: new URLSearchParams(body.toString()) };
}

/** What oidc-provider keeps tokens in; its own memory is for trying out, and says so for each server. */
export function memory(): (name: string) => Adapter {
  const models = new Map<string, Map<string, AdapterPayload>>();
  return (name) => {
    const kept = models.get(name) ?? new Map<string, AdapterPayload>();
    models.set(name, kept);
    const none = async () => undefined;
    return {
      find: async (id) => kept.get(id),
      findByUid: none,
      findByUserCode: none,
      revokeByGrantId: none,
      consume: none,
      upsert: async (id, payload) => void kept.set(id, payload),
      destroy: async (id) => void kept.delete(id),
    };
  };
}

/** A token manager that ends with the test. */
export function managerOf(
  grant: Grant,
  options: Partial<TokenManagerOptions> & { transport: NonNullable<TokenManagerOptions["transport"]> },
): TokenManager {
  const manager = createTokenManager({ grant, ...options });
  onTestFinished(() => manager[Symbol.asyncDispose]());
  return manager;
}
