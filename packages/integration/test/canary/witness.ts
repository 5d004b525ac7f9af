import { findSecret } from "@iam/conformance";

/** Somebody who is shown everything that a caller can look at, and knows the secrets. */
export interface Witness {
  /** How much has been shown. */
  readonly count: number;
  /** A secret from now on. */
  knows(secret: string): void;
  /** Looks at a value later, when everything has settled. */
  saw(what: string, value: unknown): void;
  /** Looks at what a call gives or throws, and says whether it failed. */
  watch(what: string, run: () => unknown): Promise<boolean>;
  /** Each leak, by what it was in. */
  leaks(): string[];
}

export function createWitness(): Witness {
  const secrets = new Set<string>();
  const seen = new Map<unknown, string>();
  return {
    get count() {
      return seen.size;
    },
    knows: (secret) => void secrets.add(secret),
    saw: (what, value) => void seen.set(value, what),
    async watch(what, run) {
      try {
        seen.set(await run(), what);
        return false;
      } catch (error) {
        seen.set(error, what);
        return true;
      }
    },
    leaks() {
      const found = Array.from(seen, ([value, what]) => [what, findSecret(value, secrets)] as const);
      return found.flatMap(([what, leak]) => (leak === undefined ? [] : [`${what}: ${leak}`]));
    },
  };
}
