import { compactVerify } from "jose";
import { checkClaims, type IamClaims } from "./iam-claims.ts";
import { createIntrospection } from "./introspection.ts";
import { createKeySet, type WaitUntil } from "./key-set.ts";
import type { ExportedKeys, VerificationKey } from "./published-keys.ts";
import { refusal } from "./refusal.ts";
import { createTokenDigest } from "./token-digest.ts";
import { headerSegment, jsonObject, notSigned, parseHeader, type TokenHeader } from "./token-text.ts";
import type { VerifiedToken } from "./verified-tokens.ts";
import { readVerifierOptions, type VerifierOptions } from "./verifier-options.ts";

/** Options of {@link Verifier.verify}. */
export interface VerifyOptions {
  /** Keeps the runtime awake for a refresh of the keys in the background: `(promise) => ctx.waitUntil(promise)` on Workers. */
  waitUntil?: WaitUntil | undefined;
}

/** Judges incoming tokens of one issuer. */
export interface Verifier {
  /**
   * The claims of a good token; frozen, unless there is no cache.
   *
   * Errors: a `BearerError` (`ERR_IAM_BEARER`, status 401) whose `reason` says what is wrong with the token;
   * `ERR_IAM_VERIFICATION_UNAVAILABLE` when that cannot be told, because keys or introspection cannot be had.
   */
  verify(token: string, options?: VerifyOptions): Promise<IamClaims>;
  /**
   * The keys as JSON, to start another process with; asks for them if none are known yet.
   *
   * Errors: `ERR_IAM_VERIFICATION_UNAVAILABLE`.
   */
  exportKeys(): Promise<ExportedKeys>;
}

/** A verified token is looked at again after this long, whatever its life. */
const maxRememberedMs = 300_000;

/**
 * Makes a verifier of IAM access tokens: signature, issuer, time, account, without asking IAM about each of them.
 *
 * The keys are fetched at the first token, again at most once in 30 s for a token that names an unknown one, and beside
 * their use every hour. When the issuer does not answer, those that are known are used on.
 *
 * Without `accounts` everybody passes who has an account of IBM Cloud, which is anybody.
 *
 * Errors: `ERR_IAM_CONFIG` for options that cannot work.
 * Source: RFC 7515, 7517, 7519, 8725; https://cloud.ibm.com/apidocs/iam-identity-token-api
 *
 * @example
 * ```ts
 * import { createVerifier } from "@iam/verify";
 * const verifier = createVerifier({ accounts: ["0123456789abcdef0123456789abcdef"] });
 * export async function whoCalls(token: string): Promise<string> {
 *   const { iam_id } = await verifier.verify(token);
 *   return iam_id;
 * }
 * ```
 */
export function createVerifier(options?: VerifierOptions): Verifier {
  const config = readVerifierOptions(options);
  const { algorithms, cache, clock, fingerprint } = config;
  const digest = createTokenDigest();
  const headers = new Map<string, TokenHeader>();
  const keySet = createKeySet({
    ...config,
    onChange() {
      cache?.clear();
      headers.clear();
    },
  });
  const introspect = config.introspection && createIntrospection({ ...config, ...introspectionOf(config) });

  async function verify(token: string, { waitUntil }: VerifyOptions = {}): Promise<IamClaims> {
    const segment = headerSegment(token);
    let key: string | undefined;
    if (cache !== undefined) {
      const hashed = digest(fingerprint + token);
      key = typeof hashed === "string" ? hashed : await hashed;
    }
    const { claims } = remembered(key) ?? (await judge(token, segment, key, waitUntil));
    await introspect?.(token);
    return claims;
  }

  /** What is still known of a token; only if the key it was found good with is still one of ours. */
  function remembered(key: string | undefined): VerifiedToken | undefined {
    const token = key === undefined ? undefined : cache?.get(key);
    if (token === undefined || key === undefined) return undefined;
    const { untilMonotonic, untilWall, kid, material } = token;
    const current = clock.monotonicNow() < untilMonotonic && clock.wallNow() < untilWall;
    if (current && keySet.peek(kid)?.material === material) return token;
    cache?.delete(key);
    return undefined;
  }

  async function judge(
    token: string,
    segment: string,
    cacheKey: string | undefined,
    waitUntil: WaitUntil | undefined,
  ): Promise<{ readonly claims: IamClaims }> {
    const header = headers.get(segment) ?? parseHeader(segment, algorithms);
    const published = keySet.use(header.kid, waitUntil) ?? (await keySet.find(header.kid));
    const imported = published.imported(header.alg);
    // Not awaited without need: a turn of the queue costs a hundredth of a verification.
    const key = imported instanceof Promise ? await importedKey(imported) : imported;
    let payload: Uint8Array;
    try {
      ({ payload } = await compactVerify(token, key, { algorithms: [header.alg] }));
    } catch {
      throw notSigned(token);
    }
    const claims = readClaims(payload);
    const wallNow = clock.wallNow();
    checkClaims(claims, config, wallNow / 1000);
    // The headers of good tokens are few: one for each key.
    if (headers.size < 16) headers.set(segment, header);
    if (cacheKey !== undefined) {
      // Everybody who shows the token is given them, and none of them may change them.
      freeze(claims);
      cache?.set(cacheKey, {
        claims,
        kid: header.kid,
        material: published.material,
        untilMonotonic: clock.monotonicNow() + maxRememberedMs,
        untilWall: Math.min(claims.exp * 1000, wallNow + maxRememberedMs),
      });
    }
    return { claims };
  }

  return { verify, exportKeys: keySet.exportKeys };
}

function introspectionOf({ introspection }: ReturnType<typeof readVerifierOptions>) {
  return {
    url: introspection?.url ?? "",
    clientId: introspection?.clientId,
    clientSecret: introspection?.clientSecret,
  };
}

async function importedKey(imported: Promise<VerificationKey>): Promise<VerificationKey> {
  try {
    return await imported;
  } catch {
    throw refusal("unknown-key", "The key that the token names is none for its algorithm (kid, alg).");
  }
}

function readClaims(payload: Uint8Array): Record<string, unknown> {
  const members = jsonObject(payload);
  if (members === undefined) throw refusal("claims", "The claims of the token are no JSON object.");
  if (members.twice) throw refusal("duplicate", "The token has a claim twice.");
  return members.value;
}

/** Freezes a value out of JSON all the way down. */
function freeze(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  Object.freeze(value);
  for (const member of Object.values(value)) freeze(member);
}
