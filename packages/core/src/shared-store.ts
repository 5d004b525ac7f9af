import { configError } from "./errors.ts";
import type { SharedStore } from "./exchange-run.ts";
import type { Grant } from "./grant.ts";
import { requireOptions } from "./option-rules.ts";
import { createSharedExchange } from "./shared-exchange.ts";
import { createStoreGuard } from "./store-guard.ts";
import type { TokenStore } from "./token-store.ts";

/** Options of {@link sharedStore}. Durations in milliseconds. */
export interface SharedStoreOptions {
  /**
   * At least 32 random bytes that every sharing process has and nobody else. Needed for grants whose secret could be guessed
   * or changes by itself: password, passcode, compute resource token, VPC, static token. An API key guards itself.
   */
  pepper?: Uint8Array | undefined;
  /**
   * How much longer a caller may have to wait because of a store that does not work: for all calls of one exchange together, of
   * which a caller without a token makes three. Default: 150.
   */
  timeoutMs?: number | undefined;
  /**
   * How long a caller without a token waits for the exchange of another process before it makes its own. Default: 5,000, which
   * leaves time for one attempt within the manager's default deadline of 9,000; half of a deadline that is no longer than it.
   */
  waitMs?: number | undefined;
}

/**
 * Lets managers share tokens through a store: one exchange for all processes that have the same secret and ask for the same.
 *
 * What is stored is sealed with keys that are derived from the grant's secret: who can read the store, but has no secret,
 * learns neither token nor key, nor whose they are. When the store is slow, down or wrong, requests still work, each process
 * asks for itself, and the event `store_failed` tells. One of these may serve any number of managers.
 *
 * Errors: `ERR_IAM_CONFIG` for what is not a store, for a pepper that is short or not random, and, from `createTokenManager`,
 * for a grant that takes a pepper or cannot be shared.
 *
 * @example
 * ```ts
 * import { apiKeyGrant, createTokenManager, sharedStore, type TokenStore } from "@iam/core";
 * export const managerOn = (store: TokenStore, apiKey: string) =>
 *   createTokenManager({ grant: apiKeyGrant(apiKey), store: sharedStore(store) });
 * ```
 */
export function sharedStore(store: TokenStore, options: SharedStoreOptions = {}): SharedStore {
  requireOptions("sharedStore", options);
  const { pepper, timeoutMs = 150, waitMs = 5_000 } = options;
  if (
    typeof store?.get !== "function" ||
    typeof store.set !== "function" ||
    typeof store.delete !== "function"
  )
    throw configError("sharedStore needs a token store, such as redisStore({ client }) or memoryStore().");
  for (const [name, value] of Object.entries({ timeoutMs, waitMs })) {
    if (!(typeof value === "number" && value >= 1 && value < 2 ** 31))
      throw configError(`sharedStore: ${name} must be a number from 1 to 2147483647.`);
  }
  if (pepper !== undefined) requireRandom(pepper);
  const guard = createStoreGuard();
  // Not `slice`: of a Buffer that is the same memory, which its owner may wipe.
  const shared = { store, guard, timeoutMs, waitMs, pepper: new Uint8Array(pepper ?? []) };
  return {
    share(exchange, context) {
      if (globalThis.crypto?.subtle === undefined)
        throw configError(
          "A shared store needs Web Crypto, which this runtime does not have here: leave it out.",
        );
      requireSharable(context.grant, pepper !== undefined);
      return createSharedExchange(exchange, context, shared);
    },
  };
}

function requireRandom(pepper: unknown): void {
  if (!(pepper instanceof Uint8Array) || pepper.length < 32)
    throw configError("sharedStore: pepper must be a Uint8Array of at least 32 random bytes.");
  // Of 32 random bytes fewer than half differ once in 10^13 times; a text over few characters, or a buffer never filled, always.
  if (new Set(pepper).size < 16)
    throw configError("sharedStore: pepper is not random. Make one with crypto.getRandomValues.");
}

/** Errors: `ERR_IAM_CONFIG` for a grant whose tokens would not be safe in a store, or of no use there. */
function requireSharable({ kind, sharing, identity, secret }: Grant, hasPepper: boolean): void {
  if (sharing === "never")
    throw configError(`Tokens of the grant ${kind} cannot be shared: leave out the store for it.`);
  if (sharing !== "secret" && !hasPepper) {
    throw configError(
      `The grant ${kind} needs a pepper to be shared, because its secret could be guessed or changes: sharedStore(store, { pepper }), at least 32 random bytes that all processes have.`,
    );
  }
  if ((sharing === "identity" || secret === undefined) && Object.keys(identity()).length === 0) {
    throw configError(
      `Nothing tells the grant ${kind} from others of its kind, so its token would be everybody's: name its profile, or leave out the store.`,
    );
  }
}
