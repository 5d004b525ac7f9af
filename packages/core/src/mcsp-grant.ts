import { advised } from "./advice.ts";
import { configError } from "./errors.ts";
import { definedFields, type Grant } from "./grant.ts";
import { jsonRequest } from "./json-request.ts";
import { requireOptions, requireText, serviceUrl } from "./option-rules.ts";
import { type SecretSource, secretReader } from "./secret.ts";
import { jsonMembers, type TokenResponse, tokenResponse } from "./token-response.ts";

/** Options of {@link mcspGrant}. Those other than `url` are of version 2 of the service. */
export interface McspGrantOptions {
  /** The service, such as `https://account-iam.platform.saas.ibm.com`. */
  url: string | URL | undefined;
  /** What the token is for: with `scopeId`. Together they choose version 2 of the service. */
  scopeCollectionType?: "accounts" | "subscriptions" | "services" | undefined;
  /** Which account, subscription or service the token is for. */
  scopeId?: string | undefined;
  /** Puts the built-in actions into the token. Default: false. */
  includeBuiltinActions?: boolean | undefined;
  /** Puts the custom actions into the token. Default: false. */
  includeCustomActions?: boolean | undefined;
  /** Puts the roles into the token. Default: true. */
  includeRoles?: boolean | undefined;
  /** Writes each role with the scope that defines it. Default: false. */
  prefixRolesWithDefinitionScope?: boolean | undefined;
  /** Claims of the caller's own to be put into the token. Default: none. */
  callerExtClaim?: Readonly<Record<string, unknown>> | undefined;
}

type McspFlag =
  | "includeBuiltinActions"
  | "includeCustomActions"
  | "includeRoles"
  | "prefixRolesWithDefinitionScope";

/** The switches of version 2, always sent, with their defaults. */
const flags: Readonly<Record<McspFlag, boolean>> = {
  includeBuiltinActions: false,
  includeCustomActions: false,
  includeRoles: true,
  prefixRolesWithDefinitionScope: false,
};

/**
 * The grant for an API key of the Multi-Cloud SaaS Platform (MCSP), the console of IBM's SaaS on other clouds.
 *
 * Without a scope it speaks version 1 of the service, with one version 2. The `tokenEndpoint` of the manager is not used.
 *
 * Errors: `ERR_IAM_CONFIG`.
 * Source: https://github.com/IBM/node-sdk-core/blob/main/Authentication.md
 *
 * @example
 * ```ts
 * import { mcspGrant } from "@iam/core";
 * const url = "https://account-iam.platform.saas.ibm.com";
 * export const grant = (apiKey: string, scopeId: string) =>
 *   mcspGrant(apiKey, { url, scopeCollectionType: "accounts", scopeId });
 * ```
 */
export function mcspGrant(apiKey: SecretSource, options: McspGrantOptions): Grant {
  requireOptions("mcspGrant", options);
  const url = serviceUrl("mcspGrant", options.url);
  requireText("mcspGrant", options, { optional: ["scopeCollectionType", "scopeId"] });
  const { scopeCollectionType, scopeId, callerExtClaim } = options;
  if ((scopeCollectionType === undefined) !== (scopeId === undefined))
    throw configError(
      "mcspGrant: scopeCollectionType and scopeId belong together: give both for version 2, or neither.",
    );
  const scoped = scopeId === undefined ? undefined : scopedEndpoint(options, scopeId);
  if (scoped === undefined) refuseScopedOptions(options);
  return {
    kind: "mcsp",
    identity: () =>
      definedFields({ url, ...scoped, caller_ext_claim: callerExtClaim && JSON.stringify(callerExtClaim) }),
    secret: secretReader(apiKey, "API key"),
    retry: "safe",
    sharing: "secret",
    exchange: ({ secret, send }) =>
      advised(advice, async () => {
        const endpoint = `${url}${scoped ? `${scoped.path}?${scoped.query}` : "/siusermgr/api/1.0/apikeys/token"}`;
        return rfcAnswer(
          await send(jsonRequest("POST", endpoint, { apikey: await secret(), callerExtClaim })),
        );
      }),
  };
}

function scopedEndpoint(options: McspGrantOptions, scopeId: string): { path: string; query: string } {
  const { scopeCollectionType = "", callerExtClaim } = options;
  if (!/^(accounts|subscriptions|services)$/.test(scopeCollectionType))
    throw configError("mcspGrant: scopeCollectionType must be accounts, subscriptions or services.");
  // No escape keeps these from changing the path: the key would go to another endpoint, for a token of another scope.
  if (/^\.\.?$/.test(scopeId)) throw configError('mcspGrant: scopeId must be an id, not "." or "..".');
  const wrong = flagNames().find((name) => !/^(boolean|undefined)$/.test(typeof options[name]));
  if (wrong !== undefined) throw configError(`mcspGrant: ${wrong} must be true or false.`);
  if (callerExtClaim !== undefined && Object.prototype.toString.call(callerExtClaim) !== "[object Object]")
    throw configError("mcspGrant: callerExtClaim must be an object.");
  const chosen = flagNames().map((name) => [name, `${options[name] ?? flags[name]}`]);
  return {
    path: `/api/2.0/${scopeCollectionType}/${encodeURIComponent(scopeId)}/apikeys/token`,
    query: `${new URLSearchParams(chosen)}`,
  };
}

function flagNames(): McspFlag[] {
  return Object.keys(flags) as McspFlag[];
}

/** They would be dropped without a word. */
function refuseScopedOptions(options: McspGrantOptions): void {
  const found = [...flagNames(), "callerExtClaim" as const].find((name) => options[name] !== undefined);
  if (found !== undefined)
    throw configError(`mcspGrant: ${found} is of version 2; give scopeCollectionType and scopeId with it.`);
}

const advice = {
  404: "it is no token endpoint of the SaaS console; check url and scopeId",
  401: "the API key is unknown, disabled or expired there; keys of IBM Cloud are others",
  unanswered: "check url, network, DNS, proxy and TLS",
};

/** The answer as RFC 6749 section 5.1 has it. Its token_type is the service's own word. */
function rfcAnswer(response: TokenResponse): TokenResponse {
  const { token: access_token, expires_in, expiration } = jsonMembers(() => response.body);
  const { status, date, transactionId } = response;
  return tokenResponse({
    status,
    date,
    transactionId,
    body: JSON.stringify({ access_token, expires_in, expiration }),
  });
}
