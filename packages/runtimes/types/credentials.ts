import { apiKeyGrant, createTokenManager } from "@iam/core";
import { credentialsFromEnvironment, defaultGrant, secretFile } from "@iam/credentials";

export const manager = createTokenManager(credentialsFromEnvironment({ service: "cloudant", env: {} }));
createTokenManager(defaultGrant({ vpc: true }));
createTokenManager({ grant: apiKeyGrant(secretFile("/run/secrets/key")) });
// @ts-expect-error: the name of a service is text
credentialsFromEnvironment({ service: 1 });
// @ts-expect-error: an option that does not exist
defaultGrant({ profile: "p" });
