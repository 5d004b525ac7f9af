import { createPrivateKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { createServer, request } from "node:https";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import type { TLSSocket } from "node:tls";
import Provider from "oidc-provider";
import { Configuration, type CustomFetch, customFetch, TlsClientAuth } from "openid-client";
import { generate } from "selfsigned";
import { expect, onTestFinished, test } from "vitest";
import { type ConfigurationSource, openidGrant, openidTransport } from "../src/index.ts";
import { managerOf, memory } from "./servers.ts";

interface Identity {
  readonly key: string;
  readonly cert: string;
}

async function identity(commonName: string): Promise<Identity> {
  const ip = { name: "subjectAltName" as const, altNames: [{ type: 7 as const, ip: "127.0.0.1" }] };
  const pems = await generate([{ name: "commonName", value: commonName }], {
    keySize: 2048,
    algorithm: "sha256",
    extensions: [ip],
  });
  return { key: pems.private, cert: pems.cert };
}

const certificateOf = ({ key, cert }: Identity) => ({
  publicKey: new X509Certificate(cert).publicKey,
  privateKey: createPrivateKey(key),
});
const withoutArmour = (cert: string) => cert.replaceAll(/-----[^-]+-----|\s/g, "");

/** A fetch on a connection where both sides show a certificate, as a user of openid-client passes it. */
function mutualTls(own: Identity, ca: string): CustomFetch {
  return (url, { method, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const outgoing = request(
        url,
        { method, headers, ...own, ca, ...(signal && { signal }) },
        (incoming) => {
          const { statusCode = 0, headers: received } = incoming;
          const stream = Readable.toWeb(incoming) as ReadableStream<Uint8Array>;
          resolve(new Response(stream, { status: statusCode, headers: received as Record<string, string> }));
        },
      );
      outgoing.on("error", reject).end(body === undefined ? undefined : String(body));
    });
}

test("a client of oidc-provider authenticates by its TLS certificate, through the customFetch of the Configuration", async () => {
  const [server, client, stranger] = await Promise.all(["server", "client", "stranger"].map(identity));
  if (!server || !client || !stranger) throw new Error("no certificates");
  const listening = createServer({ ...server, requestCert: true, rejectUnauthorized: false }).listen(
    0,
    "127.0.0.1",
  );
  await once(listening, "listening");
  onTestFinished(() => {
    listening.close();
    listening.closeAllConnections();
  });
  const issuer = `https://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  const { publicKey } = certificateOf(client);
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "with-certificate",
        token_endpoint_auth_method: "self_signed_tls_client_auth",
        jwks: { keys: [{ ...publicKey.export({ format: "jwk" }), x5c: [withoutArmour(client.cert)] }] },
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
      },
    ],
    clientAuthMethods: ["self_signed_tls_client_auth"],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      mTLS: {
        enabled: true,
        selfSignedTlsClientAuth: true,
        getCertificate: (ctx) => (ctx.socket as TLSSocket).getPeerX509Certificate()?.toString(),
      },
    },
    adapter: memory(),
    ttl: { ClientCredentials: 60 },
    jwks: { keys: [certificateOf(server).privateKey.export({ format: "jwk" })] },
    cookies: { keys: ["a key of this test"] },
  });
  listening.on("request", provider.callback());
  const source =
    (own: Identity): ConfigurationSource =>
    () => {
      const metadata = { issuer, token_endpoint: `${issuer}/token` };
      const made = new Configuration(metadata, "with-certificate", undefined, TlsClientAuth());
      made[customFetch] = mutualTls(own, server.cert);
      return made;
    };
  const tokenOf = (own: Identity) => {
    const transport = openidTransport(source(own));
    return managerOf(openidGrant(source(own), "client_credentials"), {
      transport,
      tokenEndpoint: `${issuer}/token`,
    }).getToken();
  };
  const { accessToken } = await tokenOf(client);
  expect((await provider.ClientCredentials.find(accessToken))?.clientId).toBe("with-certificate");
  await expect(tokenOf(stranger)).rejects.toMatchObject({ status: 401, errorCode: "invalid_client" });
});
