import type { Token } from "./token.ts";
import type { TokenRequest } from "./token-request.ts";
import type { TokenResponse } from "./token-response.ts";

/** What a manager gives a grant for one exchange. */
export interface ExchangeContext {
  /** The manager's token endpoint. */
  readonly tokenEndpoint: string;
  /** Sends a request under the manager's deadlines, retries and budget; resolves with an answer of status 2xx only. */
  send(request: TokenRequest): Promise<TokenResponse>;
  /** The grant's secret, read once for this exchange. */
  secret(): Promise<string>;
  /**
   * A token of another grant, through a manager of its own: cached, single flight, budgeted. `rejected` is one that a
   * server refused, `minValidityMs` how long it must stay valid, as in `getToken`.
   */
  source(
    grant: Grant,
    options?: { rejected?: string | undefined; minValidityMs?: number | undefined },
  ): Promise<Token>;
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
  /**
   * Lets the requests of this grant go over plain http beyond loopback. The grant vouches for the address, such as that of
   * a metadata service, which the host of the instance answers itself. Default: false.
   */
  readonly allowInsecure?: boolean | undefined;
  /**
   * `once` for a secret that the server accepts a single time: each exchange makes one attempt. That no later exchange sends
   * the same value again is up to the grant.
   */
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

/** The fields that have a value. */
export function definedFields(
  fields: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  return JSON.parse(JSON.stringify(fields));
}
