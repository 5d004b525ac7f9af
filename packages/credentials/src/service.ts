import { resolve } from "node:path";
import { apiKeyGrant, type Grant, IamError } from "@iam/core";
import { authTypeOf } from "./auth-type.ts";
import { basicOf } from "./basic-of-properties.ts";
import { grantOf, type TokenAuthType } from "./grant-of-properties.ts";
import type { Link } from "./links.ts";
import { type Properties, withoutEndSlashes } from "./properties.ts";
import { secretFile } from "./secret-file.ts";
import type { Found, PlainKey } from "./sources.ts";
import type { Surroundings } from "./surroundings.ts";

/** What is configured of a service besides its authentication. */
export interface ServiceProperties {
  /** The URL of the service, without slashes at the end, and without a user's name and password. */
  readonly url?: string | undefined;
  /** Whether the service's certificate should go unchecked. Nothing here acts on it. */
  readonly disableSsl?: boolean | undefined;
  /** Whether request bodies should be compressed. */
  readonly enableGzip?: boolean | undefined;
  /** Whether requests to the service should be retried. */
  readonly enableRetries?: boolean | undefined;
  /** How many times. */
  readonly maxRetries?: number | undefined;
  /** Milliseconds between two retries at most. The property `RETRY_INTERVAL` is in seconds. */
  readonly maxRetryIntervalMs?: number | undefined;
  /** The source that it is all from: the path of a file, `environment` or `VCAP_SERVICES`. */
  readonly source: string;
  /** Where it was looked for, up to the source. */
  readonly links: readonly Link[];
}

/** A service that wants a token. `createTokenManager` takes it as it is. */
export interface TokenService extends ServiceProperties {
  /** As IBM's SDKs spell it. */
  readonly authType: TokenAuthType;
  /** What to ask for. */
  readonly grant: Grant;
  /** Whom to ask, when it is not the usual one. */
  readonly tokenEndpoint?: string | undefined;
}

/** A service that wants a user name and a password with each request (RFC 7617). */
export interface BasicService extends ServiceProperties {
  readonly authType: "basic";
  readonly username: string;
  /** A function, so that nothing prints it. */
  readonly password: () => string;
}

/** A service that wants nothing. */
export interface OpenService extends ServiceProperties {
  readonly authType: "noAuth";
}

/** A service as it is configured. */
export type Service = TokenService | BasicService | OpenService;

/** What was found in a source, read. Errors: `ERR_IAM_CONFIG` that names the property or the variable. */
export function serviceOf(found: Found, links: readonly Link[], { cwd }: Surroundings): Service {
  const inCwd = (path: string) => resolve(cwd, path);
  return "plainKey" in found
    ? plainService(found.plainKey, links, inCwd)
    : configuredService(found.properties, links, inCwd);
}

function plainService(
  { name, source, value, isFile }: PlainKey,
  links: readonly Link[],
  inCwd: (path: string) => string,
): TokenService {
  try {
    return { authType: "iam", grant: apiKeyGrant(isFile ? secretFile(inCwd(value)) : value), source, links };
  } catch (cause) {
    throw new IamError("ERR_IAM_CONFIG", `${name} (${source}): ${(cause as Error).message}`, { cause });
  }
}

function configuredService(
  properties: Properties,
  links: readonly Link[],
  inCwd: (path: string) => string,
): Service {
  const authType = authTypeOf(properties);
  const intervalS = properties.wholeNumber("RETRY_INTERVAL");
  const service: ServiceProperties = {
    url: urlOf(properties),
    disableSsl: properties.flag("DISABLE_SSL"),
    enableGzip: properties.flag("ENABLE_GZIP"),
    enableRetries: properties.flag("ENABLE_RETRIES"),
    maxRetries: properties.wholeNumber("MAX_RETRIES"),
    maxRetryIntervalMs: intervalS && intervalS * 1000,
    source: properties.source,
    links,
  };
  if (authType === "noAuth") return { ...service, authType };
  if (authType === "basic") return { ...service, authType, ...basicOf(properties) };
  return { ...service, authType, ...grantOf(authType, properties, inCwd) };
}

/**
 * Bindings of Cloudant have a password in it. Nothing would keep that from being printed, no token goes to such a URL, and axios
 * would send it in place of one.
 */
function urlOf(properties: Properties): string | undefined {
  const url = properties.text("URL");
  return url && withoutEndSlashes(url).replace(/^(https?:\/\/)[^/?#\\]*@/i, "$1");
}

/** A service that wants a token. Errors: `ERR_IAM_CONFIG` for one that does not. */
export function tokenServiceOf(
  found: Found,
  links: readonly Link[],
  surroundings: Surroundings,
): TokenService {
  const service = serviceOf(found, links, surroundings);
  if ("grant" in service) return service;
  throw new IamError(
    "ERR_IAM_CONFIG",
    `The authentication type is ${service.authType} (${service.source}), which has no token: do without a token manager. serviceFromEnvironment() gives what is configured.`,
  );
}
