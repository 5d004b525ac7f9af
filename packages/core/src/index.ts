export { type AuthorizedFetchOptions, authorizedFetch } from "./authorized-fetch.ts";
export { isReplayableBody } from "./body.ts";
export { type Clock, type Instant, systemClock } from "./clock.ts";
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
export {
  type ApiKeyGrantOptions,
  apiKeyGrant,
  type ExchangeContext,
  type Grant,
  oneRequest,
} from "./grant.ts";
export { type MemoryStoreOptions, memoryStore } from "./memory-store.ts";
export {
  ibmOrigins,
  type OriginOptions,
  type OriginRules,
  type OriginVerdict,
  originRules,
} from "./origins.ts";
export type { SecretSource } from "./secret.ts";
export { type AuthorizedRequest, sendAuthorized } from "./send-authorized.ts";
export { type SharedStoreOptions, sharedStore } from "./shared-store.ts";
export type { Token } from "./token.ts";
export {
  createTokenManager,
  type GetTokenOptions,
  requireTokenManager,
  type TokenManager,
} from "./token-manager.ts";
export type { TokenManagerOptions, WaitUntil } from "./token-manager-options.ts";
export { createTokenPool, type TokenPool, type TokenPoolOptions } from "./token-pool.ts";
export { buildTokenRequest, type TokenRequest } from "./token-request.ts";
export {
  type ParsedTokenResponse,
  parseTokenResponse,
  type TokenResponse,
  type TokenResponseFields,
  tokenResponse,
} from "./token-response.ts";
export type { StoredEntry, StoreLock, TokenStore } from "./token-store.ts";
export { fetchTransport, type TokenTransport } from "./transport.ts";
