import { configError, TokenEndpointError } from "./errors.ts";
import { definedFields, type Grant } from "./grant.ts";
import { requireGrant, requireOptions } from "./option-rules.ts";
import { conceal } from "./secret.ts";
import { identityWithin } from "./source-leg.ts";
import type { TokenRequest } from "./token-request.ts";
import { jsonMembers, type TokenResponse, tokenResponse, transactionIdOf } from "./token-response.ts";

/** Options of {@link delegatingGrant}. */
export interface DelegatingGrantOptions {
  /** The clients that may redeem the delegated refresh token, such as `["ce", "kube"]`. */
  receiverClientIds: readonly string[];
  /** Seconds until it expires. Default: none sent; IAM gives 518,400, six days. */
  expiresInS?: number | undefined;
}

/**
 * The delegating side of a delegated refresh token: another grant, whose tokens come with a refresh token that only the
 * given clients can redeem. Hand the `refreshToken` of the {@link Token} to one of them; nobody else can use it.
 *
 * Errors: `ERR_IAM_CONFIG` for a grant other than those of an API key or a refresh token, and without receivers.
 * Source: https://cloud.ibm.com/apidocs/iam-identity-token-api
 *
 * @example
 * ```ts
 * import { apiKeyGrant, createTokenManager, delegatingGrant } from "@iam/core";
 * export async function delegatedTo(client: string, apiKey: string): Promise<string | undefined> {
 *   const grant = delegatingGrant(apiKeyGrant(apiKey), { receiverClientIds: [client], expiresInS: 600 });
 *   return (await createTokenManager({ grant }).getToken()).refreshToken;
 * }
 * ```
 */
export function delegatingGrant(grant: Grant, options: DelegatingGrantOptions): Grant {
  requireOptions("delegatingGrant", options);
  requireGrant("delegatingGrant", grant);
  if (grant.kind !== "apikey" && grant.kind !== "refresh_token")
    throw configError(
      `delegatingGrant: IAM delegates for apiKeyGrant and refreshTokenGrant, not for the grant ${grant.kind}.`,
    );
  const fields = delegatingFields(options);
  const { receiver_client_ids, delegated_refresh_token_expiry } = fields;
  return {
    kind: "delegating",
    identity: () => ({
      ...definedFields({ receiver_client_ids, delegated_refresh_token_expiry }),
      ...identityWithin("delegated", grant),
    }),
    ...(grant.secret && { secret: grant.secret }),
    // It is for the refresh token, and those are never stored.
    sharing: "never",
    get retry() {
      return grant.retry;
    },
    exchange: async (context) =>
      delegatedAnswer(
        await grant.exchange({ ...context, send: (request) => context.send(withFields(request, fields)) }),
      ),
  };
}

function delegatingFields({ receiverClientIds, expiresInS }: DelegatingGrantOptions) {
  const ids: readonly unknown[] = Array.isArray(receiverClientIds) ? receiverClientIds : [];
  if (ids.length === 0 || ids.some((id) => typeof id !== "string" || !/^[^\s,:]+$/.test(id)))
    throw configError('delegatingGrant: receiverClientIds must list client ids, such as ["kube"].');
  if (expiresInS !== undefined && !(Number.isSafeInteger(expiresInS) && expiresInS > 0))
    throw configError("delegatingGrant: expiresInS must be a whole number of seconds, 1 or more.");
  return {
    response_type: "cloud_iam delegated_refresh_token",
    receiver_client_ids: ids.join(","),
    delegated_refresh_token_expiry: expiresInS === undefined ? undefined : `${expiresInS}`,
  };
}

function withFields(
  { method, url, headers, body }: TokenRequest,
  fields: Readonly<Record<string, string | undefined>>,
): TokenRequest {
  const more = new URLSearchParams(definedFields(fields));
  return conceal({ method, url }, { headers, body: `${body}&${more}` });
}

/** The answer as if the delegated refresh token were the refresh token that came with it. */
function delegatedAnswer(response: TokenResponse): TokenResponse {
  const { body, status, date, transactionId } = response;
  const members = jsonMembers(() => body);
  const { delegated_refresh_token: refresh_token } = members;
  if (members.access_token !== undefined && typeof refresh_token !== "string")
    throw new TokenEndpointError(
      "ERR_IAM_TOKEN_RESPONSE_INVALID",
      "The token endpoint answered without a delegated_refresh_token: it cannot delegate.",
      { status, transactionId: transactionIdOf(response) },
    );
  return tokenResponse({ status, date, transactionId, body: JSON.stringify({ ...members, refresh_token }) });
}
