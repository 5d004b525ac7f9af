import { configError } from "./errors.ts";
import type { Grant } from "./grant.ts";
import { requireGrant, requireOptions, requireText } from "./option-rules.ts";
import { identityWithin, overSource } from "./source-leg.ts";

/** Options of {@link iamAuthzGrant}. */
export interface IamAuthzGrantOptions {
  /** The IAM id of the service instance to act as: `crn-` and its CRN. */
  desiredIamId: string | undefined;
}

/**
 * The grant from service to service: the token of another grant for one of a service instance. Needs an authorization
 * policy between the two.
 *
 * Errors: `ERR_IAM_CONFIG` for an id that is none of a service instance.
 * Source: https://cloud.ibm.com/apidocs/iam-identity-token-api
 *
 * @example
 * ```ts
 * import { apiKeyGrant, iamAuthzGrant } from "@iam/core";
 * export const grant = (apiKey: string, crn: string) => iamAuthzGrant(apiKeyGrant(apiKey), { desiredIamId: `crn-${crn}` });
 * ```
 */
export function iamAuthzGrant(source: Grant, options: IamAuthzGrantOptions): Grant {
  requireOptions("iamAuthzGrant", options);
  const { desiredIamId = "" } = options;
  requireGrant("iamAuthzGrant", source);
  requireText("iamAuthzGrant", options, { required: ["desiredIamId"] });
  if (!desiredIamId.startsWith("crn-crn:"))
    throw configError(
      'iamAuthzGrant: desiredIamId must be the IAM id of a service instance: "crn-" and its CRN.',
    );
  return {
    kind: "iam-authz",
    identity: () => ({ desired_iam_id: desiredIamId, ...identityWithin("source", source) }),
    ...overSource(
      source,
      (access_token) => ({
        grant_type: "urn:ibm:params:oauth:grant-type:iam-authz",
        access_token,
        desired_iam_id: desiredIamId,
      }),
      {
        BXNIM0113E: "desiredIamId does not name a service instance",
        refused:
          "is there an authorization policy between the two services? See https://cloud.ibm.com/iam/authorizations",
      },
    ),
  };
}
