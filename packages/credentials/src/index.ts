export type { AuthType } from "./auth-type.ts";
export {
  type CredentialsFromEnvironmentOptions,
  credentialsFromEnvironment,
} from "./credentials-from-environment.ts";
export { type DefaultGrant, type DefaultGrantOptions, defaultGrant } from "./default-grant.ts";
export type { TokenAuthType } from "./grant-of-properties.ts";
export type { Link } from "./links.ts";
export { parseCredentialsFile } from "./parse-credentials-file.ts";
export { crTokenFile, crTokenFiles, secretFile } from "./secret-file.ts";
export type { BasicService, OpenService, Service, ServiceProperties, TokenService } from "./service.ts";
export { type ServiceFromEnvironmentOptions, serviceFromEnvironment } from "./service-from-environment.ts";
export type { SurroundingsOptions } from "./surroundings.ts";
