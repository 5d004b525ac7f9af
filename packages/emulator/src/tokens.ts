import { compactVerify, decodeJwt, SignJWT } from "jose";
import { randomHex } from "./fingerprint.ts";
import { authnClaim, type Identity, iamIdOf, identityClaims } from "./identity.ts";
import type { SigningKeys } from "./signing-keys.ts";

/** What an access token is to say and to look like. */
export interface TokenOrder {
  readonly identity: Identity;
  /** Who has authenticated, when that is someone else. */
  readonly authn?: Identity;
  readonly account: { readonly id: string; readonly valid: boolean };
  readonly issuer: string;
  readonly grantType: string;
  readonly clientId: string;
  /** Epoch milliseconds. */
  readonly issuedAt: number;
  readonly lifetimeS: number;
  /** A signed JWT, a random string, or a signed JWT without `iat` and `exp`. Default: a signed JWT. */
  readonly form?: "jwt" | "opaque" | "undated";
  /** Claims that replace or join the usual ones; undefined leaves one out. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** An access token that the emulator has issued. */
export interface IssuedToken {
  readonly value: string;
  readonly jti: string;
  readonly iamId: string;
  /** Epoch seconds. */
  readonly iat: number;
  /** Epoch seconds. */
  readonly exp: number;
}

/** A token with claims that are not IAM's own. */
interface ForeignOrder {
  readonly identity: Identity;
  /** All claims; `jti` is added when there is none. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly form?: TokenOrder["form"];
  /** Names the key by its thumbprint (RFC 7638) instead of IAM's `kid`. Default: false. */
  readonly thumbprint?: boolean;
  /** Whether protected resources accept it. Default: true. */
  readonly forResources?: boolean;
}

/** Why a token is not good. */
type Flaw = keyof typeof reasons;

const reasons = {
  unknown: "The token was not issued here.",
  revoked: "The token is revoked.",
  expired: "The token is expired.",
};

/** What the emulator thinks of a token that it is shown. */
export type Verdict =
  | { readonly active: false; readonly flaw: Flaw; readonly reason: string }
  | {
      readonly active: true;
      readonly identity: Identity;
      /** Whether protected resources accept it: a token of IAM must be for a valid account. */
      readonly forResources: boolean;
      readonly claims: Readonly<Record<string, unknown>>;
    };

/** The access tokens of one emulator. */
export interface Tokens {
  issue(order: TokenOrder): Promise<IssuedToken>;
  /** Signs other claims, and gives the token. */
  issueForeign(order: ForeignOrder): Promise<string>;
  /** Judges a token: signature, known and not revoked, `exp` against `nowMs`. */
  verify(value: string, nowMs: number): Promise<Verdict>;
  /** The last token issued to that identity by that grant to that client. */
  last(order: TokenOrder): IssuedToken | undefined;
  /** The `jti` of a token of this emulator, whatever its state. */
  jtiOf(value: string): string | undefined;
  /** Revokes by value or `jti`; false when there is no such token. */
  revoke(valueOrJti: string): boolean;
  /** Revokes all that have been issued so far, and says how many they were. */
  revokeAll(): number;
  /** Forgets every token: none is accepted any more. */
  reset(): void;
}

interface Entry {
  readonly identity: Identity;
  readonly forResources: boolean;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly expiresAt: number | undefined;
  revoked: boolean;
}

/** The most tokens that are remembered; the oldest are forgotten first, and refused from then on. */
const keptTokens = 100_000;

/** Makes the ledger of tokens. */
export function createTokens(keys: SigningKeys): Tokens {
  const entries = new Map<string, Entry>();
  const opaque = new Map<string, string>();
  const latest = new Map<string, IssuedToken>();

  const jtiOf = (value: string) => {
    const jti = opaque.get(value) ?? unverifiedJti(value);
    return jti !== undefined && entries.has(jti) ? jti : undefined;
  };

  async function issueForeign(order: ForeignOrder): Promise<string> {
    const { identity, claims, form = "jwt", thumbprint = false, forResources = true } = order;
    const jti = typeof claims.jti === "string" ? claims.jti : crypto.randomUUID();
    const dated = form === "undated" ? { ...claims, iat: undefined, exp: undefined } : claims;
    const signed = defined({ ...dated, jti });
    const value = form === "opaque" ? `opaque-${randomHex(24)}` : await sign(signed, keys, thumbprint);
    const expiresAt = typeof signed.exp === "number" ? signed.exp * 1000 : undefined;
    entries.set(jti, { identity, forResources, claims: signed, expiresAt, revoked: false });
    if (form === "opaque") opaque.set(value, jti);
    if (entries.size > keptTokens) forgetOldest();
    return value;
  }

  async function issue(order: TokenOrder): Promise<IssuedToken> {
    const claims = claimsOf(order);
    const { identity, form = "jwt" } = order;
    const value = await issueForeign({
      identity,
      claims,
      form,
      forResources: isValidAccount(claims.account),
    });
    const iat = Math.floor(order.issuedAt / 1000);
    const exp = typeof claims.exp === "number" ? claims.exp : iat + order.lifetimeS;
    const token = { value, jti: String(claims.jti), iamId: iamIdOf(identity), iat, exp };
    latest.set(ownerOf(order), token);
    return token;
  }

  function forgetOldest(): void {
    for (const jti of entries.keys()) {
      entries.delete(jti);
      break;
    }
    for (const [value, jti] of opaque) if (!entries.has(jti)) opaque.delete(value);
  }

  async function verify(value: string, nowMs: number): Promise<Verdict> {
    const flawed = (flaw: Flaw): Verdict => ({ active: false, flaw, reason: reasons[flaw] });
    if (!opaque.has(value) && !(await signedByUs(value, keys))) return flawed("unknown");
    const entry = entries.get(jtiOf(value) ?? "");
    if (!entry) return flawed("unknown");
    if (entry.revoked) return flawed("revoked");
    if (entry.expiresAt !== undefined && entry.expiresAt <= nowMs) return flawed("expired");
    const { identity, forResources, claims } = entry;
    return { active: true, identity, forResources, claims };
  }

  return {
    issue,
    issueForeign,
    verify,
    jtiOf,
    last: (order) => latest.get(ownerOf(order)),
    revoke(valueOrJti) {
      const entry = entries.get(jtiOf(valueOrJti) ?? valueOrJti);
      if (entry) entry.revoked = true;
      return entry !== undefined;
    },
    revokeAll() {
      const live = [...entries.values()].filter((entry) => !entry.revoked);
      for (const entry of live) entry.revoked = true;
      return live.length;
    },
    reset() {
      entries.clear();
      opaque.clear();
      latest.clear();
    },
  };
}

function claimsOf(order: TokenOrder): Record<string, unknown> {
  const { identity, account, issuer, grantType, clientId, issuedAt, lifetimeS } = order;
  const iat = Math.floor(issuedAt / 1000);
  return defined({
    ...identityClaims(identity),
    authn: authnClaim(order.authn ?? identity),
    account: { valid: account.valid, bss: account.id, frozen: true },
    iat,
    exp: iat + lifetimeS,
    iss: issuer,
    grant_type: grantType,
    scope: "ibm openid",
    client_id: clientId,
    acr: 1,
    amr: ["pwd"],
    ...order.claims,
  });
}

function defined(claims: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
}

async function sign(
  claims: Record<string, unknown>,
  keys: SigningKeys,
  byThumbprint: boolean,
): Promise<string> {
  const { kid, thumbprint, privateKey } = await keys.current();
  const header = { kid: byThumbprint ? thumbprint : kid, alg: "RS256" };
  return new SignJWT(claims).setProtectedHeader(header).sign(privateKey);
}

async function signedByUs(value: string, keys: SigningKeys): Promise<boolean> {
  const getKey = async ({ kid }: { kid?: string }) => {
    const key = await keys.find(kid);
    if (!key) throw new Error("unknown kid");
    return key.publicKey;
  };
  return compactVerify(value, getKey, { algorithms: ["RS256"] }).then(
    () => true,
    () => false,
  );
}

function unverifiedJti(value: string): string | undefined {
  try {
    return decodeJwt(value).jti;
  } catch {
    return undefined;
  }
}

function ownerOf({ identity, grantType, clientId }: TokenOrder): string {
  return JSON.stringify([iamIdOf(identity), grantType, clientId]);
}

function isValidAccount(account: unknown): boolean {
  return typeof account === "object" && account !== null && "valid" in account && account.valid === true;
}
