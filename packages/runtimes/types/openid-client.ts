import { apiKeyGrant, createTokenManager } from "@iam/core";
import { discoverIam, openidGrant, openidTransport } from "@iam/openid-client";
import { Configuration } from "openid-client";

const configuration = await discoverIam();
createTokenManager({ grant: apiKeyGrant("key"), transport: openidTransport(configuration) });
const other = () => new Configuration({ issuer: "https://login.test" }, "my-client");
export const manager = createTokenManager({
  tokenEndpoint: "https://login.test/token",
  grant: openidGrant(other, "client_credentials", { scope: "read" }),
  transport: openidTransport(other),
});
// @ts-expect-error: a function that makes a Configuration, because each serves one request
openidTransport({ issuer: "https://login.test" });
