export type { ApiKey, ApiKeyOptions, ApiKeys } from "./api-keys.ts";
export { defaultServiceIdApiKey, defaultUserApiKey } from "./api-keys.ts";
export type { Client } from "./clients.ts";
export type { EmulatorClock } from "./clock.ts";
export type {
  ComputeResource,
  ComputeResourceOptions,
  Directory,
  DirectoryOptions,
  Profile,
  ProfileOptions,
  User,
  UserOptions,
} from "./directory.ts";
export { defaultCrToken, defaultPassword, defaultProfile } from "./directory.ts";
export type { Emulator, EmulatorOptions, IssueOptions } from "./emulator.ts";
export { createEmulator } from "./emulator.ts";
export type { EmulatorErrorCode } from "./emulator-error.ts";
export { EmulatorError } from "./emulator-error.ts";
export type { Fault, FaultHandle, FaultOptions, FaultTarget, RetryAfter, TokenFlaw } from "./faults.ts";
export { faultTargets } from "./faults.ts";
export type { FetchHandler } from "./fetch-face.ts";
export { fingerprint } from "./fingerprint.ts";
export type { Settings } from "./iam.ts";
export type { IamErrorCode } from "./iam-errors.ts";
export { iamErrors } from "./iam-errors.ts";
export type { CrnIdentity, Identity, ProfileIdentity, ServiceIdIdentity, UserIdentity } from "./identity.ts";
export { defaultServiceId, defaultUser } from "./identity.ts";
export type { MetadataOptions } from "./metadata.ts";
export type { LoggedAuthorization } from "./redact.ts";
export type { Counters, LogEntry, LoggedTarget, RequestEvent } from "./request-log.ts";
export type { Service } from "./routes.ts";
export type { SigningKeyPair } from "./signing-keys.ts";
export type { IssuedToken } from "./tokens.ts";
