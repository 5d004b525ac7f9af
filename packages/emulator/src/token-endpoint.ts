import { type Answer, jsonAnswer } from "./answer.ts";
import { authenticateClient, type Client } from "./clients.ts";
import { randomHex } from "./fingerprint.ts";
import { type GrantRequest, grants } from "./grants.ts";
import { baseOrder, type Call } from "./iam.ts";
import { IamRefusal, invalidProperty, missingProperty, successHeaders } from "./iam-errors.ts";
import type { IssuedToken, TokenOrder } from "./tokens.ts";

/**
 * The token endpoint: dispatches on `grant_type`, issues the token and makes the answer.
 *
 * Errors: throws an IamRefusal, which becomes an IAM error body.
 */
export async function tokenEndpoint(call: Call): Promise<Answer> {
  const client = clientOf(call);
  const request: GrantRequest = {
    call,
    client,
    required(name) {
      const value = call.fields.get(name);
      if (!value) throw missingProperty(name);
      return value;
    },
    optional: (name) => call.fields.get(name) || undefined,
  };
  const grantType = request.required("grant_type");
  const grant = Object.hasOwn(grants, grantType) ? grants[grantType] : undefined;
  if (!grant) throw invalidProperty("grant_type", grantType, Object.keys(grants));
  checkResponseType(request.optional("response_type"));

  const { identity, authn, order } = await grant(request);
  const token = await issue(call, {
    ...baseOrder(call),
    identity,
    ...(authn ? { authn } : {}),
    grantType,
    clientId: client?.id ?? "default",
    ...order,
  });
  call.granted();
  const answer = {
    access_token: token.value,
    refresh_token: client ? `refresh-${randomHex(32)}` : "not_supported",
    ...(identity.kind === "user" ? { ims_user_id: identity.imsUserId } : {}),
    token_type: "Bearer",
    expires_in: Math.max(0, token.exp - Math.floor(call.now / 1000)),
    expiration: token.exp,
    scope: "ibm openid",
  };
  return jsonAnswer(200, answer, successHeaders(call.transactionId));
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

function checkResponseType(value: string | undefined): void {
  const wanted = (value ?? "").split(/[ ,]+/).filter(Boolean);
  const bad = wanted.find((each) => !responseTypes.includes(each));
  // IAM names only the first as valid, although it takes all three.
  if (bad !== undefined) throw invalidProperty("response_type", bad, ["cloud_iam"]);
}
