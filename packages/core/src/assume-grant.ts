import { configError } from "./errors.ts";
import { definedFields, type Grant } from "./grant.ts";
import { requireCount, requireGrant, requireOptions, requireText } from "./option-rules.ts";
import { identityWithin, overSource } from "./source-leg.ts";
import {
  profileFields,
  profileOptionNames,
  type TrustedProfileOptions,
  trustAdvice,
} from "./trusted-profile.ts";

/** Options of {@link assumeGrant}: exactly one of the three that name a profile. */
export interface AssumeGrantOptions extends TrustedProfileOptions {
  /** The account of the profile, 32 hexadecimal digits: with `profileName`, and only with it. */
  account?: string | undefined;
}

/**
 * The grant of a trusted profile to the identity of another grant, which has a token manager of its own inside: cached,
 * one exchange at a time. Client, scope and the like belong to that first grant.
 *
 * The token lives no longer than the one it was made of; a source token with less than half its life left is replaced
 * first.
 *
 * Errors: `ERR_IAM_CONFIG` unless the profile is named in exactly one way.
 * Source: https://cloud.ibm.com/apidocs/iam-identity-token-api
 *
 * @example
 * ```ts
 * import { apiKeyGrant, assumeGrant, createTokenManager } from "@iam/core";
 * export const managerOf = (apiKey: string, profileId: string) =>
 *   createTokenManager({ grant: assumeGrant(apiKeyGrant(apiKey), { profileId }) });
 * ```
 */
export function assumeGrant(source: Grant, options: AssumeGrantOptions): Grant {
  requireOptions("assumeGrant", options);
  const { account, profileName } = options;
  requireGrant("assumeGrant", source);
  requireCount("assumeGrant", "exactly one", options, profileOptionNames);
  requireText("assumeGrant", options, { optional: [...profileOptionNames, "account"] });
  if ((account === undefined) !== (profileName === undefined))
    throw configError(
      "assumeGrant: account and profileName belong together, because a name means something in its account only.",
    );
  const fields = { ...profileFields(options), account };
  return {
    kind: "assume",
    identity: () => ({ ...definedFields(fields), ...identityWithin("source", source) }),
    ...overSource(
      source,
      (access_token) => ({ grant_type: "urn:ibm:params:oauth:grant-type:assume", access_token, ...fields }),
      {
        BXNIM0398E: `the trusted profile does not exist or does not trust this identity; ${trustAdvice}`,
        BXNIM0113E: "profileCrn is not the CRN of a trusted profile",
      },
    ),
  };
}
