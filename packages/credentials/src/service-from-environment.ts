import { firstOf } from "./links.ts";
import { type Service, serviceOf } from "./service.ts";
import { lookForCredentials, requireServiceName } from "./sources.ts";
import { requireObject, type SurroundingsOptions, surroundingsOf } from "./surroundings.ts";

/** Options of {@link serviceFromEnvironment}. Read once. */
export interface ServiceFromEnvironmentOptions extends SurroundingsOptions {
  /** The service: its properties begin with this name in capitals, with `_` for `-` and `_` behind it. */
  service: string;
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
export function serviceFromEnvironment(options: ServiceFromEnvironmentOptions): Service {
  requireObject("serviceFromEnvironment", options);
  const { service } = options;
  requireServiceName(service);
  const surroundings = surroundingsOf(options);
  const { found, links } = firstOf(
    lookForCredentials({ service, plainKey: false }, surroundings),
    `the service ${service}`,
  );
  return serviceOf(found, links, surroundings);
}
