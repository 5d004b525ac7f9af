import { definedFields, type Grant, oneRequest } from "./grant.ts";
import { jsonRequest } from "./json-request.ts";
import { requireCount, requireText, serviceUrl } from "./option-rules.ts";
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
  const { username, password, apiKey } = options;
  const url = serviceUrl("cloudPakForDataGrant", options.url).replace(/(\/v1\/authorize)?$/, "/v1/authorize");
  requireText("cloudPakForDataGrant", options, { required: ["username"] });
  requireCount("cloudPakForDataGrant", "exactly one", options, ["password", "apiKey"]);
  const [member, secret] =
    apiKey === undefined
      ? (["password", secretReader(password, "password")] as const)
      : (["api_key", secretReader(apiKey, "API key")] as const);
  return {
    kind: "cp4d",
    identity: () => definedFields({ url, username }),
    secret,
    retry: "safe",
    exchange: oneRequest(
      async (context) => jsonRequest("POST", url, { username, [member]: await context.secret() }),
      ({ body, status, date }) => {
        const { token: access_token } = jsonMembers(() => body);
        return tokenResponse({ status, date, body: JSON.stringify({ access_token }) });
      },
    ),
  };
}
