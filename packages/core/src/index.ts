export { type AuthorizedFetchOptions, authorizedFetch } from "./authorized-fetch.ts";
export { BearerError, type BearerErrorOptions, type BearerErrorWord } from "./bearer-error.ts";
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
export type { ExchangeReason, TokenManagerEvent } from "./events.ts";
export {
  type ApiKeyGrantOptions,
  apiKeyGrant,
  type ExchangeContext,
  type Grant,
  oneRequest,
} from "./grant.ts";
export {
  ibmOrigins,
  type OriginOptions,
  type OriginRules,
  type OriginVerdict,
  originRules,
} from "./origins.ts";
export { conceal, type SecretSource } from "./secret.ts";
export { type AuthorizedRequest, sendAuthorized } from "./send-authorized.ts";
export type { Token } from "./token.ts";
export {
  createTokenManager,
  type GetTokenOptions,
  requireTokenManager,
  type TokenManager,
} from "./token-manager.ts";
export type { TokenManagerOptions, WaitUntil } from "./token-manager-options.ts";
export { buildTokenRequest, isSecure, type TokenRequest } from "./token-request.ts";
export {
  type ParsedTokenResponse,
  parseTokenResponse,
  type TokenResponse,
  type TokenResponseFields,
  tokenResponse,
} from "./token-response.ts";
export { fetchTransport, type TokenTransport } from "./transport.ts";
