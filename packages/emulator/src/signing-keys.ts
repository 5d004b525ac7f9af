import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from "jose";

/** One RSA key that signs tokens: the members that IAM publishes, and the private half. */
interface SigningKey {
  readonly kid: string;
  /** RFC 7638, which other token services use as `kid`. */
  readonly thumbprint: string;
  readonly jwk: JWK;
  readonly publicKey: CryptoKey;
  readonly privateKey: CryptoKey;
}

/** The keys of one emulator, newest first. */
export interface SigningKeys {
  /** The key that signs, made on first use. */
  current(): Promise<SigningKey>;
  /** The key of that id or thumbprint, if it is still published. */
  find(kid: string | undefined): Promise<SigningKey | undefined>;
  /** Starts to sign with a new key; the old ones stay published unless `dropOld`. */
  rotate(options?: { dropOld?: boolean }): Promise<SigningKey>;
  /** The published set, newest first, each with exactly kty, n, e, alg and kid. */
  jwks(): Promise<{ keys: JWK[] }>;
}

/** An RSA pair for RS256, the public half extractable. */
export interface SigningKeyPair {
  readonly publicKey: CryptoKey;
  readonly privateKey: CryptoKey;
}

/** Makes the keys of an emulator, beginning with the given pair; `kid` is the minute of birth on its clock, as IAM does it. */
export function createSigningKeys(now: () => number, first?: SigningKeyPair): SigningKeys {
  let keys: Promise<SigningKey>[] = [];
  let lastMinute = Number.NEGATIVE_INFINITY;

  const add = (pair?: SigningKeyPair) => {
    const minute = Math.max(Math.floor(now() / 60_000), lastMinute + 1);
    lastMinute = minute;
    const key = signingKey(kidOf(minute * 60_000), pair);
    keys = [key, ...keys];
    return key;
  };
  const current = () => keys[0] ?? add(first);
  const all = async () => {
    await current();
    return Promise.all(keys);
  };

  return {
    current,
    find: async (kid) => (await all()).find((key) => key.kid === kid || key.thumbprint === kid),
    async rotate({ dropOld = false } = {}) {
      if (dropOld) keys = [];
      else current();
      return add();
    },
    jwks: async () => ({ keys: (await all()).map((key) => key.jwk) }),
  };
}

function kidOf(epochMs: number): string {
  return new Date(epochMs).toISOString().replaceAll(/\D/g, "").slice(0, 12);
}

async function signingKey(kid: string, pair?: SigningKeyPair): Promise<SigningKey> {
  const { publicKey, privateKey } = pair ?? (await generateKeyPair("RS256", { extractable: true }));
  const { n = "", e = "" } = await exportJWK(publicKey);
  const jwk: JWK = { kty: "RSA", n, e, alg: "RS256", kid };
  return { kid, thumbprint: await calculateJwkThumbprint(jwk), publicKey, privateKey, jwk };
}
