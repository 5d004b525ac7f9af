import { createTokenManager } from "@iam/core";
import {
  credentialsFromEnvironment,
  crTokenFile,
  defaultGrant,
  secretFile,
  serviceFromEnvironment,
} from "@iam/credentials";

createTokenManager(credentialsFromEnvironment());
createTokenManager(credentialsFromEnvironment({ service: "cloudant", env: { CLOUDANT_APIKEY: "key" } }));
createTokenManager(defaultGrant({ profileName: "profile", vpc: { version: "2025-08-26" } }));
export const secrets: (() => string)[] = [secretFile("key"), crTokenFile(), crTokenFile(["a", "b"])];

const service = serviceFromEnvironment({ service: "cloudant" });
export const url: string | undefined = service.url;
if (service.authType === "basic") service.password() satisfies string;
else if (service.authType !== "noAuth") createTokenManager(service);
// @ts-expect-error: a service may want no token
createTokenManager(service);
// @ts-expect-error: a service has a name
serviceFromEnvironment({});
