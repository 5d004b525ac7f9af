import { resolve } from "node:path";
import { apiKeyGrant, type Grant, IamError } from "@iam/core";
import { firstOf, type Link } from "./links.ts";
import { secretFile } from "./secret-file.ts";
import { serviceOf, type TokenService } from "./service-from-environment.ts";
import { type Found, lookForCredentials } from "./sources.ts";
import { type Surroundings, type SurroundingsOptions, surroundingsOf } from "./surroundings.ts";

/** Options of {@link credentialsFromEnvironment}. Read once. */
export interface CredentialsFromEnvironmentOptions extends SurroundingsOptions {
  /**
   * The service: its properties begin with this name in capitals, with `_` for `-` and `_` behind it. Default: none; then it
   * is the API key in `IBMCLOUD_API_KEY` or `IC_API_KEY`, or in the file that `IBMCLOUD_API_KEY_FILE` or `IC_API_KEY_FILE` names.
   */
  service?: string | undefined;
}

/**
 * The grant that is configured for a service, or for everything, with what else `createTokenManager` needs.
 *
 * The properties, sources and their order are those of IBM's SDKs: a credentials file, else the environment, else
 * `VCAP_SERVICES`. The first source with a property of the service counts, and it alone.
 *
 * Errors: `ERR_IAM_CONFIG` that names the property and its source, or every place that was looked at; also for the
 * authentication types `basic` and `noAuth`, which have no token: see {@link serviceFromEnvironment}.
 * Source: https://github.com/IBM/ibm-cloud-sdk-common#using-external-configuration
 *
 * @example
 * ```ts
 * import { createTokenManager } from "@iam/core";
 * import { credentialsFromEnvironment } from "@iam/credentials";
 * export const manager = createTokenManager(credentialsFromEnvironment({ service: "cloudant" }));
 * ```
 */
export function credentialsFromEnvironment(options: CredentialsFromEnvironmentOptions = {}): TokenService {
  const { service } = options;
  const surroundings = surroundingsOf(options);
  const wanted = { service, plainKey: service === undefined };
  const whose = service === undefined ? "IBM Cloud" : `the service ${service}`;
  const { found, links } = firstOf(lookForCredentials(wanted, surroundings), whose);
  return tokenServiceOf(found, links, surroundings);
}

/** What was found in a source, when it is for tokens. Errors: `ERR_IAM_CONFIG`. */
export function tokenServiceOf(found: Found, links: readonly Link[], surroundings: Surroundings): TokenService {
  if ("plainKey" in found) {
    const { source } = found.plainKey;
    return { authType: "iam", grant: plainGrant(found, surroundings), source, links };
  }
  const { properties } = found;
  const service = serviceOf(properties, links, surroundings);
  if ("grant" in service) return service;
  throw new IamError(
    "ERR_IAM_CONFIG",
    `The authentication type is ${service.authType} (${service.source}), which has no token: do without a token manager; serviceFromEnvironment() gives what there is.`,
  );
}

function plainGrant({ plainKey }: Extract<Found, { plainKey: unknown }>, { cwd }: Surroundings): Grant {
  const { name, source, value, isFile } = plainKey;
  if (isFile) return apiKeyGrant(secretFile(resolve(cwd, value)));
  try {
    return apiKeyGrant(value);
  } catch (cause) {
    throw new IamError("ERR_IAM_CONFIG", `${name} (${source}): ${(cause as Error).message}`, { cause });
  }
}
