import { type Advice, advised } from "./advice.ts";
import { configError, TokenEndpointError } from "./errors.ts";
import { definedFields, type Grant } from "./grant.ts";
import { jsonRequest } from "./json-request.ts";
import { requireCount, requireOptions, requireText, serviceUrl } from "./option-rules.ts";
import { b64token, jsonMembers, type TokenResponse } from "./token-response.ts";
import {
  profileFields,
  profileOptionNames,
  type TrustedProfileOptions,
  trustAdvice,
} from "./trusted-profile.ts";

/** The versions of the metadata service; from 2025-08-26 on its paths are others. */
const paths = {
  "2022-03-01": ["/instance_identity/v1/token", "/instance_identity/v1/iam_token"],
  "2025-08-26": ["/identity/v1/token", "/identity/v1/iam_tokens"],
} as const;

/** Options of {@link vpcInstanceGrant}: at most one of the three that name a profile. Default: the instance's own. */
export interface VpcInstanceGrantOptions extends TrustedProfileOptions {
  /**
   * The metadata service. Default: `http://169.254.169.254`. That address and `api.metadata.cloud.ibm.com` may be http: the
   * request does not leave the host.
   */
  url?: string | URL | undefined;
  /** The version of the metadata service. Default: `2022-03-01`. */
  version?: keyof typeof paths | undefined;
  /** Seconds that the instance identity token lives, 5 to 3600. It is used once, at once. Default: 300. */
  tokenLifetimeS?: number | undefined;
}

/**
 * The grant of a trusted profile to a virtual server in a VPC, from the metadata service of the instance.
 *
 * An address that is silent is asked one time for each exchange: it fails within `attemptDeadlineMs` of the manager, 4 s.
 *
 * Errors: `ERR_IAM_CONFIG` for more than one profile, an unknown version or a lifetime out of range.
 * Source: https://cloud.ibm.com/apidocs/vpc-metadata
 *
 * @example
 * ```ts
 * import { createTokenManager, vpcInstanceGrant } from "@iam/core";
 * export const manager = createTokenManager({ grant: vpcInstanceGrant({ version: "2025-08-26" }) });
 * ```
 */
export function vpcInstanceGrant(options: VpcInstanceGrantOptions = {}): Grant {
  requireOptions("vpcInstanceGrant", options);
  const { version = "2022-03-01", tokenLifetimeS = 300 } = options;
  const url = serviceUrl("vpcInstanceGrant", options.url ?? "http://169.254.169.254");
  requireCount("vpcInstanceGrant", "at most one", options, profileOptionNames);
  requireText("vpcInstanceGrant", options, { optional: profileOptionNames });
  if (!Object.hasOwn(paths, version))
    throw configError(`vpcInstanceGrant: version must be one of ${Object.keys(paths).join(", ")}.`);
  if (!(Number.isInteger(tokenLifetimeS) && tokenLifetimeS >= 5 && tokenLifetimeS <= 3600))
    throw configError("vpcInstanceGrant: tokenLifetimeS must be a whole number of seconds from 5 to 3600.");
  const { profileId, profileCrn, profileName } = options;
  const profile = definedFields({ id: profileId, crn: profileCrn, name: profileName });
  const trusted_profile = Object.keys(profile).length > 0 ? profile : undefined;
  const [identityUrl = "", tokenUrl = ""] = paths[version].map((path) => `${url}${path}?version=${version}`);
  const flavor = { "metadata-flavor": "ibm" };
  const advice = adviceFor(url, version);

  return {
    kind: "vpc-instance",
    identity: () => ({ url, ...definedFields(profileFields(options)) }),
    ...(isMetadataAddress(url) && { allowInsecure: true }),
    // Without a profile the token is that of this instance's own, whichever that is.
    sharing: Object.keys(definedFields(profileFields(options))).length > 0 ? "identity" : "never",
    // Who does not answer at such an address will not at the second attempt.
    retry: "once",
    exchange: ({ send }) =>
      advised(advice, async () => {
        const identified = await send(
          jsonRequest("PUT", identityUrl, { expires_in: tokenLifetimeS }, flavor),
        );
        const authorization = `Bearer ${identityToken(identified, identityUrl)}`;
        const named = trusted_profile && { trusted_profile };
        return send(jsonRequest("POST", tokenUrl, named, { ...flavor, authorization }));
      }),
  };
}

/** Whether a service is one that may be asked in the clear: the request does not leave the host of the instance. */
function isMetadataAddress(url: string): boolean {
  return /^http:\/\/(169\.254\.169\.254|api\.metadata\.cloud\.ibm\.com)$/.test(url);
}

function identityToken({ status, body }: TokenResponse, url: string): string {
  const { access_token } = jsonMembers(() => body);
  if (typeof access_token === "string" && b64token.test(access_token)) return access_token;
  throw new TokenEndpointError(
    "ERR_IAM_TOKEN_RESPONSE_INVALID",
    `${url} answered ${status}, but without an instance identity token. Is it the metadata service?`,
    { status, retryable: true },
  );
}

function adviceFor(url: string, version: string): Advice {
  return {
    404: `it does not know version ${version} of the metadata service; give another version, or check url`,
    profile_not_linked: `the trusted profile does not exist or is not linked to this instance; ${trustAdvice}`,
    unauthorized: "this instance may not have a token; is it linked to a trusted profile?",
    unanswered: `${url} is the metadata service of a VPC instance: does this run on one, and is the service enabled there?`,
  };
}
