import { type ClientOptions, clientReader } from "./client-options.ts";
import { definedFields, type Grant } from "./grant.ts";
import { requireOptions } from "./option-rules.ts";
import { type SecretSource, secretReader } from "./secret.ts";
import { buildTokenRequest } from "./token-request.ts";

/** Options of {@link apiKeyGrant}. */
export interface ApiKeyGrantOptions extends ClientOptions {
  /** Space-separated scopes. Default: none sent; IAM gives `ibm openid`. */
  scope?: string | undefined;
  /**
   * The account that the token is for, 32 hexadecimal digits. Default: none sent; a key belongs to one account. That IAM
   * reads the field with this grant is inferred from the others.
   */
  account?: string | undefined;
}

/**
 * The grant for an API key of a user or of a service ID.
 *
 * Errors: `ERR_IAM_CONFIG` for a key that cannot be one, and for a client id without a secret or the reverse.
 * Source: https://cloud.ibm.com/apidocs/iam-identity-token-api#gettoken-apikey
 *
 * @example
 * ```ts
 * import { apiKeyGrant } from "@iam/core";
 * export const grant = apiKeyGrant(() => fetch("http://localhost:8200/key").then((answer) => answer.text()));
 * ```
 */
export function apiKeyGrant(apiKey: SecretSource, options: ApiKeyGrantOptions = {}): Grant {
  requireOptions("apiKeyGrant", options);
  const { clientId, scope, account } = options;
  const client = clientReader(options);
  return {
    kind: "apikey",
    identity: () => definedFields({ client_id: clientId, scope, account }),
    secret: secretReader(apiKey, "API key"),
    retry: "safe",
    sharing: "secret",
    exchange: async ({ tokenEndpoint, secret, send }) =>
      send(
        buildTokenRequest({
          tokenEndpoint,
          form: {
            grant_type: "urn:ibm:params:oauth:grant-type:apikey",
            apikey: await secret(),
            scope,
            account,
          },
          clientId,
          clientSecret: await client?.(),
        }),
      ),
  };
}
