import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { apiKeyGrant, createTokenManager } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import { iamFetch } from "@iam/fetch";
import { createVerifier } from "@iam/verify";
import { gateway } from "./gateway.ts";

// A local IAM that stands in for https://iam.cloud.ibm.com and for the API behind the gateway.
await using emulator = await startEmulator();
const [userKey, serviceKey] = emulator.apiKeys.list().map(({ key }) => key);
const account = "0123456789abcdef0123456789abcdef";

// The gateway: it knows IAM's published keys, and an API key of its own.
const verifier = createVerifier({ jwksUrl: `${emulator.url}/identity/keys`, accounts: [account] });
await using manager = createTokenManager({ grant: apiKeyGrant(serviceKey), tokenEndpoint: emulator.url });
const operators = ["iam-ServiceId-operator"];
const app = gateway({ verifier, manager, api: `${emulator.url}/resource`, operators });
const server = app.set("env", "test").listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

// A caller: a user with an API key of her own.
await using caller = createTokenManager({ grant: apiKeyGrant(userKey), tokenEndpoint: emulator.url });
const callersFetch = iamFetch({ manager: caller, origins: [url] });

/** Says what happened, and whether it is what should. */
async function show(what: string, asked: Promise<Response>, expected: string): Promise<void> {
  const response = await asked;
  const text = await response.text();
  const challenge = response.headers.get("www-authenticate");
  const told = response.ok
    ? text.replace(/,"jti":.*/, "}")
    : [response.status, challenge].filter(Boolean).join(" ");
  const asItShould = told.includes(expected);
  console.log(`${asItShould ? "✓" : "✗"} ${what}: ${told.slice(0, 160)}`);
  if (!asItShould) process.exitCode = 1;
}
const withToken = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const { accessToken } = await caller.getToken();

await show("nobody in particular", fetch(`${url}/status`), '"you":"somebody"');
await show("the caller", callersFetch(`${url}/status`), '"you":"IBMid-');
await show(
  "a bad token is not the same as none",
  fetch(`${url}/status`, withToken("a.b.c")),
  "401 Bearer error=",
);
await show("no token where one is needed", fetch(`${url}/orders`), "401 Bearer");
// The API sees the gateway's identity; for whom it asks is in the query.
await show("the caller's orders", callersFetch(`${url}/orders`), '"iam_id":"iam-ServiceId-');
await show("operators only", callersFetch(`${url}/operators`), '403 Bearer error="insufficient_scope"');

const { value: stranger } = await emulator.issueToken({
  claims: { account: { valid: true, bss: "f".repeat(32) } },
});
await show("somebody of another account", fetch(`${url}/orders`, withToken(stranger)), "401 Bearer error=");
const { value: late } = await emulator.issueToken({ lifetimeS: -60 });
await show("a token that is expired", fetch(`${url}/orders`, withToken(late)), "expired");
const forged = accessToken.replace(/.{4}$/, "AAAA");
await show("a token that nobody signed", fetch(`${url}/orders`, withToken(forged)), "401 Bearer error=");
await show("a token in the URL", fetch(`${url}/orders?access_token=${accessToken}`), "400 Bearer");

// IAM gets a new key every 30 days, and once in a while does not answer.
await emulator.rotateKeys();
await show(
  "after a rotation of keys",
  fetch(`${url}/status`, withToken((await emulator.issueToken()).value)),
  "IBMid-",
);
emulator.fault({ kind: "status", status: 503 }, { target: "keys", times: "forever" });
await show("with IAM's keys out of reach", callersFetch(`${url}/orders`), '"ok":true');

const { jwksRequests, grants } = emulator.counters;
console.log(
  `requests for keys: ${jwksRequests}, grants: ${grants} (one for the caller, one for the gateway)`,
);
server.close();
server.closeAllConnections();
