import { type Answer, jsonAnswer } from "./answer.ts";
import { authenticateClient, type Client } from "./clients.ts";
import { randomHex } from "./fingerprint.ts";
import { type GrantRequest, grants } from "./grants.ts";
import { baseOrder, type Call } from "./iam.ts";
import { IamRefusal, invalidProperty, missingProperty, successHeaders } from "./iam-errors.ts";
import type { Identity } from "./identity.ts";
import { delegatedLifetimeS, refreshTokenLifetimeS } from "./refresh-tokens.ts";
import type { IssuedToken, TokenOrder } from "./tokens.ts";

/**
 * The token endpoint: dispatches on `grant_type`, issues what `response_type` asks for and makes the answer.
 *
 * Errors: throws an IamRefusal, which becomes an IAM error body.
 */
export async function tokenEndpoint(call: Call): Promise<Answer> {
  const request = grantRequest(call);
  const grantType = request.required("grant_type");
  const grant = Object.hasOwn(grants, grantType) ? grants[grantType] : undefined;
  if (!grant) throw invalidProperty("grant_type", grantType, Object.keys(grants));
  const wanted = responseTypesOf(request);
  const receivers = wanted.has("delegated_refresh_token") ? receiversOf(request) : undefined;

  const { identity, order, refreshable = true, sessionId } = await grant(request);
  const { client } = request;
  const clientId = client?.id ?? "default";
  const renewable = { identity, claims: order?.claims ?? {}, sessionId };
  const parts: Record<string, unknown>[] = [];
  if (wanted.has("cloud_iam")) {
    const token = await issue(call, { ...baseOrder(call), identity, grantType, clientId, ...order });
    const expiresAt = call.now + refreshTokenLifetimeS * 1000;
    const own = { ...renewable, clientIds: [clientId], delegated: false, expiresAt };
    const refreshToken = client && refreshable ? call.iam.refreshTokens.issue(own) : "not_supported";
    parts.push(tokenMembers(call, token, refreshToken, identity, sessionId));
  }
  if (receivers) {
    const delegated = { ...renewable, ...receivers, delegated: true };
    parts.push({ delegated_refresh_token: call.iam.refreshTokens.issue(delegated) });
  }
  if (wanted.has("ims_portal") && identity.kind === "user")
    parts.push({ ims_token: `ims-${randomHex(24)}`, ims_user_id: identity.imsUserId });
  call.granted();
  return jsonAnswer(200, Object.assign({}, ...parts), successHeaders(call.transactionId));
}

/** Reads a request of a client that may have authenticated itself. */
export function grantRequest(call: Call): GrantRequest {
  const client = clientOf(call);
  return {
    call,
    client,
    requiredClient() {
      if (!client) throw new IamRefusal("BXNIM0308E");
      return client;
    },
    required(name) {
      const value = call.fields.get(name);
      if (!value) throw missingProperty(name);
      return value;
    },
    optional: (name) => call.fields.get(name) || undefined,
  };
}

function tokenMembers(
  call: Call,
  token: IssuedToken,
  refreshToken: string,
  identity: Identity,
  sessionId: string | undefined,
): Record<string, unknown> {
  return {
    access_token: token.value,
    refresh_token: refreshToken,
    ...(identity.kind === "user" ? { ims_user_id: identity.imsUserId } : {}),
    token_type: "Bearer",
    expires_in: Math.max(0, token.exp - Math.floor(call.now / 1000)),
    expiration: token.exp,
    scope: "ibm openid",
    ...(sessionId === undefined ? {} : { session_id: sessionId }),
  };
}

async function issue(call: Call, order: TokenOrder): Promise<IssuedToken> {
  if (call.token === "same") return call.iam.tokens.last(order) ?? call.iam.tokens.issue(order);
  return call.iam.tokens.issue({ ...order, form: call.token });
}

function clientOf(call: Call): Client | undefined {
  const authentication = authenticateClient(call.headers.get("authorization"), call.iam.clients);
  if (authentication.kind === "unknown") throw new IamRefusal("BXNIM0310E");
  return authentication.kind === "known" ? authentication.client : undefined;
}

const responseTypes = ["cloud_iam", "ims_portal", "delegated_refresh_token"];

function responseTypesOf({ optional }: GrantRequest): ReadonlySet<string> {
  const wanted = (optional("response_type") ?? "").split(/[ ,]+/).filter(Boolean);
  const bad = wanted.find((each) => !responseTypes.includes(each));
  // IAM names only the first as valid, although it takes all three.
  if (bad !== undefined) throw invalidProperty("response_type", bad, ["cloud_iam"]);
  return new Set(wanted.length === 0 ? ["cloud_iam"] : wanted);
}

function receiversOf({ call, required, optional }: GrantRequest): { clientIds: string[]; expiresAt: number } {
  const clientIds = required("receiver_client_ids")
    .split(",")
    .map((id) => id.trim());
  const seconds = optional("delegated_refresh_token_expiry") ?? String(delegatedLifetimeS);
  if (!/^\d+$/.test(seconds))
    throw invalidProperty("delegated_refresh_token_expiry", seconds, ["a number of seconds"]);
  return { clientIds, expiresAt: call.now + Number(seconds) * 1000 };
}
