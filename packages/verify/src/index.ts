export type { IamAccount, IamAuthn, IamClaims, SubjectType } from "./iam-claims.ts";
export type { IntrospectionOptions } from "./introspection.ts";
export type { ExportedKeys } from "./published-keys.ts";
export { type RefusalReason, VerificationUnavailableError } from "./refusal.ts";
export { createVerifiedTokens, type VerifiedToken, type VerifiedTokens } from "./verified-tokens.ts";
export { createVerifier, type Verifier, type VerifyOptions } from "./verifier.ts";
export type { SignatureAlgorithm, VerifierOptions } from "./verifier-options.ts";
