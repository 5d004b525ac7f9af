import { type ClientOptions, requiredClient } from "./client-options.ts";
import { configError, isIamError, type TokenEndpointError } from "./errors.ts";
import type { ExchangeContext, Grant } from "./grant.ts";
import { mayHaveArrived } from "./one-time.ts";
import { requireGrant } from "./option-rules.ts";
import { type SecretSource, secretReader } from "./secret.ts";
import { identityWithin } from "./source-leg.ts";
import { buildTokenRequest } from "./token-request.ts";
import { jsonMembers, type TokenResponse } from "./token-response.ts";

/** Options of {@link refreshTokenGrant}: a refresh token, a primary grant, or both. */
export interface RefreshTokenGrantOptions extends ClientOptions {
  /**
   * The refresh token to begin with. Each answer brings the next one, which is `refreshToken` of the Token. A function is
   * asked for each exchange; what it gives counts when it differs from what it gave before.
   */
  refreshToken?: SecretSource;
  /** The client that obtained the refresh token: no other can use it. */
  clientId: string | undefined;
  /** The client's secret. */
  clientSecret: SecretSource;
  /** The grant to begin with, and to fall back to when the refresh token has expired or its session has ended. */
  primary?: Grant | undefined;
}

/** Refusals after which the refresh token is of no use: invalid, expired, session ended by inactivity. */
const refreshTokenEnded = /^BXNIM04(07|08|39)E$/;

/**
 * The refresh token grant (RFC 6749 section 6).
 *
 * Each refresh token is sent one time: when no answer comes, nobody knows whether it has been used. With a primary grant
 * the next exchange is that grant's; without one a new refresh token is needed.
 *
 * Errors: `ERR_IAM_CONFIG` without a client, and when there is no refresh token left and no primary grant.
 * Source: RFC 6749 section 6.
 *
 * @example
 * ```ts
 * import { apiKeyGrant, refreshTokenGrant } from "@iam/core";
 * const client = { clientId: "bx", clientSecret: "bx" };
 * export const grant = (apiKey: string) => refreshTokenGrant({ ...client, primary: apiKeyGrant(apiKey, client) });
 * ```
 */
export function refreshTokenGrant(options: RefreshTokenGrantOptions): Grant {
  const { primary } = options;
  const { clientId, clientSecret } = requiredClient("refreshTokenGrant", options);
  const given = givenReader(options);
  /** What `given` gave last. */
  let known: string | undefined;
  /** What the next exchange sends; undefined when it is the turn of the primary grant. */
  let next: string | undefined;

  async function secret(): Promise<string> {
    const value = await given?.();
    if (value !== known) {
      known = value;
      next = value;
    }
    return next ?? (await primary?.secret?.()) ?? "";
  }

  /** The exchange of the primary grant. */
  async function begin(context: ExchangeContext, value?: string): Promise<TokenResponse> {
    if (primary === undefined) throw configError(`There is no refresh token to send: ${usedUp}`);
    const read = () => Promise.resolve(value ?? primary.secret?.() ?? "");
    return keep(await primary.exchange({ ...context, secret: read }));
  }

  function keep(response: TokenResponse, sent?: string): TokenResponse {
    const { refresh_token: answered } = jsonMembers(() => response.body);
    // Without a new one the old one stays good (RFC 6749 section 6).
    next = typeof answered === "string" && answered !== "" && answered !== "not_supported" ? answered : sent;
    return response;
  }

  return {
    kind: "refresh_token",
    identity: () => ({ client_id: clientId, ...(primary && identityWithin("primary", primary)) }),
    secret,
    get retry() {
      const isPrimaryNext = next === undefined && (given === undefined || known !== undefined);
      return primary && isPrimaryNext ? primary.retry : "once";
    },
    async exchange(context) {
      const value = await context.secret();
      const sent = next;
      if (sent === undefined) return begin(context, value);
      const request = buildTokenRequest({
        tokenEndpoint: context.tokenEndpoint,
        form: { grant_type: "refresh_token", refresh_token: sent },
        clientId,
        clientSecret: await clientSecret(),
      });
      next = undefined;
      try {
        return keep(await context.send(request), sent);
      } catch (error) {
        if (!mayHaveArrived(error)) next = sent;
        if (primary && isEnded(error)) return begin(context);
        throw error;
      }
    },
  };
}

const usedUp =
  "the last one has been sent, and each is good for one time. Log in again for a new one, or give a primary grant to fall back to.";

function isEnded(error: unknown): boolean {
  return isIamError(error) && refreshTokenEnded.test((error as TokenEndpointError).errorCode ?? "");
}

function givenReader({ refreshToken, primary }: RefreshTokenGrantOptions) {
  if (primary !== undefined) requireGrant("refreshTokenGrant: primary", primary);
  if (refreshToken === undefined && primary !== undefined) return undefined;
  if (refreshToken === "not_supported")
    throw configError(
      'refreshTokenGrant: "not_supported" is what IAM writes when it gives no refresh token: it does so without client authentication.',
    );
  return secretReader(refreshToken, "refresh token");
}
