export type { BearerVerifier } from "./caller.ts";
export { type IamExpressOptions, type IamMiddleware, type IamRequest, iamExpress } from "./iam-express.ts";
export { type IamProxy, type IamProxyOptions, iamProxy } from "./iam-proxy.ts";
export type { OutgoingOptions } from "./outgoing-url.ts";
export { type CallerClaims, type IamAuth, type RequireIamOptions, requireIam } from "./require-iam.ts";
export type { TokenUnavailableError } from "./token-unavailable.ts";
