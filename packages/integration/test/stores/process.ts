// A process that wants a token when it is told to, and tells what it got.
import { apiKeyGrant, createTokenManager, sharedStore } from "@iam/core";
import { redisStore } from "@iam/store-redis";
import { createClient } from "redis";

const [iam = "", apiKey, url = ""] = process.argv.slice(2);
const client = createClient({ url });
await client.on("error", () => {}).connect();
const manager = createTokenManager({
  grant: apiKeyGrant(apiKey),
  tokenEndpoint: iam,
  store: sharedStore(redisStore({ client }), { timeoutMs: 2_000 }),
});
process.on("message", (rejected: string) => {
  manager.getToken(rejected === "" ? {} : { rejected }).then(
    ({ accessToken }) => process.send?.({ accessToken }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.once("disconnect", () => process.exit());
process.send?.("ready");
