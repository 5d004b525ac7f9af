import { apiKeyGrant, createTokenManager } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import { iamKy } from "@iam/ky";
import ky from "ky";

// A local IAM that stands in for https://iam.cloud.ibm.com and for the API behind it.
await using emulator = await startEmulator();

const manager = createTokenManager({ grant: apiKeyGrant(emulator.apiKey), tokenEndpoint: emulator.url });
const api = ky
  .extend(iamKy({ manager, origins: [emulator.url] }))
  .extend({ prefix: `${emulator.url}/resource`, retry: 0 });

const first = await Promise.all(["a", "b", "c"].map((path) => api.get(path).json<{ path: string }>()));
console.log(
  "three requests:",
  first.map(({ path }) => path).join(" "),
  "- grants:",
  emulator.counters.grants,
);

emulator.revokeAll();
const posted = await api.post("orders", { json: { item: 1 } }).json<{ body: string }>();
console.log("after a revocation:", posted.body, "- grants:", emulator.counters.grants);

await manager[Symbol.asyncDispose]();
