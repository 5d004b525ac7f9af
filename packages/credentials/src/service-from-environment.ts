import { resolve } from "node:path";
import { type Grant, IamError } from "@iam/core";
import { type AuthType, authTypeOf } from "./auth-type.ts";
import { basicOf } from "./basic-of-properties.ts";
import { grantOf, type TokenAuthType } from "./grant-of-properties.ts";
import { firstOf, type Link } from "./links.ts";
import type { Properties } from "./properties.ts";
import { lookForCredentials } from "./sources.ts";
import { type Surroundings, type SurroundingsOptions, surroundingsOf } from "./surroundings.ts";

/** Options of {@link serviceFromEnvironment}. Read once. */
export interface ServiceFromEnvironmentOptions extends SurroundingsOptions {
  /** The service: its properties begin with this name in capitals, with `_` for `-` and `_` behind it. */
  service: string;
}

/** What is configured of a service besides its authentication. */
export interface ServiceProperties {
  /** The URL of the service, without slashes at the end. */
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

/**
 * What is configured for a service, in the properties that IBM's SDKs read: in a credentials file, else in the environment,
 * else in `VCAP_SERVICES`. The first source with a property of the service counts, and it alone.
 *
 * Errors: `ERR_IAM_CONFIG` that names the property and its source, or every place that was looked at.
 * Source: https://github.com/IBM/ibm-cloud-sdk-common#using-external-configuration
 *
 * @example
 * ```ts
 * import { serviceFromEnvironment } from "@iam/credentials";
 * const service = serviceFromEnvironment({ service: "cloudant" });
 * if (service.authType === "noAuth") console.log(service.url, "wants no token");
 * ```
 */
export function serviceFromEnvironment(
  options: ServiceFromEnvironmentOptions,
): TokenService | BasicService | OpenService {
  const { service } = options ?? {};
  if (typeof service !== "string" || service === "")
    throw new IamError("ERR_IAM_CONFIG", 'The name of a service is missing, such as { service: "cloudant" }.');
  const surroundings = surroundingsOf(options);
  const wanted = { service, plainKey: false };
  const { found, links } = firstOf(lookForCredentials(wanted, surroundings), `the service ${service}`);
  if (!("properties" in found)) throw new TypeError("Only properties were wanted");
  return serviceOf(found.properties, links, surroundings);
}

/** What the properties of a service say. */
export function serviceOf(
  properties: Properties,
  links: readonly Link[],
  { cwd }: Surroundings,
): TokenService | BasicService | OpenService {
  const authType: AuthType = authTypeOf(properties);
  const intervalS = properties.wholeNumber("RETRY_INTERVAL");
  const service: ServiceProperties = {
    url: properties.text("URL")?.replace(/\/+$/, ""),
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
  return { ...service, authType, ...grantOf(authType, properties, (path) => resolve(cwd, path)) };
}
