import { IamError } from "@iam/core";
import type { IamClaims } from "./iam-claims.ts";

/** A token that was found good. It holds the claims, not the token. */
export interface VerifiedToken {
  readonly claims: IamClaims;
  /** The key that it was found good with: its name, and what it is. */
  readonly kid: string;
  readonly material: string;
  /** Monotonic and wall-clock milliseconds after which it has to be looked at again; the earlier counts. */
  readonly untilMonotonic: number;
  readonly untilWall: number;
}

/** Tokens that were found good lately, by a hash of each token and of what it was held to. */
export interface VerifiedTokens {
  readonly size: number;
  get(key: string): VerifiedToken | undefined;
  set(key: string, token: VerifiedToken): void;
  delete(key: string): void;
  clear(): void;
}

/**
 * Makes a memory for verified tokens, which several verifiers may share. When it is full, the one that was used longest ago goes.
 *
 * Default: 1,000 tokens, about 2 kB each.
 * Errors: `ERR_IAM_CONFIG` for a number of tokens that is none.
 *
 * @example
 * ```ts
 * import { createVerifiedTokens, createVerifier } from "@iam/verify";
 * const cache = createVerifiedTokens({ maxTokens: 10_000 });
 * export const verifiers = [createVerifier({ cache }), createVerifier({ cache, subjectTypes: ["ServiceId"] })];
 * ```
 */
export function createVerifiedTokens({ maxTokens = 1000 }: { maxTokens?: number } = {}): VerifiedTokens {
  if (!(Number.isInteger(maxTokens) && maxTokens > 0))
    throw new IamError("ERR_IAM_CONFIG", "maxTokens must be a whole number from 1.");
  const kept = new Map<string, VerifiedToken>();
  return {
    get size() {
      return kept.size;
    },
    get(key) {
      const token = kept.get(key);
      if (token === undefined) return undefined;
      // A Map is in order of insertion: the one used last goes to the end.
      kept.delete(key);
      kept.set(key, token);
      return token;
    },
    set(key, token) {
      kept.delete(key);
      kept.set(key, token);
      if (kept.size <= maxTokens) return;
      for (const oldest of kept.keys()) {
        kept.delete(oldest);
        return;
      }
    },
    delete: (key) => void kept.delete(key),
    clear: () => kept.clear(),
  };
}
