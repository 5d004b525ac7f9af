import type { Grant, GrantRequest } from "./grants.ts";
import type { Refreshable } from "./refresh-tokens.ts";

/** The refresh token grant (RFC 6749 section 6): by the client that got it, and once. */
export const refreshTokenGrant: Grant = (request) => grantedBy(redeem(request, false));

/** The grant by a delegated refresh token: by one of its receivers, as often as they like. */
export const delegatedRefreshTokenGrant: Grant = (request) => grantedBy(redeem(request, true));

function redeem({ call, requiredClient, required }: GrantRequest, delegated: boolean): Refreshable {
  const { id: clientId } = requiredClient();
  const by = { clientId, now: call.now, delegated, spend: true };
  return call.iam.refreshTokens.redeem(required("refresh_token"), by);
}

function grantedBy({ identity, claims, sessionId }: Refreshable): Awaited<ReturnType<Grant>> {
  return { identity, sessionId, order: { claims } };
}
