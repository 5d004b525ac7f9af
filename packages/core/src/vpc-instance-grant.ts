import { configError, isIamError, TokenEndpointError } from "./errors.ts";
import { definedFields, type ExchangeContext, type Grant } from "./grant.ts";
import { jsonRequest } from "./json-request.ts";
import { requireCount, requireText, serviceUrl } from "./option-rules.ts";
import { jsonMembers } from "./token-response.ts";
import { profileOptionNames, type TrustedProfileOptions } from "./trusted-profile.ts";

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
  const [identityPath, tokenPath] = paths[version];
  const identityUrl = `${url}${identityPath}?version=${version}`;
  const tokenUrl = `${url}${tokenPath}?version=${version}`;
  const isMetadataAddress = /^http:\/\/(169\.254\.169\.254|api\.metadata\.cloud\.ibm\.com)$/.test(url);

  async function identityToken({ send }: ExchangeContext): Promise<string> {
    const flavor = { "metadata-flavor": "ibm" };
    const request = jsonRequest("PUT", identityUrl, { expires_in: tokenLifetimeS }, flavor);
    const { status, body } = await send(request);
    const { access_token } = jsonMembers(() => body);
    if (typeof access_token === "string" && /^[\w\-.~+/]+=*$/.test(access_token)) return access_token;
    throw new TokenEndpointError(
      "ERR_IAM_TOKEN_RESPONSE_INVALID",
      `${identityUrl} answered without an instance identity token. Is it the metadata service?`,
      { status, retryable: true },
    );
  }

  return {
    kind: "vpc-instance",
    identity: () => ({
      url,
      ...definedFields({ profile_id: profileId, profile_crn: profileCrn, profile_name: profileName }),
    }),
    ...(isMetadataAddress && { allowInsecure: true }),
    // Where nobody answers another attempt is in vain.
    retry: "once",
    async exchange(context) {
      try {
        const authorization = `Bearer ${await identityToken(context)}`;
        const named = Object.keys(profile).length > 0 ? { trusted_profile: profile } : undefined;
        return await context.send(
          jsonRequest("POST", tokenUrl, named, { authorization, "metadata-flavor": "ibm" }),
        );
      } catch (error) {
        throw inWordsOfTheService(error, url);
      }
    },
  };
}

/** An error of the metadata service with what to look at there. */
function inWordsOfTheService(error: unknown, url: string): unknown {
  if (!isIamError(error)) return error;
  const { status, errorCode } = error as TokenEndpointError;
  const advice =
    error.code === "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE" && status === undefined
      ? `${url} is the metadata service of a VPC instance: does this run on one, and is the service enabled there?`
      : status === 404
        ? "Does the version of the metadata service fit?"
        : errorCode === "profile_not_linked"
          ? "Link the trusted profile to the instance, or name another."
          : undefined;
  return advice === undefined
    ? error
    : new TokenEndpointError(error.code, `${error.message} ${advice}`, { ...error, cause: error });
}
