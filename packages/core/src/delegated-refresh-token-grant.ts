import { withAdvice } from "./advice.ts";
import { type ClientOptions, requiredClient } from "./client-options.ts";
import type { Grant } from "./grant.ts";
import { type SecretSource, secretReader } from "./secret.ts";
import { buildTokenRequest } from "./token-request.ts";

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
 * The receiver's side of a delegated refresh token: acting for the one who delegated, until that token expires.
 *
 * That it can be redeemed again and again until it expires is inferred from the libraries that keep it all that time.
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
  const { clientId, clientSecret } = requiredClient("delegatedRefreshTokenGrant", options);
  return {
    kind: "delegated-refresh-token",
    identity: () => ({ client_id: clientId }),
    secret: secretReader(options.refreshToken, "delegated refresh token"),
    retry: "safe",
    async exchange({ tokenEndpoint, secret, send }) {
      const request = buildTokenRequest({
        tokenEndpoint,
        form: {
          grant_type: "urn:ibm:params:oauth:grant-type:delegated-refresh-token",
          refresh_token: await secret(),
        },
        clientId,
        clientSecret: await clientSecret(),
      });
      try {
        return await send(request);
      } catch (error) {
        throw withAdvice(
          error,
          "A delegated refresh token lives six days unless it was made otherwise, and is for the clients that it was made for.",
        );
      }
    },
  };
}
