import { type Grant, IamError } from "@iam/core";
import type { Configuration } from "openid-client";
import { openidRequest } from "./openid-request.ts";
import type { ConfigurationSource } from "./openid-transport.ts";

/** Parameters of a token request, besides `grant_type` and what authenticates the client. */
export type GrantParameters = Readonly<Record<string, string>> | URLSearchParams;

/** Options of {@link openidGrant}. */
export interface OpenidGrantOptions {
  /**
   * What tells this grant from others of the same client, without secrets, such as `{ subject: "ada" }`: processes that share
   * tokens share those of equal identities. Server and client are added, but when they come by a promise, which cannot be waited
   * for: then name them here too. Default: the parameters for `client_credentials`; otherwise, and for promises, nobody shares.
   */
  identity?: Readonly<Record<string, string>> | undefined;
  /** `once` for parameters that the server takes a single time. Default: by the grant type. */
  retry?: Grant["retry"] | undefined;
}

/** Grants whose credential is used up by the first request, or may be (RFC 7523 section 3, `jti`). */
const onceGrants = [
  "authorization_code",
  "refresh_token",
  "urn:ietf:params:oauth:grant-type:device_code",
  "urn:ietf:params:oauth:grant-type:jwt-bearer",
  "urn:ietf:params:oauth:grant-type:saml2-bearer",
  "urn:openid:params:grant-type:ciba",
] as const;
const publicParameters = ["scope", "audience", "resource", "requested_token_type"];

/**
 * The grant for any OAuth 2 server that openid-client can speak to: client credentials, token exchange (RFC 8693), JWT bearer
 * (RFC 7523), or another that the server knows. It goes with `openidTransport` of the same Configuration.
 *
 * Parameters that change, such as a subject token or an assertion, come from a function, which is asked at each exchange.
 *
 * Errors: `ERR_IAM_CONFIG` for a grant type or parameters that are none, and with another transport.
 *
 * @example
 * ```ts
 * import type { TokenManager } from "@iam/core";
 * import { type ConfigurationSource, openidGrant } from "@iam/openid-client";
 * export const onBehalf = (configuration: ConfigurationSource, users: TokenManager) =>
 *   openidGrant(configuration, "urn:ietf:params:oauth:grant-type:token-exchange", async () => ({
 *     subject_token: (await users.getToken()).accessToken,
 *     subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
 *   }));
 * ```
 */
export function openidGrant(
  configuration: ConfigurationSource,
  grantType: string,
  parameters: GrantParameters | (() => GrantParameters | Promise<GrantParameters>) = {},
  options: OpenidGrantOptions = {},
): Grant {
  if (typeof configuration !== "function")
    throw config("openidGrant takes a function that makes a Configuration: () => new Configuration(…).");
  if (typeof grantType !== "string" || grantType === "")
    throw config('openidGrant takes a grant type, such as "client_credentials".');
  const fixed = typeof parameters === "function" ? undefined : readParameters(parameters);
  const own = options.identity ?? publicIdentity(grantType, fixed);
  let named: Readonly<Record<string, string>> | undefined;
  const isOnce = onceGrants.some((once) => once === grantType);
  return {
    kind: grantType,
    identity() {
      named ??=
        own === undefined
          ? alone()
          : { ...own, ...partyOf(configuration, options.identity === undefined ? alone() : {}) };
      return { ...named };
    },
    retry: options.retry ?? (isOnce ? "once" : "safe"),
    async exchange({ send }) {
      const read = typeof parameters === "function" ? readParameters(await parameters()) : fixed;
      const url = tokenEndpointOf(await configuration());
      return send(openidRequest(url, { grantType, parameters: new URLSearchParams(read) }));
    },
  };
}

function readParameters(parameters: GrantParameters): URLSearchParams {
  const isForm = parameters instanceof URLSearchParams;
  // A text would be taken for its letters, a Map or nothing at all for no parameters.
  const isRecord = Object.prototype.toString.call(parameters) === "[object Object]";
  if (!isForm && !isRecord)
    throw config("The parameters of openidGrant must be an object of texts, or URLSearchParams.");
  const entries = isForm ? [...parameters] : Object.entries(parameters);
  // What is undefined or a number would be sent as a text of that name.
  if (!entries.every((entry): entry is [string, string] => typeof entry[1] === "string"))
    throw config("The parameters of openidGrant must be texts by name; leave out what is not there.");
  if (entries.some(([name]) => name === "grant_type"))
    throw config("The grant type of openidGrant is its second argument, not one of the parameters.");
  return new URLSearchParams(entries);
}

/**
 * What tells a grant from others of its client by the public parameters. Undefined: grants that speak for somebody must never be
 * taken for one another, and their parameters may be secret, so no two are alike.
 */
function publicIdentity(
  grantType: string,
  fixed: URLSearchParams | undefined,
): Record<string, string> | undefined {
  if (grantType !== "client_credentials" || fixed === undefined) return undefined;
  if (![...fixed.keys()].every((name) => publicParameters.includes(name))) return undefined;
  return Object.fromEntries([...new Set(fixed.keys())].map((name) => [name, fixed.getAll(name).join(" ")]));
}

/** An identity that no other grant has. */
function alone(): Record<string, string> {
  return { instance: crypto.randomUUID() };
}

/**
 * Which client asks which server: the manager of the grant does not know, and would share the token of another client.
 * `unknown`: what a Configuration that comes by a promise is named by.
 */
function partyOf(
  configuration: ConfigurationSource,
  unknown: Record<string, string>,
): Readonly<Record<string, string>> {
  try {
    const made = configuration();
    if (!(made instanceof Promise))
      return { token_endpoint: tokenEndpointOf(made), client_id: made.clientMetadata().client_id };
    // Nobody waits for it, nor hears of its failure.
    made.catch(() => {});
    return unknown;
  } catch {
    // Each exchange asks again, and says so.
    return alone();
  }
}

function tokenEndpointOf(made: Configuration): string {
  const { token_endpoint } = made.serverMetadata();
  if (token_endpoint === undefined)
    throw config("The server metadata of the Configuration have no token_endpoint.");
  return token_endpoint;
}

function config(message: string): IamError {
  return new IamError("ERR_IAM_CONFIG", message);
}
