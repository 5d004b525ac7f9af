import { apiKeyGrant, createTokenManager, isIamError } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import { iamFetch } from "@iam/fetch";

// A local IAM that stands in for https://iam.cloud.ibm.com and for the API behind it.
await using emulator = await startEmulator();

await using manager = createTokenManager({
  grant: apiKeyGrant(emulator.apiKey),
  tokenEndpoint: emulator.url,
});
const fetch = iamFetch({ manager, origins: [emulator.url] });
const api = `${emulator.url}/resource`;

const first = await Promise.all(["a", "b", "c"].map((path) => fetch(`${api}/${path}`)));
console.log("three requests:", ...first.map(({ status }) => status), "- grants:", emulator.counters.grants);

// A token that is revoked costs its request nothing but one more try, with a new token.
emulator.revokeAll();
const posted = await fetch(`${api}/orders`, { method: "POST", body: JSON.stringify({ item: 1 }) });
const { body } = (await posted.json()) as { body: string };
console.log("after a revocation:", body, "- grants:", emulator.counters.grants);

// The token goes to the listed origins and nowhere else.
const elsewhere: unknown = await fetch("https://api.example.com/").catch((reason: unknown) => reason);
if (isIamError(elsewhere)) console.log(`elsewhere: ${elsewhere.code}`);
