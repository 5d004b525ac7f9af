import { mayAssume } from "./directory.ts";
import type { Grant } from "./grants.ts";
import { IamRefusal } from "./iam-errors.ts";
import { iamIdOf } from "./identity.ts";
import { requestedProfile } from "./requested-profile.ts";
import { sourceToken } from "./source-token.ts";

/** The grant that derives tokens of the classic infrastructure from an access token. */
export const deriveGrant: Grant = async ({ call, requiredClient, required }) => {
  requiredClient();
  const { identity, leftS } = await sourceToken(call, required("access_token"));
  return { identity, order: { lifetimeS: Math.min(call.iam.settings.expiresInS, leftS) } };
};

/** The grant of a trusted profile to an identity that may assume it; lives no longer than the source token. */
export const assumeGrant: Grant = async (request) => {
  const { call, required } = request;
  const { identity: authn, leftS } = await sourceToken(call, required("access_token"));
  const { profile, asked } = requestedProfile(request, true);
  const iamId = iamIdOf(authn);
  if (!profile || !mayAssume(profile, iamId))
    throw new IamRefusal("BXNIM0398E", `The identity '${iamId}' may not assume the profile '${asked}'.`);
  const lifetimeS = Math.min(call.iam.settings.expiresInS, leftS);
  return { identity: profile.identity, refreshable: false, order: { authn, lifetimeS } };
};

/** How long tokens from service to service live at most, in seconds. */
const authorizationLifetimeS = 1796;

/** The grant from service to service; every service is authorized here. */
export const iamAuthzGrant: Grant = async ({ call, required }) => {
  const { leftS } = await sourceToken(call, required("access_token"));
  const desired = required("desired_iam_id");
  if (!desired.startsWith("crn-crn:"))
    throw new IamRefusal("BXNIM0113E", `The IAM id '${desired}' names no resource.`);
  return {
    identity: { kind: "crn", crn: desired.slice("crn-".length) },
    refreshable: false,
    order: {
      lifetimeS: Math.min(authorizationLifetimeS, call.iam.settings.expiresInS, leftS),
      claims: { acr: 0, amr: [] },
    },
  };
};
