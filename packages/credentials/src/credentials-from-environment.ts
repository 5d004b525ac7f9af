import { firstOf } from "./links.ts";
import { type TokenService, tokenServiceOf } from "./service.ts";
import { lookForCredentials } from "./sources.ts";
import { requireObject, type SurroundingsOptions, surroundingsOf } from "./surroundings.ts";

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
  requireObject("credentialsFromEnvironment", options);
  const { service } = options;
  const surroundings = surroundingsOf(options);
  const wanted = { service, plainKey: service === undefined };
  const whose = service === undefined ? "IBM Cloud" : `the service ${service}`;
  const { found, links } = firstOf(lookForCredentials(wanted, surroundings), whose);
  return tokenServiceOf(found, links, surroundings);
}
