import { type Answer, jsonAnswer } from "./answer.ts";
import type { ApiKey } from "./api-keys.ts";
import type { Call } from "./iam.ts";
import { type Identity, iamIdOf } from "./identity.ts";
import { jsonObject, textMember } from "./json-body.ts";

/** How long tokens of the SaaS console live, in seconds, unless the emulator's are made shorter. */
const consoleLifetimeS = 7200;

/** How long tokens of Cloud Pak for Data live, in seconds, unless the emulator's are made shorter. */
const cloudPakLifetimeS = 43_164;

/** What a token endpoint of the SaaS console (MCSP) answers: `v2` adds `expiration`, `aws` is the token alone. */
export type ConsoleVersion = "v1" | "v2" | "aws";

/** A token endpoint of the SaaS console: an API key in JSON for a token. */
export function consoleEndpoint(version: ConsoleVersion): (call: Call) => Promise<Answer> {
  return async (call) => {
    const flaw = flawOf(call, version);
    if (flaw !== undefined) return refuse(call, 400, { message: flaw });
    const apiKey = usable(call, textMember(jsonObject(call.body.bytes), "apikey"));
    if (!apiKey) return refuse(call, 401, { message: "The API key is missing, unknown or disabled." });
    const lifetimeS = lifetimeOf(call, consoleLifetimeS);
    const iat = Math.floor(call.now / 1000);
    const exp = iat + lifetimeS;
    const token = await issue(call, apiKey.owner, {
      iss: `${call.url.origin}${version === "v1" ? "/siusermgr/api/1.0" : "/account-iam/api/2.0"}`,
      aud: `ACCOUNT/${call.iam.accountId}`,
      sub: iamIdOf(apiKey.owner),
      iat,
      nbf: iat - 30,
      exp,
    });
    const answer = {
      token,
      ...(version === "aws" ? {} : { token_type: "Bearer", expires_in: lifetimeS }),
      ...(version === "v2" ? { expiration: exp } : {}),
    };
    return jsonAnswer(200, answer);
  };
}

const switches = [
  "includeBuiltinActions",
  "includeCustomActions",
  "includeRoles",
  "prefixRolesWithDefinitionScope",
];

/** What is wrong with the parameters of version 2, if anything is. The service's own words are not public. */
function flawOf({ fields, body }: Call, version: ConsoleVersion): string | undefined {
  const { callerExtClaim } = jsonObject(body.bytes) ?? {};
  const isObject =
    typeof callerExtClaim === "object" && callerExtClaim !== null && !Array.isArray(callerExtClaim);
  if (version !== "v2") return undefined;
  const bad = switches.find((name) => !/^(true|false)$/.test(fields.get(name) ?? "false"));
  if (bad !== undefined) return `The parameter ${bad} must be true or false.`;
  return callerExtClaim === undefined || isObject
    ? undefined
    : "The member callerExtClaim must be an object.";
}

/** The token endpoint of Cloud Pak for Data: a user name, and a password or an API key. */
export async function cloudPakEndpoint(call: Call): Promise<Answer> {
  const body = jsonObject(call.body.bytes);
  const userName = textMember(body, "username") ?? "";
  const user = call.iam.directory.findUser(userName);
  const owner = usable(call, textMember(body, "api_key"))?.owner;
  const isOwner = user !== undefined && owner !== undefined && iamIdOf(owner) === iamIdOf(user.identity);
  if (!user || !(isOwner || textMember(body, "password") === user.password))
    return refuse(call, 401, { _messageCode_: "401", message: "Invalid credentials" });
  const iat = Math.floor(call.now / 1000);
  const exp = iat + lifetimeOf(call, cloudPakLifetimeS);
  const names = { username: userName, sub: userName, uid: user.identity.iamId };
  const token = await issue(call, user.identity, { ...names, iss: "KNOXSSO", aud: "DSX", iat, exp });
  return jsonAnswer(200, { _messageCode_: "200", message: "Success", token });
}

/** What these services answer when they are in trouble. */
export function saasTrouble(status: number): Answer {
  return jsonAnswer(status, { message: `HTTP ${status}` });
}

async function issue(call: Call, identity: Identity, claims: Record<string, unknown>): Promise<string> {
  const form = call.token === "same" ? "jwt" : call.token;
  const token = await call.iam.tokens.issueForeign({ identity, claims, form, thumbprint: true });
  call.granted();
  return token;
}

function usable({ iam, now }: Call, key: string | undefined): ApiKey | undefined {
  const found = key === undefined ? undefined : iam.apiKeys.find(key);
  const isExpired = found?.expiresAt !== undefined && found.expiresAt <= now;
  return found?.disabled || isExpired ? undefined : found;
}

/** An emulator that was not told a lifetime gives these tokens their own. */
function lifetimeOf({ iam }: Call, usualS: number): number {
  return iam.settings.expiresInS === 3600 ? usualS : iam.settings.expiresInS;
}

function refuse(call: Call, status: number, body: Record<string, unknown>): Answer {
  call.refused(String(status));
  return jsonAnswer(status, body);
}
