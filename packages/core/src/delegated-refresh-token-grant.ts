import { type ClientOptions, requiredClient } from "./client-options.ts";
import { formExchange } from "./form-exchange.ts";
import type { Grant } from "./grant.ts";
import { requireOptions } from "./option-rules.ts";
import { type SecretSource, secretReader } from "./secret.ts";

/** Options of {@link delegatedRefreshTokenGrant}. */
export interface DelegatedRefreshTokenGrantOptions extends ClientOptions {
  /** The delegated refresh token that somebody else has obtained, with `delegatingGrant` or otherwise. */
  refreshToken: SecretSource;
  /** One of the clients that it was made for. */
  clientId: string | undefined;
  /** The client's secret. */
  clientSecret: SecretSource;
}

/**
 * The receiver's side of a delegated refresh token: acts for the one who delegated until that token expires. The other
 * side is `delegatingGrant`.
 *
 * That it can be redeemed again and again until then is inferred: IBM's own libraries keep it all that time.
 *
 * Errors: `ERR_IAM_CONFIG` without a token or a client.
 * Source: https://cloud.ibm.com/apidocs/iam-identity-token-api
 *
 * @example
 * ```ts
 * import { delegatedRefreshTokenGrant } from "@iam/core";
 * export const grant = (refreshToken: string, clientSecret: string) =>
 *   delegatedRefreshTokenGrant({ refreshToken, clientId: "my-service", clientSecret });
 * ```
 */
export function delegatedRefreshTokenGrant(options: DelegatedRefreshTokenGrantOptions): Grant {
  requireOptions("delegatedRefreshTokenGrant", options);
  const client = requiredClient("delegatedRefreshTokenGrant", options);
  const ended = "get a new one from who delegated";
  return {
    kind: "delegated-refresh-token",
    identity: () => ({ client_id: client.clientId }),
    secret: secretReader(options.refreshToken, "delegated refresh token"),
    retry: "safe",
    exchange: formExchange(
      client,
      (refresh_token) => ({
        grant_type: "urn:ibm:params:oauth:grant-type:delegated-refresh-token",
        refresh_token,
      }),
      {
        BXNIM0407E: `the delegated refresh token is invalid, or not for the client ${client.clientId}; ${ended}`,
        BXNIM0408E: `the delegated refresh token has expired; ${ended}`,
        BXNIM0439E: `the session of who delegated has ended; ${ended}`,
      },
    ),
  };
}
