import { withAdvice } from "./advice.ts";
import { type ClientOptions, clientReader } from "./client-options.ts";
import { definedFields, type Grant } from "./grant.ts";
import { requireCount, requireText } from "./option-rules.ts";
import { type SecretSource, secretReader } from "./secret.ts";
import { buildTokenRequest } from "./token-request.ts";
import { profileFields, profileOptionNames, type TrustedProfileOptions } from "./trusted-profile.ts";

/** Options of {@link crTokenGrant}: at least one of the three that name a profile. */
export interface CrTokenGrantOptions extends TrustedProfileOptions, ClientOptions {
  /** Space-separated scopes. Default: none sent. */
  scope?: string | undefined;
}

/**
 * The grant of a trusted profile to a compute resource: a cluster, a Code Engine application. The platform keeps the
 * compute resource's token in a file and replaces it there, so give a function that reads it. White space around it is
 * dropped.
 *
 * Errors: `ERR_IAM_CONFIG` when no profile is named.
 * Source: https://cloud.ibm.com/apidocs/iam-identity-token-api
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
  const { clientId, scope } = options;
  const client = clientReader(options);
  requireCount("crTokenGrant", "at least one", options, profileOptionNames);
  requireText("crTokenGrant", options, { optional: [...profileOptionNames, "scope"] });
  const fields = { ...profileFields(options), scope };
  return {
    kind: "cr-token",
    identity: () => definedFields({ client_id: clientId, ...fields }),
    secret: secretReader(trimmed(crToken), "compute resource token"),
    retry: "safe",
    async exchange({ tokenEndpoint, secret, send }) {
      const request = buildTokenRequest({
        tokenEndpoint,
        form: { grant_type: "urn:ibm:params:oauth:grant-type:cr-token", cr_token: await secret(), ...fields },
        clientId,
        clientSecret: await client?.(),
      });
      try {
        return await send(request);
      } catch (error) {
        throw withAdvice(error, "Is the trusted profile linked to this compute resource?");
      }
    },
  };
}

function trimmed(source: SecretSource): SecretSource {
  const trim = (value: unknown) => (typeof value === "string" ? value.trim() : value) as string;
  return typeof source === "function" ? async () => trim(await source()) : trim(source);
}
