export { type ApiKeyGrantOptions, apiKeyGrant } from "./api-key-grant.ts";
export { type AssumeGrantOptions, assumeGrant } from "./assume-grant.ts";
export { type AuthorizedFetchOptions, authorizedFetch } from "./authorized-fetch.ts";
export { BearerError, type BearerErrorOptions, type BearerErrorWord } from "./bearer-error.ts";
export { isReplayableBody } from "./body.ts";
export type { ClientOptions } from "./client-options.ts";
export { type Clock, type Instant, systemClock } from "./clock.ts";
export { type CloudPakForDataGrantOptions, cloudPakForDataGrant } from "./cloud-pak-for-data-grant.ts";
export { type CrTokenGrantOptions, crTokenGrant } from "./cr-token-grant.ts";
export {
  type DelegatedRefreshTokenGrantOptions,
  delegatedRefreshTokenGrant,
} from "./delegated-refresh-token-grant.ts";
export { type DelegatingGrantOptions, delegatingGrant } from "./delegating-grant.ts";
export {
  IamError,
  type IamErrorCode,
  type IamErrorOptions,
  isIamError,
  TokenEndpointError,
  type TokenEndpointErrorOptions,
} from "./errors.ts";
export type { ExchangeReason, StoreOperation, TokenManagerEvent } from "./events.ts";
export type { SharedStore } from "./exchange-run.ts";
export { type ExchangeContext, type Grant, oneRequest } from "./grant.ts";
export { type IamAuthzGrantOptions, iamAuthzGrant } from "./iam-authz-grant.ts";
export { type McspGrantOptions, mcspGrant } from "./mcsp-grant.ts";
export { type MemoryStoreOptions, memoryStore } from "./memory-store.ts";
export { requireKnownOptions } from "./option-rules.ts";
export {
  ibmOrigins,
  type OriginOptions,
  type OriginRules,
  type OriginVerdict,
  originRules,
} from "./origins.ts";
export { type PasscodeGrantOptions, passcodeGrant } from "./passcode-grant.ts";
export { type PasswordGrantOptions, passwordGrant } from "./password-grant.ts";
export { type RefreshTokenGrantOptions, refreshTokenGrant } from "./refresh-token-grant.ts";
export { conceal, type SecretSource } from "./secret.ts";
export { type AuthorizedRequest, sendAuthorized } from "./send-authorized.ts";
export { type SharedStoreOptions, sharedStore } from "./shared-store.ts";
export { type GivenToken, type StaticTokenGrantOptions, staticTokenGrant } from "./static-token-grant.ts";
export type { Token } from "./token.ts";
export {
  createTokenManager,
  type GetTokenOptions,
  requireTokenManager,
  type TokenManager,
} from "./token-manager.ts";
export type { TokenManagerOptions, WaitUntil } from "./token-manager-options.ts";
export { createTokenPool, type TokenPool, type TokenPoolOptions } from "./token-pool.ts";
export { buildTokenRequest, isSecure, type TokenRequest } from "./token-request.ts";
export {
  type ParsedTokenResponse,
  parseTokenResponse,
  type TokenResponse,
  type TokenResponseFields,
  tokenResponse,
} from "./token-response.ts";
export type { StoredEntry, StoreLock, TokenStore } from "./token-store.ts";
export { fetchTransport, type TokenTransport } from "./transport.ts";
export type { TrustedProfileOptions } from "./trusted-profile.ts";
export { type VpcInstanceGrantOptions, vpcInstanceGrant } from "./vpc-instance-grant.ts";
