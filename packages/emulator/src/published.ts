import { type Answer, jsonAnswer } from "./answer.ts";
import { type Call, judge } from "./iam.ts";
import { missingProperty, successHeaders } from "./iam-errors.ts";
import { identityClaims } from "./identity.ts";

/** The signing keys, without `use`, newest first. */
export async function keysEndpoint({ iam, transactionId }: Call): Promise<Answer> {
  return jsonAnswer(200, await iam.keys.jwks(), {
    "transaction-id": transactionId,
    "content-language": "en-US",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    vary: "Accept-Encoding",
  });
}

/** The OpenID Connect discovery document. */
export async function discoveryEndpoint({ iam, url, transactionId }: Call): Promise<Answer> {
  const at = (path: string) => `${url.origin}/identity/${path}`;
  const document = {
    issuer: iam.issuer(url.origin),
    authorization_endpoint: at("authorize"),
    token_endpoint: iam.tokenEndpoint(url.origin),
    passcode_endpoint: at("passcode"),
    userinfo_endpoint: at("userinfo"),
    jwks_uri: at("keys"),
    response_types_supported: ["code", "token", "id_token"],
    // IAM does not advertise every grant that it takes.
    grant_types_supported: [
      "authorization_code",
      "refresh_token",
      "password",
      "implicit",
      "urn:ibm:params:oauth:grant-type:apikey",
      "urn:ibm:params:oauth:grant-type:delegated-refresh-token",
      "urn:ibm:params:oauth:grant-type:iam-authz",
    ],
    subject_types_supported: ["public"],
    token_endpoint_auth_methods_supported: ["client_secret_basic"],
    id_token_signing_alg_values_supported: ["RS256"],
    scopes_supported: [
      "openid",
      "email",
      "profile",
      "ibm",
      "roles",
      "containers-kubernetes",
      "containers-openshift",
    ],
    claims_supported: [
      "iss",
      "sub",
      "exp",
      "iat",
      "iam_id",
      "realmid",
      "identifier",
      "name",
      "email",
      "account",
    ],
  };
  return jsonAnswer(200, document, {
    "transaction-id": transactionId,
    "strict-transport-security": "max-age=31536000; includeSubDomains",
  });
}

/** Introspection of an access token or an API key (RFC 7662, and IAM's own `apikey` parameter). */
export async function introspectEndpoint(call: Call): Promise<Answer> {
  const token = call.fields.get("token");
  const apiKey = call.fields.get("apikey");
  if (!token && !apiKey) throw missingProperty("token");
  const answer = token ? await introspectToken(call, token) : introspectApiKey(call, apiKey ?? "");
  const body = JSON.stringify(answer, undefined, call.fields.get("pretty") === "true" ? 2 : undefined);
  return { ...jsonAnswer(200, answer, successHeaders(call.transactionId)), body };
}

async function introspectToken(call: Call, token: string): Promise<Record<string, unknown>> {
  const verdict = await judge(call.iam, token);
  return verdict.active ? { active: true, ...verdict.claims } : { active: false };
}

function introspectApiKey({ iam }: Call, key: string): Record<string, unknown> {
  const found = iam.apiKeys.find(key);
  if (!found || found.disabled || (found.expiresAt ?? Number.POSITIVE_INFINITY) <= iam.clock.now())
    return { active: false };
  const { jti: _, ...claims } = identityClaims(found.owner);
  return { active: true, ...claims, account: { bss: iam.accountId } };
}

/** Who the bearer token speaks for; 200 even for an invalid token, which is `active: false`. */
export async function userinfoEndpoint(call: Call): Promise<Answer> {
  const [, token = ""] = /^bearer +(\S+)$/i.exec(call.headers.get("authorization")?.trim() ?? "") ?? [];
  const verdict = await judge(call.iam, token);
  const { iam_id, sub, name, given_name, family_name, email, iss } = verdict.active ? verdict.claims : {};
  const claims = { iam_id, sub, name, given_name, family_name, email, iss };
  const answer = verdict.active ? { active: true, ...claims } : { active: false };
  return jsonAnswer(200, answer, successHeaders(call.transactionId));
}
