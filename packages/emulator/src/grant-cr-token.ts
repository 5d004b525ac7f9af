import { isLinked } from "./directory.ts";
import type { Grant } from "./grants.ts";
import { IamRefusal } from "./iam-errors.ts";
import { requestedProfile } from "./requested-profile.ts";

/** The grant of a trusted profile to a compute resource that is linked to it. */
export const crTokenGrant: Grant = (request) => {
  const { call, required } = request;
  const resource = call.iam.directory.findComputeResource(required("cr_token"));
  const { profile, asked } = requestedProfile(request, false);
  // IAM tells the two apart by the token's issuer, which a synthetic token does not have.
  if (!resource) throw new IamRefusal("BXNIM0401E");
  if (resource.expiresAt !== undefined && resource.expiresAt <= call.now) throw new IamRefusal("BXNIM0405E");
  if (!profile || !isLinked(resource, profile))
    throw new IamRefusal(
      "BXNIM0398E",
      `The compute resource '${resource.identity.crn}' is not linked to the profile '${asked}'.`,
    );
  return { identity: profile.identity, refreshable: false, order: { authn: resource.identity } };
};
