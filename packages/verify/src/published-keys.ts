import { importJWK, type JWK } from "jose";
import { isObject } from "./token-text.ts";

/** The keys of an issuer, as JSON, with the moment they were fetched. */
export interface ExportedKeys {
  /** Public keys (RFC 7517). */
  readonly keys: readonly JWK[];
  /** Epoch milliseconds; undefined in a key set from elsewhere, which is then refreshed beside its first use. */
  readonly fetchedAt?: number | undefined;
}

/** A public key of the issuer. */
export interface PublishedKey {
  readonly kid: string;
  readonly jwk: JWK;
  /** What tells it from every other key: the same for equal keys. */
  readonly material: string;
  /** The key itself for one algorithm; imported once, and then there without a wait. */
  imported(alg: string): VerificationKey | Promise<VerificationKey>;
}

/** A key as the runtime has it. */
export type VerificationKey = Awaited<ReturnType<typeof importJWK>>;

/** IAM has a handful. */
const maxKeys = 100;

/**
 * The keys of a set that can verify by one of the algorithms; the others are left out. Pure.
 *
 * IAM's keys carry no `use`: only one that says something else than `sig` is left out. RSA keys below 2048 bits are.
 *
 * Source: RFC 7517 sections 4 and 5; RFC 7518 section 3.3.
 */
export function publishedKeys(
  set: unknown,
  algorithms: readonly string[],
): ReadonlyMap<string, PublishedKey> {
  const members: unknown[] = isObject(set) && Array.isArray(set.keys) ? set.keys : [];
  const found = new Map<string, PublishedKey>();
  for (const member of members.slice(0, maxKeys)) {
    if (!isObject(member) || !canVerify(member, algorithms)) continue;
    const { kid } = member;
    // The newest comes first.
    if (typeof kid === "string" && kid !== "" && !found.has(kid)) found.set(kid, publishedKey(kid, member));
  }
  return found;
}

function canVerify(jwk: Record<string, unknown>, algorithms: readonly string[]): boolean {
  const { kty, alg, use, key_ops, n, e, x, y, crv } = jwk;
  if (use !== undefined && use !== "sig") return false;
  if (key_ops !== undefined && !(Array.isArray(key_ops) && key_ops.includes("verify"))) return false;
  if (alg !== undefined && !algorithms.some((accepted) => accepted === alg)) return false;
  // 2048 bits are 342 characters.
  if (kty === "RSA") return typeof n === "string" && n.length >= 342 && typeof e === "string";
  return kty === "EC" && [x, y, crv].every((member) => typeof member === "string");
}

function publishedKey(kid: string, { kty, n, e, x, y, crv, alg }: Record<string, unknown>): PublishedKey {
  // Only what is public, and only what is used.
  const jwk = JSON.parse(JSON.stringify({ kty, n, e, x, y, crv, alg, kid })) as JWK;
  const imports = new Map<string, VerificationKey | Promise<VerificationKey>>();
  return {
    kid,
    jwk,
    material: JSON.stringify([kty, n, e, crv, x, y]),
    imported(name) {
      const known = imports.get(name);
      if (known !== undefined) return known;
      const importing = importJWK(jwk, name).then((key) => {
        imports.set(name, key);
        return key;
      });
      imports.set(name, importing);
      return importing;
    },
  };
}
