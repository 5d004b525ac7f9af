import { refusal } from "./refusal.ts";
import { isObject } from "./token-text.ts";

/** Who has authenticated, when that is not, or not only, whom the token speaks for. */
export interface IamAuthn {
  readonly sub: string;
  readonly iam_id: string;
  readonly name?: string;
  readonly given_name?: string;
  readonly family_name?: string;
  readonly email?: string;
  readonly sub_type?: string;
}

/** The account that a token is for. */
export interface IamAccount {
  /** Always true in a token that was verified. */
  readonly valid: true;
  /** The account id, 32 hexadecimal digits; none in a token that was asked for without an account. */
  readonly bss?: string;
  /** Ordinary: the account is pinned, not suspended. */
  readonly frozen?: boolean;
  readonly ims?: string;
  readonly ims_user_id?: string;
  readonly boundary?: string;
}

/**
 * The claims of an IAM access token. Times in epoch seconds, as on the wire.
 *
 * Checked: `iss`, `sub`, `iam_id`, `iat`, `exp`, `nbf`, `aud`, `sub_type`, `scope`, `account.valid` and `account.bss`. The
 * other types are what IAM documents.
 *
 * Source: RFC 7519 section 4.1, and IAM's own claims.
 */
export interface IamClaims {
  /** `https://iam.cloud.ibm.com/identity`, whatever the host that was asked. */
  readonly iss: string;
  /** An e-mail address for users, which can change owners: tell identities by `iam_id`. */
  readonly sub: string;
  /** The identity: `IBMid-…`, `iam-ServiceId-…`, `iam-Profile-…`, `crn-…`. */
  readonly iam_id: string;
  readonly iat: number;
  readonly exp: number;
  readonly nbf?: number;
  readonly aud?: string | readonly string[];
  readonly account: IamAccount;
  /** None for users; else `ServiceId`, `Profile`, `CRN`. */
  readonly sub_type?: string;
  readonly id?: string;
  readonly realmid?: string;
  readonly jti?: string;
  readonly identifier?: string;
  readonly name?: string;
  readonly given_name?: string;
  readonly family_name?: string;
  readonly email?: string;
  readonly authn?: IamAuthn;
  readonly grant_type?: string;
  /** Separated by spaces, usually `ibm openid`. */
  readonly scope?: string;
  readonly client_id?: string;
  readonly acr?: number;
  readonly amr?: readonly string[];
  readonly session_id?: string;
  readonly unique_instance_crns?: readonly string[];
  readonly [claim: string]: unknown;
}

/** What a token may speak for. A user has no `sub_type`. */
export type SubjectType = "user" | "ServiceId" | "Profile" | "CRN";

/** What is asked of claims. */
export interface ClaimRules {
  readonly issuer: string;
  /** Undefined: a token for an audience is refused. */
  readonly audience: readonly string[] | undefined;
  /** Undefined: any account. */
  readonly accounts: readonly string[] | undefined;
  /** Undefined: any. */
  readonly subjectTypes: readonly SubjectType[] | undefined;
  readonly clockToleranceS: number;
  readonly maxLifetimeS: number;
}

/**
 * Judges the claims of a token whose signature is good. Pure.
 *
 * Units: `nowS` in epoch seconds, fractions allowed. A token is good until just before `exp` plus the tolerance.
 * Source: RFC 7519 section 4.1.
 */
export function checkClaims(
  claims: Record<string, unknown>,
  rules: ClaimRules,
  nowS: number,
): asserts claims is IamClaims {
  for (const name of ["iss", "sub", "iam_id"]) requireText(claims[name], name);
  for (const name of ["sub_type", "scope"]) if (claims[name] !== undefined) requireText(claims[name], name);
  if (claims.iss !== rules.issuer)
    throw refusal("issuer", `The token is of another issuer than ${rules.issuer} (iss).`);
  checkTimes(claims, rules, nowS);
  checkAudience(claims.aud, rules.audience);
  checkAccount(claims.account, rules.accounts);
  const subjectType = claims.sub_type ?? "user";
  if (rules.subjectTypes !== undefined && !rules.subjectTypes.some((type) => type === subjectType))
    throw refusal("subject-type", "The token speaks for a kind of identity that is not let in (sub_type).");
}

function checkTimes(claims: Record<string, unknown>, rules: ClaimRules, nowS: number): void {
  const { clockToleranceS, maxLifetimeS } = rules;
  const exp = requireTime(claims.exp, "exp");
  const iat = requireTime(claims.iat, "iat");
  if (exp + clockToleranceS <= nowS) throw refusal("expired", "The token is expired (exp).");
  if (claims.nbf !== undefined && requireTime(claims.nbf, "nbf") > nowS + clockToleranceS)
    throw refusal("not-yet-valid", "The token is not valid yet (nbf).");
  if (exp - iat > maxLifetimeS || exp - nowS > maxLifetimeS + clockToleranceS)
    throw refusal("lifetime", `The token lives longer than ${maxLifetimeS} s (exp).`);
  if (exp <= iat) throw refusal("lifetime", "The token ends before it begins (exp, iat).");
}

function checkAudience(aud: unknown, wanted: readonly string[] | undefined): void {
  if (aud === undefined && wanted === undefined) return;
  const named: unknown[] = Array.isArray(aud) ? aud : aud === undefined ? [] : [aud];
  if (!named.every((audience) => typeof audience === "string"))
    throw refusal("claims", "The aud of the token is neither text nor texts.");
  // RFC 7519 section 4.1.3; an ID token of the same issuer has one, and is no access token.
  if (!named.some((audience) => wanted?.includes(audience)))
    throw refusal("audience", "The token is for another audience (aud).");
}

function checkAccount(account: unknown, accounts: readonly string[] | undefined): void {
  if (!isObject(account)) throw refusal("claims", "The token has no account.");
  if (account.valid !== true)
    throw refusal("account-invalid", "The account of the token is not valid (account.valid).");
  if (account.bss !== undefined) requireText(account.bss, "account.bss");
  if (accounts !== undefined && !accounts.some((id) => id === account.bss))
    throw refusal("account", "The token is for another account (account.bss).");
}

function requireText(value: unknown, name: string): void {
  if (typeof value !== "string" || value === "")
    throw refusal("claims", `The ${name} of the token is missing or no text.`);
}

function requireTime(value: unknown, name: string): number {
  // JSON can say 1e999.
  if (typeof value !== "number" || !Number.isFinite(value))
    throw refusal("claims", `The ${name} of the token is missing or no number.`);
  return value;
}
