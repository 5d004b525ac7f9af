import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { apiKeyGrant, createTokenManager, type Grant } from "@iam/core";
import { type ConfigurationSource, discoverIam, openidGrant, openidTransport } from "@iam/openid-client";
import {
  allowInsecureRequests,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretJwt,
  ClientSecretPost,
  Configuration,
} from "openid-client";
import { onTestFinished } from "vitest";

/** A value that has no business where it is put. */
type Misplaced = never;

type Answer = (response: ServerResponse, request: IncomingMessage, body: string) => unknown;

/** Exchanges by openid-client that fail, each with the secrets where one can get to. */
export async function wrongOpenid(
  secret: string,
  clientSecret: string,
): Promise<Readonly<Record<string, () => unknown>>> {
  const good = { access_token: secret.replaceAll("?", "/"), token_type: "Bearer", expires_in: 60 };
  const json =
    (members: unknown, status = 200, type = "application/json"): Answer =>
    (response) =>
      response.writeHead(status, { "content-type": type }).end(JSON.stringify(members));
  const answers: Readonly<Record<string, Answer>> = {
    "echoes all it was sent": (response, { headers }, body) =>
      json({ error: body, error_description: `${headers.authorization} ${body}` }, 400)(
        response,
        {} as never,
        "",
      ),
    "echoes all it was sent with 200": (response, { headers }, body) =>
      json({ ...good, token_type: body, scope: headers.authorization })(response, {} as never, ""),
    "challenges with it": (response, { headers }, body) =>
      response
        .writeHead(401, {
          "www-authenticate": `Bearer error="${headers.authorization}"`,
          "retry-after": body,
        })
        .end(body),
    "is overloaded": (response, _, body) => response.writeHead(429, { "retry-after": body }).end(body),
    "adds an ID token that is none": json({ ...good, id_token: secret }),
    "answers a JWT": json(secret, 200, "application/jwt"),
    "answers 201": json(good, 201),
    "answers a token of another type": json({ ...good, token_type: "DPoP" }),
    "answers a refresh token that is none": json({ ...good, refresh_token: { secret } }),
    "answers a page": (response, _, body) => response.writeHead(502).end(`<html>${body}`),
    "redirects with it": (response, _, body) =>
      response.writeHead(307, { location: `http://127.0.0.1:1/?${encodeURIComponent(body)}` }).end(),
    "breaks off": (response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.write(JSON.stringify(good).slice(0, -9), () => response.destroy());
    },
    "hangs up": (response) => response.destroy(),
  };
  const server = createServer(async (request, response) => {
    const [, name = ""] = (request.url ?? "").split("/");
    answers[decodeURIComponent(name)]?.(response, request, await text(request));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const source =
    (tokenEndpoint: string, authentication: ClientAuth): ConfigurationSource =>
    () => {
      const made = new Configuration(
        { issuer: origin, token_endpoint: tokenEndpoint },
        "a-client",
        undefined,
        authentication,
      );
      allowInsecureRequests(made);
      return made;
    };
  const ask = (grant: Grant, configuration: ConfigurationSource, tokenEndpoint: string) =>
    createTokenManager({
      grant,
      tokenEndpoint,
      transport: openidTransport(configuration),
      deadlineMs: 100,
    }).getToken();
  const loud = () => {
    throw Object.assign(new Error(`no ${secret}`, { cause: { secret } }), { code: secret, name: secret });
  };
  const ways = {
    "the secret in the header": ClientSecretBasic(clientSecret),
    "the secret in the form": ClientSecretPost(clientSecret),
    "an assertion": ClientSecretJwt(clientSecret),
  };

  const calls: Record<string, () => unknown> = {};
  for (const name of Object.keys(answers)) {
    const endpoint = `${origin}/${encodeURIComponent(name)}`;
    for (const [way, authentication] of Object.entries(ways)) {
      const configuration = source(endpoint, authentication);
      calls[`a server that ${name}, ${way}`] = () =>
        ask(openidGrant(configuration, "client_credentials", { assertion: secret }), configuration, endpoint);
      calls[`a server that ${name}, ${way}, an API key`] = () =>
        ask(apiKeyGrant(secret), configuration, endpoint);
    }
  }
  const usual = source(`${origin}/`, ClientSecretPost(clientSecret));
  const wrongSources: Readonly<Record<string, unknown>> = {
    throws: loud,
    rejects: async () => loud(),
    "gives a secret": () => secret,
    "gives something that throws": () => ({ serverMetadata: loud }),
  };
  for (const [what, wrong] of Object.entries(wrongSources)) {
    const configuration = wrong as ConfigurationSource;
    calls[`a source that ${what}`] = () => ask(apiKeyGrant(secret), configuration, `${origin}/`);
    calls[`a source that ${what}, for the grant`] = () =>
      ask(
        openidGrant(configuration, "client_credentials", { assertion: secret }),
        configuration,
        `${origin}/`,
      );
  }
  const wrongParameters: Readonly<Record<string, unknown>> = {
    "a secret": secret,
    "a list": [secret],
    "a map": new Map([["assertion", secret]]),
    "a number": { assertion: secret, expires: 5 },
    "a second grant type": { grant_type: secret },
    "a function that throws": loud,
    "a function that gives a secret": () => secret,
  };
  for (const [what, parameters] of Object.entries(wrongParameters)) {
    calls[`parameters: ${what}`] = () =>
      ask(openidGrant(usual, "client_credentials", parameters as Misplaced), usual, `${origin}/`);
  }
  return {
    ...calls,
    "a secret as the source": () => openidTransport(secret as Misplaced),
    "a secret as the grant's source": () => openidGrant(secret as Misplaced, "client_credentials"),
    "a request that is none": () =>
      openidTransport(usual)(
        { method: "GET", url: `${origin}/`, headers: { authorization: secret }, body: secret },
        { signal: new AbortController().signal },
      ),
    "the wrong transport": () =>
      createTokenManager({
        grant: openidGrant(usual, "client_credentials", { assertion: secret }),
        tokenEndpoint: `${origin}/`,
      }).getToken(),
    "a secret as the URL of IAM": () => discoverIam(secret),
    "a secret in the URL of IAM": () =>
      discoverIam(`https://user:${encodeURIComponent(secret)}@iam.example.com`),
    "a secret as the issuer": () => discoverIam(origin, { issuer: secret }),
    "a client without a secret": () => discoverIam(origin, { clientId: secret }),
    "a secret that is no text": () =>
      discoverIam(origin, { clientId: "a", clientSecret: [clientSecret] as Misplaced }),
    "a fetch that throws": () => discoverIam(origin, { fetch: loud, clientId: "a", clientSecret }),
  };
}
