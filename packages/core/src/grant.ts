import { configError } from "./errors.ts";
import { type SecretSource, secretReader } from "./secret.ts";
import type { Token } from "./token.ts";
import { buildTokenRequest, type TokenRequest } from "./token-request.ts";
import type { TokenResponse } from "./token-response.ts";

/** What a manager gives a grant for one exchange. */
export interface ExchangeContext {
  /** The manager's token endpoint. */
  readonly tokenEndpoint: string;
  /** Sends a request under the manager's deadlines, retries and budget; resolves with an answer of status 2xx only. */
  send(request: TokenRequest): Promise<TokenResponse>;
  /** The grant's secret, read once for this exchange. */
  secret(): Promise<string>;
  /** A token of another grant, through a manager of its own: cached, single flight, budgeted. */
  source(grant: Grant): Promise<Token>;
  /** The token held until now, when there is one. */
  readonly previous: Token | undefined;
  /** Aborts at the deadline of the exchange. */
  readonly signal: AbortSignal;
}

/**
 * What to ask a token endpoint for (RFC 6749 section 1.3), and how.
 *
 * The answer of `exchange` is checked by the manager with `parseTokenResponse`, whatever the grant: a server with another
 * shape of answer is brought into that of RFC 6749 section 5.1 by the grant.
 */
export interface Grant {
  /** A short name, such as `apikey`; the same for all grants of one function. */
  readonly kind: string;
  /** What tells this grant from others of its kind, secrets excepted: client, scope, profile, account. */
  identity(): Readonly<Record<string, string>>;
  /** The secret that the exchange needs; asked again for each. */
  readonly secret?: () => string | Promise<string>;
  /** Asks for a token. */
  exchange(context: ExchangeContext): Promise<TokenResponse>;
  /** `once` for a secret that the server accepts a single time: it is never sent twice. */
  readonly retry: "safe" | "once";
  /**
   * What a shared store may go by. `secret`: the secret is random enough, as an API key is, to guard a token that others can
   * see sealed. `identity`: the secret changes from exchange to exchange, and the identity alone tells whose token it is;
   * takes a pepper. `never`: more is wanted of the answer than the access token. Default: secret and identity, with a pepper.
   */
  readonly sharing?: "secret" | "identity" | "never";
}

/**
 * The exchange of a grant that takes one request.
 *
 * @example
 * ```ts
 * import { buildTokenRequest, type Grant, oneRequest } from "@iam/core";
 * export const clientCredentials = (clientId: string, clientSecret: string): Grant => ({
 *   kind: "client_credentials",
 *   identity: () => ({ client_id: clientId }),
 *   secret: () => clientSecret,
 *   retry: "safe",
 *   exchange: oneRequest(async ({ tokenEndpoint, secret }) =>
 *     buildTokenRequest({
 *       tokenEndpoint,
 *       form: { grant_type: "client_credentials" },
 *       clientId,
 *       clientSecret: await secret(),
 *     }),
 *   ),
 * });
 * ```
 */
export function oneRequest(
  build: (context: ExchangeContext) => TokenRequest | Promise<TokenRequest>,
  parse: (response: TokenResponse) => TokenResponse = (response) => response,
): Grant["exchange"] {
  return async (context) => parse(await context.send(await build(context)));
}

/** Options of {@link apiKeyGrant}. */
export interface ApiKeyGrantOptions {
  /** A client registered with IAM; can raise the rate limit. With `clientSecret` or not at all. */
  clientId?: string | undefined;
  /** The client's secret. With `clientId` or not at all. */
  clientSecret?: SecretSource;
  /** Space-separated scopes. Default: none sent; IAM gives `ibm openid`. */
  scope?: string | undefined;
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
  const { clientId, scope } = options;
  const secret = secretReader(apiKey, "API key");
  const clientSecret = clientSecretReader(clientId, options.clientSecret);
  return {
    kind: "apikey",
    identity: () => ({
      ...(clientId !== undefined && { client_id: clientId }),
      ...(scope !== undefined && { scope }),
    }),
    secret,
    retry: "safe",
    sharing: "secret",
    exchange: oneRequest(async (context) =>
      buildTokenRequest({
        tokenEndpoint: context.tokenEndpoint,
        form: {
          grant_type: "urn:ibm:params:oauth:grant-type:apikey",
          apikey: await context.secret(),
          scope,
        },
        clientId,
        clientSecret: await clientSecret?.(),
      }),
    ),
  };
}

function clientSecretReader(
  clientId: string | undefined,
  clientSecret: SecretSource,
): (() => string | Promise<string>) | undefined {
  if (clientId === undefined && clientSecret === undefined) return undefined;
  if (typeof clientId !== "string" || clientId === "" || clientSecret === undefined) {
    throw configError("clientId and clientSecret belong together: give both or neither.");
  }
  return secretReader(clientSecret, "client secret");
}
