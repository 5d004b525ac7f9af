import { apiKeyGrant, createTokenManager } from "@iam/core";
import { iamAuthenticator } from "@iam/ibm-sdk";
import { type Authenticator, BaseService } from "ibm-cloud-sdk-core";

const manager = createTokenManager({ grant: apiKeyGrant("key") });
// It is an authenticator, wherever IBM's SDKs want one.
const authenticator: Authenticator = iamAuthenticator({ manager });
export const service = new BaseService({ authenticator, serviceUrl: "https://api.test" });
// @ts-expect-error: a manager is needed
iamAuthenticator({ origins: ["https://api.test"] });
