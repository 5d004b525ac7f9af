import { advised } from "./advice.ts";
import { type ClientOptions, requiredClient } from "./client-options.ts";
import { configError, isIamError, type TokenEndpointError } from "./errors.ts";
import type { ExchangeContext, Grant } from "./grant.ts";
import { mayHaveArrived } from "./one-time.ts";
import { requireGrant, requireOptions } from "./option-rules.ts";
import { type SecretSource, secretReader } from "./secret.ts";
import { identityWithin } from "./source-leg.ts";
import { buildTokenRequest } from "./token-request.ts";
import { jsonMembers, type TokenResponse } from "./token-response.ts";

/** Options of {@link refreshTokenGrant}: a refresh token, a primary grant, or both. */
export interface RefreshTokenGrantOptions extends ClientOptions {
  /**
   * The refresh token to begin with; each answer brings the next one, the `refreshToken` of the Token. A function is asked
   * for each exchange, and what it gives counts when it has not been sent yet.
   */
  refreshToken?: SecretSource;
  /** The client that obtained the refresh token: no other can use it. */
  clientId: string | undefined;
  /** The client's secret. */
  clientSecret: SecretSource;
  /** The grant to begin with when there is no refresh token, and to fall back to when that is of no use any more. */
  primary?: Grant | undefined;
}

/**
 * The refresh token grant (RFC 6749 section 6).
 *
 * Each refresh token is sent one time, ever; only one that surely never arrived is sent again. When IAM refuses it as
 * invalid, expired or of a session that has ended, the primary grant is asked at once; when no answer comes, by the next
 * exchange.
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
  requireOptions("refreshTokenGrant", options);
  const { primary } = options;
  const { clientId, clientSecret } = requiredClient("refreshTokenGrant", options);
  const tokens = refreshTokens(givenReader(options));

  /** The exchange of the primary grant, with its secret if that has been read. */
  async function begin(context: ExchangeContext, read?: string): Promise<TokenResponse> {
    if (primary === undefined)
      throw configError(
        "There is no refresh token to send: the last one has been sent, and each is good for one time. Log in again, or give a primary grant to fall back to.",
      );
    const secret = async () => read ?? (await primary.secret?.()) ?? "";
    return tokens.keep(await primary.exchange({ ...context, secret }));
  }

  return {
    kind: "refresh_token",
    identity: () => ({ client_id: clientId, ...(primary && identityWithin("primary", primary)) }),
    secret: async () => (await tokens.read()) ?? (await primary?.secret?.()) ?? "",
    // Each process has refresh tokens of its own, which a token of another would not bring on.
    sharing: "never",
    get retry() {
      return primary && tokens.areSpent() ? primary.retry : "once";
    },
    async exchange(context) {
      const secret = await context.secret();
      if (tokens.areSpent()) return begin(context, secret);
      const authentication = { clientId, clientSecret: await clientSecret() };
      // Too late for this exchange: the token waits for the next one.
      context.signal.throwIfAborted();
      const refresh_token = tokens.take();
      if (refresh_token === undefined) return begin(context);
      const { tokenEndpoint } = context;
      const form = { grant_type: "refresh_token", refresh_token };
      const request = buildTokenRequest({ tokenEndpoint, form, ...authentication });
      try {
        return tokens.keep(await advised(advice, () => context.send(request)), refresh_token);
      } catch (error) {
        if (!mayHaveArrived(error)) tokens.putBack(refresh_token);
        if (primary === undefined || !isEnded(error)) throw error;
        return begin(context);
      }
    },
  };
}

/** What IAM refuses when a refresh token is of no use any more, and what to do without a primary grant. */
const advice = {
  BXNIM0407E: "the refresh token is invalid, has been used, or is another client's; log in again",
  BXNIM0408E: "the refresh token has expired; log in again",
  BXNIM0439E: "the session has ended because it was not used; log in again",
};

function isEnded(error: unknown): boolean {
  return isIamError(error) && Object.hasOwn(advice, (error as TokenEndpointError).errorCode ?? "");
}

function givenReader({ refreshToken, primary }: RefreshTokenGrantOptions) {
  if (primary !== undefined) requireGrant("refreshTokenGrant: primary", primary);
  if (refreshToken === undefined && primary !== undefined) return undefined;
  if (refreshToken === "not_supported")
    throw configError(
      'refreshTokenGrant: "not_supported" is what IAM writes in place of a refresh token when the client did not authenticate itself.',
    );
  return secretReader(refreshToken, "refresh token");
}

/** How many tokens are remembered as taken: enough for a store that lags behind. */
const remembered = 100;

/** The refresh tokens of one grant: which is to be sent next, and which have been taken. */
function refreshTokens(given: (() => string | Promise<string>) | undefined) {
  const taken = new Set<string>();
  let next: string | undefined;
  let known: string | undefined;
  return {
    /** The token to be sent next. One that is given counts once: after that the answers bring better ones. */
    async read(): Promise<string | undefined> {
      const value = await given?.();
      if (value !== known && value !== undefined && !taken.has(value)) next = value;
      known = value;
      return next;
    },
    areSpent: () => next === undefined && (given === undefined || known !== undefined),
    take(): string | undefined {
      const value = next;
      next = undefined;
      if (value !== undefined) taken.add(value);
      if (taken.size > remembered) taken.delete([...taken][0] ?? "");
      return value;
    },
    putBack(value: string): void {
      next ??= value;
    },
    /** Keeps the refresh token of an answer. Without one the sent one stays good (RFC 6749 section 6). */
    keep(response: TokenResponse, sent?: string): TokenResponse {
      const { refresh_token } = jsonMembers(() => response.body);
      const isToken = typeof refresh_token === "string" && !/^(not_supported)?$/.test(refresh_token);
      next = isToken ? refresh_token : sent;
      return response;
    },
  };
}
