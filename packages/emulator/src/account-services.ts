import { type Answer, jsonAnswer } from "./answer.ts";
import { mayAssume } from "./directory.ts";
import type { Call } from "./iam.ts";
import { IamRefusal, invalidProperty, successHeaders } from "./iam-errors.ts";
import { iamIdOf } from "./identity.ts";
import { sourceToken } from "./source-token.ts";
import { grantRequest } from "./token-endpoint.ts";

/** Makes a one-time passcode for the person that a refresh token belongs to, which stays good. */
export async function passcodeEndpoint(call: Call): Promise<Answer> {
  const { requiredClient, required } = grantRequest(call);
  const { id: clientId } = requiredClient();
  const grantType = required("grant_type");
  if (grantType !== "refresh_token") throw invalidProperty("grant_type", grantType, ["refresh_token"]);
  const by = { clientId, now: call.now, delegated: false, spend: false };
  const { identity } = call.iam.refreshTokens.redeem(required("refresh_token"), by);
  if (identity.kind !== "user" || !call.iam.directory.findUser(identity.email))
    throw new IamRefusal("BXNIM0453E");
  const passcode = call.iam.directory.createPasscode(identity.email);
  return jsonAnswer(200, { passcode }, successHeaders(call.transactionId));
}

/** Lists the trusted profiles that the identity of an access token may assume. */
export async function profilesEndpoint(call: Call): Promise<Answer> {
  const { required } = grantRequest(call);
  const { identity } = await sourceToken(call, required("access_token"));
  const moment = new Date(0).toISOString();
  const profiles = call.iam.directory
    .profiles()
    .filter((profile) => mayAssume(profile, iamIdOf(identity)))
    .map(({ identity: profile, crn, description }) => ({
      id: profile.id,
      entity_tag: "1-0000",
      crn,
      name: profile.name,
      description,
      created_at: moment,
      modified_at: moment,
      iam_id: iamIdOf(profile),
      account_id: call.iam.accountId,
    }));
  return jsonAnswer(200, { count: profiles.length, profiles }, successHeaders(call.transactionId));
}
