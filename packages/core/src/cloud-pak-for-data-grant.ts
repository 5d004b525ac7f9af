import { advised } from "./advice.ts";
import { configError } from "./errors.ts";
import { definedFields, type Grant } from "./grant.ts";
import { jsonRequest } from "./json-request.ts";
import { requireCount, requireOptions, requireText, serviceUrl } from "./option-rules.ts";
import { type SecretSource, secretReader } from "./secret.ts";
import { jsonMembers, tokenResponse } from "./token-response.ts";

/** Options of {@link cloudPakForDataGrant}: exactly one of `password` and `apiKey`. */
export interface CloudPakForDataGrantOptions {
  /** The cluster, such as `https://host/icp4d-api`; `/v1/authorize` is put behind it unless it is there. */
  url: string | URL | undefined;
  /** The user name. */
  username: string | undefined;
  /** The user's password. */
  password?: SecretSource;
  /** The user's API key of that cluster. */
  apiKey?: SecretSource;
  /** The account that the token is for, sent as `account_id`. Default: none. */
  accountId?: string | undefined;
}

/**
 * The grant for a user of Cloud Pak for Data, with a password or an API key. The `tokenEndpoint` of the manager is not used.
 *
 * The lifetime is that of the token itself, about twelve hours.
 *
 * Errors: `ERR_IAM_CONFIG`.
 * Source: https://github.com/IBM/node-sdk-core/blob/main/Authentication.md
 *
 * @example
 * ```ts
 * import { cloudPakForDataGrant } from "@iam/core";
 * export const grant = (apiKey: string) =>
 *   cloudPakForDataGrant({ url: "https://cpd.example.com/icp4d-api", username: "ada", apiKey });
 * ```
 */
export function cloudPakForDataGrant(options: CloudPakForDataGrantOptions): Grant {
  requireOptions("cloudPakForDataGrant", options);
  const { username, password, apiKey, accountId: account_id } = options;
  const url = serviceUrl("cloudPakForDataGrant", options.url).replace(/(\/v1\/authorize)?$/, "/v1/authorize");
  requireText("cloudPakForDataGrant", options, { required: ["username"], optional: ["accountId"] });
  if (/^[{"]|[}"]$/.test(username ?? ""))
    throw configError("cloudPakForDataGrant: username must have no quotes or braces around it.");
  requireCount("cloudPakForDataGrant", "exactly one", options, ["password", "apiKey"]);
  const member = apiKey === undefined ? "password" : "api_key";
  return {
    kind: "cp4d",
    identity: () => definedFields({ url, username, account_id }),
    secret:
      apiKey === undefined
        ? secretReader(password, "password", unfitPassword)
        : secretReader(apiKey, "API key"),
    retry: "safe",
    ...(apiKey !== undefined && { sharing: "secret" as const }),
    exchange: ({ secret, send }) =>
      advised(advice, async () => {
        const answer = await send(
          jsonRequest("POST", url, { username, [member]: await secret(), account_id }),
        );
        const { token: access_token } = jsonMembers(() => answer.body);
        const { status, date } = answer;
        return tokenResponse({ status, date, body: JSON.stringify({ access_token }) });
      }),
  };
}

/** What IBM's SDKs refuse of a password: whoever chose it may have chosen a space, or another quote, to end with. */
const unfitPassword = /^[{"]|[}"]$|\p{Cc}/u;

const advice = {
  401: "the user name, the password or the API key is wrong",
  404: "it is no /v1/authorize of Cloud Pak for Data; check url, which often ends in /icp4d-api",
  unanswered:
    "check url, network, DNS and proxy; a cluster with a certificate of its own is trusted with NODE_EXTRA_CA_CERTS",
};
