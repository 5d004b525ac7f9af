import { type ClientOptions, clientReader } from "./client-options.ts";
import { formExchange } from "./form-exchange.ts";
import { definedFields, type Grant } from "./grant.ts";
import { requireCount, requireOptions, requireText } from "./option-rules.ts";
import { type SecretSource, secretReader } from "./secret.ts";
import {
  profileFields,
  profileOptionNames,
  type TrustedProfileOptions,
  trustAdvice,
} from "./trusted-profile.ts";

/** Options of {@link crTokenGrant}: at least one of the three that name a profile. */
export interface CrTokenGrantOptions extends TrustedProfileOptions, ClientOptions {
  /** Space-separated scopes. Default: none sent. */
  scope?: string | undefined;
}

/**
 * The grant of a trusted profile to a compute resource: a cluster, or an application of Code Engine. The platform keeps
 * the token of the compute resource in a file and replaces it there, so give a function that reads the file. White space
 * around the token is dropped.
 *
 * Errors: `ERR_IAM_CONFIG` when no profile is named.
 * Source: https://cloud.ibm.com/apidocs/iam-identity-token-api#gettoken-crtoken
 *
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { crTokenGrant } from "@iam/core";
 * const file = "/var/run/secrets/codeengine.cloud.ibm.com/compute-resource-token/token";
 * export const grant = crTokenGrant(() => readFile(file, "utf8"), { profileName: "my-profile" });
 * ```
 */
export function crTokenGrant(crToken: SecretSource, options: CrTokenGrantOptions): Grant {
  requireOptions("crTokenGrant", options);
  const { clientId, scope } = options;
  const clientSecret = clientReader(options);
  requireCount("crTokenGrant", "at least one", options, profileOptionNames);
  requireText("crTokenGrant", options, { optional: [...profileOptionNames, "scope"] });
  const fields = { ...profileFields(options), scope };
  return {
    kind: "cr-token",
    identity: () => definedFields({ client_id: clientId, ...fields }),
    secret: secretReader(trimmed(crToken), "compute resource token"),
    retry: "safe",
    sharing: "identity",
    exchange: formExchange(
      { clientId, clientSecret },
      (cr_token) => ({ grant_type: "urn:ibm:params:oauth:grant-type:cr-token", cr_token, ...fields }),
      {
        BXNIM0398E: `the trusted profile does not exist or is not linked to this compute resource; ${trustAdvice}`,
        BXNIM0401E: "the token of the compute resource is none; is it the right file?",
        BXNIM0405E: "the token of the compute resource has expired; give a function that reads it anew",
      },
    ),
  };
}

function trimmed(source: SecretSource): SecretSource {
  const trim = (value: string) => (typeof value === "string" ? value.trim() : value);
  if (typeof source === "function") return async () => trim(await source());
  return source === undefined ? undefined : trim(source);
}
