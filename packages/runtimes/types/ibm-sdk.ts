import { apiKeyGrant, createTokenManager } from "@iam/core";
import { type IamAuthenticator, iamAuthenticator } from "@iam/ibm-sdk";
import { type CosToken, cosTokenManager, iamCos } from "@iam/ibm-sdk/cos";

const manager = createTokenManager({ grant: apiKeyGrant("key") });
export const authenticator: IamAuthenticator = iamAuthenticator({ manager, otherOrigins: "pass" });
await authenticator.authenticate({ headers: { accept: "text/plain" }, serviceUrl: "https://api.test" });
// @ts-expect-error: a manager is needed
iamAuthenticator({ origins: ["https://api.test"] });

declare class S3 {
  constructor(options?: { endpoint?: string });
  putObject(object: { Key: string }): void;
}
iamCos(S3, { manager, endpoint: "https://s3.test" }).putObject({ Key: "key" });
// @ts-expect-error: the client has no such option
iamCos(S3, { manager, endpiont: "https://s3.test" });
export const token: CosToken | undefined = cosTokenManager({ manager }).token;
