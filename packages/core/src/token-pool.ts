import { systemClock } from "./clock.ts";
import { configError, threw } from "./errors.ts";
import { type TokenManagerEvent, tell } from "./events.ts";
import type { Lease, SharedStore } from "./exchange-run.ts";
import { freshness } from "./expiry.ts";
import type { Grant } from "./grant.ts";
import type { Token } from "./token.ts";
import { createTokenManager, type GetTokenOptions, type TokenManager } from "./token-manager.ts";
import type { TokenManagerOptions } from "./token-manager-options.ts";

/** Options of {@link createTokenPool}: those of a token manager, which all tenants have in common, and these. */
export interface TokenPoolOptions extends Omit<TokenManagerOptions, "grant" | "onEvent"> {
  /** The grant of a tenant. Called whenever the tenant needs an exchange and has had none for a while. */
  grantFor: (tenant: string) => Grant;
  /** How many tenants are kept at most. */
  max: number;
  /** Hears what happens, and to whom. What it throws is ignored. */
  onEvent?: ((event: TokenManagerEvent, tenant: string) => unknown) | undefined;
}

/** Token managers by tenant. */
export interface TokenPool {
  /**
   * The token manager of a tenant: the same one as long as the tenant is kept. Ask for each request rather than keep it.
   *
   * Errors: `ERR_IAM_CONFIG` for a tenant that is not a string, and after disposal.
   */
  managerFor(tenant: string): TokenManager;
  /** How many tenants are kept. */
  readonly size: number;
  /** Disposes of every manager. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What is kept of a tenant: little more than its token, while nothing happens. */
interface Tenant extends SharedStore {
  kept: Lease | undefined;
  /** There while something happens, or has to be remembered that a token does not say. */
  awake: TokenManager | undefined;
  /** Calls that have not been answered. */
  calls: number;
  /** When the exchange under way began, by the monotonic clock. */
  exchangeSince: number | undefined;
  /** The last exchange failed: how long nobody asks again is the manager's to know. */
  failed: boolean;
  rejectedAt: number;
  /** Origins that refused a token and have accepted none since. */
  refusedBy: Set<string> | undefined;
  /** Asked for a token since it was last passed over for eviction. */
  used: boolean;
}

/** As long as a manager spaces forced exchanges. */
const rejectionMemoryMs = 5_000;
/** How many tenants are looked at for one that has no token any more, before one goes that has. */
const evictionLooks = 32;

// Some runtimes do not have the symbol yet.
const asyncDispose: typeof Symbol.asyncDispose =
  Symbol.asyncDispose ?? (Symbol.for("Symbol.asyncDispose") as typeof Symbol.asyncDispose);

/**
 * Keeps a token manager for each of many tenants, in bounded memory: about 2 kB and the token for one that is idle. When there
 * are more than `max`, one goes that has no usable token, else one that has not been asked for lately; never one whose exchange
 * is under way. With a `store` tenants share with other processes too.
 *
 * Errors: `ERR_IAM_CONFIG` for options that cannot work.
 *
 * @example
 * ```ts
 * import { apiKeyGrant, authorizedFetch, createTokenPool } from "@iam/core";
 * declare function apiKeyOf(tenant: string): Promise<string>;
 * const pool = createTokenPool({ grantFor: (tenant) => apiKeyGrant(() => apiKeyOf(tenant)), max: 100_000 });
 * export const fetchFor = (tenant: string) => authorizedFetch({ manager: pool.managerFor(tenant) });
 * ```
 */
export function createTokenPool(options: TokenPoolOptions): TokenPool {
  const { grantFor, max, onEvent, ...common } = options ?? {};
  if (typeof grantFor !== "function")
    throw configError("createTokenPool needs grantFor: (tenant) => apiKeyGrant(…).");
  if (!(Number.isSafeInteger(max) && max >= 1))
    throw configError("createTokenPool: max must be a whole number, 1 or more.");
  requireManagerOptions(common);
  const { clock = systemClock, deadlineMs = 9_000, joinTimeoutMs = 2_000, store } = common;
  // Two maps, so that a look-up reads no more than one of them: the tenants themselves lie all over the heap.
  const managers = new Map<string, TokenManager>();
  const tenants = new Map<string, Tenant>();
  let disposed = false;

  function wake(key: string, tenant: Tenant): TokenManager {
    tenant.awake ??= createTokenManager({
      ...common,
      grant: grantOf(key),
      store: tenant,
      onEvent: (event) => hear(event, key, tenant),
    });
    return tenant.awake;
  }

  function grantOf(key: string): Grant {
    try {
      return grantFor(key);
    } catch (error) {
      throw threw("grantFor", error);
    }
  }

  function hear(event: TokenManagerEvent, key: string, tenant: Tenant): void {
    if (event.type === "exchange_started") tenant.exchangeSince = clock.monotonicNow();
    else if (event.type === "exchange_succeeded" || event.type === "exchange_failed") {
      tenant.exchangeSince = undefined;
      tenant.failed = event.type === "exchange_failed";
      // The manager is not done yet with what it tells of.
      void Promise.resolve().then(() => rest(tenant));
    } else if (event.type === "token_rejected") {
      tenant.rejectedAt = clock.monotonicNow();
      if (event.outcome === "replacing") tenant.kept = undefined;
      if (event.origin !== undefined) tenant.refusedBy = (tenant.refusedBy ?? new Set()).add(event.origin);
    }
    if (onEvent) tell((told: TokenManagerEvent) => onEvent(told, key), event);
  }

  /** Lets go of the manager of a tenant that its token says everything of. */
  function rest(tenant: Tenant): void {
    if (isBusy(tenant) || tenant.failed || tenant.calls > 0 || tenant.refusedBy !== undefined) return;
    if (clock.monotonicNow() - tenant.rejectedAt >= rejectionMemoryMs) tenant.awake = undefined;
  }

  /** On Workers an exchange dies silently with its request, and never tells that it ended. */
  function isBusy({ exchangeSince = -Infinity }: Tenant): boolean {
    return clock.monotonicNow() - exchangeSince <= deadlineMs + joinTimeoutMs;
  }

  function peek(tenant: Tenant): Token | undefined {
    const { kept } = tenant;
    tenant.used = true;
    return kept !== undefined && freshness(kept, clock) === "fresh" ? kept.token : undefined;
  }

  async function getToken(key: string, tenant: Tenant, asked?: GetTokenOptions): Promise<Token> {
    const plain = asked?.rejected === undefined && !asked?.minValidityMs && !asked?.signal?.aborted;
    const token = plain ? peek(tenant) : undefined;
    if (token !== undefined) return token;
    const manager = wake(key, tenant);
    tenant.calls++;
    try {
      return await manager.getToken(asked);
    } finally {
      tenant.calls--;
      rest(tenant);
    }
  }

  function accepted(tenant: Tenant, token: Token, origin: string): void {
    if (tenant.refusedBy === undefined) return;
    tenant.awake?.accepted(token, origin);
    if (token.accessToken !== tenant.kept?.token.accessToken) return;
    tenant.refusedBy.delete(origin);
    if (tenant.refusedBy.size === 0) tenant.refusedBy = undefined;
  }

  async function dispose(key: string, tenant: Tenant): Promise<void> {
    if (tenants.get(key) === tenant) forget(key);
    // One that is disposed of stays so: it answers later calls with the error that says it.
    const manager = wake(key, tenant);
    tenant.kept = undefined;
    tenant.failed = true;
    await manager[asyncDispose]();
  }

  const share: SharedStore["share"] = (exchange, context) => store?.share(exchange, context) ?? exchange;

  function keep(this: Tenant, lease: Lease): void {
    this.kept = lease;
  }

  function forget(key: string): void {
    tenants.delete(key);
    managers.delete(key);
  }

  function createTenant(): Tenant {
    return {
      share,
      keep,
      kept: undefined,
      awake: undefined,
      calls: 0,
      exchangeSince: undefined,
      failed: false,
      rejectedAt: -Infinity,
      refusedBy: undefined,
      used: false,
    };
  }

  function createManager(key: string, tenant: Tenant): TokenManager {
    return {
      getToken: (asked) => getToken(key, tenant, asked),
      peek: () => peek(tenant),
      accepted: (token, origin) => accepted(tenant, token, origin),
      [asyncDispose]: () => dispose(key, tenant),
    };
  }

  /** Makes room for one tenant more; false when everybody's exchange is under way. */
  function makeRoom(): boolean {
    let candidate: string | undefined;
    let looks = 0;
    const most = tenants.size * 2;
    for (const [key, tenant] of tenants) {
      if (tenants.size < max || looks++ > most || (candidate !== undefined && looks > evictionLooks)) break;
      const busy = isBusy(tenant) || tenant.calls > 0;
      if (!busy && (tenant.kept === undefined || freshness(tenant.kept, clock) === "expired")) {
        forget(key);
      } else if (candidate !== undefined) {
        // The rest is looked at only for one without a token.
      } else if (busy || tenant.used) {
        tenant.used = false;
        tenants.delete(key);
        tenants.set(key, tenant);
      } else candidate = key;
    }
    if (tenants.size >= max && candidate !== undefined) forget(candidate);
    return tenants.size < max;
  }

  return {
    managerFor(key) {
      const known = managers.get(key);
      if (known !== undefined) return known;
      if (disposed) throw configError("The token pool has been disposed of: make a new one.");
      if (typeof key !== "string") throw configError("managerFor takes the name of a tenant, a string.");
      const tenant = createTenant();
      const manager = createManager(key, tenant);
      // With all exchanges under way there is no room: this one is not kept, and works all the same.
      if (makeRoom()) {
        tenants.set(key, tenant);
        managers.set(key, manager);
      }
      return manager;
    },
    get size() {
      return tenants.size;
    },
    async [asyncDispose]() {
      disposed = true;
      await Promise.all(Array.from(tenants, ([key, tenant]) => dispose(key, tenant)));
    },
  };
}

/** Errors: those that a manager would tell of its options, before there is one. */
function requireManagerOptions({ store, ...options }: Omit<TokenManagerOptions, "grant">): void {
  if (store && !store.share) throw configError("store must be made with sharedStore.");
  createTokenManager({
    ...options,
    grant: {
      kind: "none",
      identity: () => ({}),
      retry: "safe",
      exchange: () => Promise.reject(configError("This grant is never asked.")),
    },
  });
}
