import { after, type Scope, within } from "./deadline.ts";
import { configError, type IamError, isIamError, TokenEndpointError } from "./errors.ts";
import { type ExchangeReason, inBackground, tell } from "./events.ts";
import { createExchange } from "./exchange.ts";
import type { Exchanged, Lease } from "./exchange-run.ts";
import { ageMs, freshness, lifetimeFrom, remainingMs } from "./expiry.ts";
import type { Flight } from "./flight.ts";
import type { Grant } from "./grant.ts";
import { forgive, isOnHold, type Refusals, refusalBy } from "./refusals.ts";
import { coolDownMs } from "./retry.ts";
import { createToken, type Token } from "./token.ts";
import {
  readTokenManagerOptions,
  type TokenManagerOptions,
  type WaitUntil,
} from "./token-manager-options.ts";
import { invalidResponse } from "./token-response.ts";

/** What a caller wants of `getToken`. */
export interface GetTokenOptions {
  /** A token that a server answered with 401. It is replaced if it is the one held; compared by value. */
  rejected?: Token | string | undefined;
  /** The origin of the resource that rejected it; limits what an API that always answers 401 costs. */
  origin?: string | undefined;
  /** Ends this caller's wait and nothing else. */
  signal?: AbortSignal | undefined;
  /** Milliseconds that the token must stay valid. Default: 0. */
  minValidityMs?: number | undefined;
  /** Keeps the runtime awake for a refresh that this call begins in the background. Default: that of the manager. */
  waitUntil?: WaitUntil | undefined;
}

/** Holds one token, gives it to everybody who asks, and gets a new one in time. */
export interface TokenManager {
  /**
   * A token that is valid now: the held one, or one that this call waits for.
   *
   * Errors: IamError only; and the reason of `signal` for a caller that ended its wait.
   */
  getToken(options?: GetTokenOptions): Promise<Token>;
  /** The held token while it is fresh; undefined when there is none, or when `getToken` should be asked. Never waits. */
  peek(): Token | undefined;
  /**
   * Tells that a resource accepted a token: what was held against its origin for earlier 401s is forgotten, at most once
   * in 15 min.
   */
  accepted(token: Token, origin: string): void;
  /** Ends everything: waiting callers and later calls get `ERR_IAM_CONFIG`, the held token is forgotten. */
  [Symbol.asyncDispose](): Promise<void>;
}

const forcedIntervalMs = 5000;
/** Some runtimes do not have the symbol yet. */
const asyncDispose: typeof Symbol.asyncDispose =
  Symbol.asyncDispose ?? (Symbol.for("Symbol.asyncDispose") as typeof Symbol.asyncDispose);
const secretCheckIntervalMs = 1000;

/**
 * Makes a token manager: the one place of this project with state.
 *
 * Its states are derived from what it holds and the time, never stored: see docs/architecture.md.
 *
 * Errors: `ERR_IAM_CONFIG` for options that cannot work.
 *
 * @example
 * ```ts
 * import { apiKeyGrant, createTokenManager } from "@iam/core";
 * const manager = createTokenManager({ grant: apiKeyGrant("the-api-key") });
 * export const authorization = async () => `Bearer ${(await manager.getToken()).accessToken}`;
 * ```
 */
export function createTokenManager(options: TokenManagerOptions): TokenManager {
  const config = readTokenManagerOptions(options);
  const { clock, grant, random, onEvent, deadlineMs, joinTimeoutMs } = config;
  const own = createExchange(config, sourceToken);
  const exchange = config.store?.share(own, config) ?? own;
  const refusals: Refusals = new Map();
  const sources = new Map<Grant, TokenManager>();
  /** Where the callers wait. */
  const waiting: Scope = { clock, background: false, ends: new Set() };

  let lease = config.store?.kept;
  let flight: Flight<Lease> | undefined;
  let failures = 0;
  /** Nobody asks the token endpoint until then; monotonic milliseconds. */
  let coolDownEndsAt = -Infinity;
  /** What everybody is told meanwhile. */
  let remembered: TokenEndpointError;
  /** The secret that was sent. */
  let refusedSecret: string | undefined;
  let secretCheckedAt: number;
  let sequence = 0;
  /** From 1, because 0 is no token's. */
  let generation = 1;
  /** Exchanges up to this one began too early to be held: a newer token, or a rejection, came after that. */
  let fence = 0;
  /** The token that was rejected, until the next exchange has ended. */
  let suspect: Lease | undefined;
  /** A rejected token that was dropped, while the exchange that replaces it has not begun. */
  let replacing: string | undefined;
  let forcedAt = -Infinity;
  let disposed: IamError | undefined;

  const nowMs = () => clock.monotonicNow();

  function peek(): Token | undefined {
    return lease && freshness(lease, clock) === "fresh" ? lease.token : undefined;
  }

  /** Apart from what else it may take: most calls end here, and cost as much as reading the clocks. */
  async function getToken(options?: GetTokenOptions): Promise<Token> {
    return (options ? undefined : peek()) ?? acquire(options ?? {});
  }

  async function acquire({
    rejected,
    origin,
    signal,
    minValidityMs = 0,
    waitUntil = config.waitUntil,
  }: GetTokenOptions): Promise<Token> {
    if (!(minValidityMs >= 0 && minValidityMs < Infinity))
      throw configError("minValidityMs must be 0 or more.");
    if (rejected != null) reject(typeof rejected === "string" ? rejected : rejected.accessToken, origin);
    const satisfies = (held: Lease) => remainingMs(held, clock) >= minValidityMs;
    for (;;) {
      signal?.throwIfAborted();
      if (disposed) throw disposed;
      let held = usable();
      if (held && satisfies(held)) {
        if (freshness(held, clock) === "expiring" && !liveFlight() && !cooling())
          inBackground(begin("expiring").result, waitUntil);
        return held.token;
      }
      // Another exchange helps only when tokens live that long, and when it would give another token at all.
      if (!held || (held.lifetimeMs > minValidityMs && held.refreshMs < held.usableMs)) {
        held = await obtain(held, signal);
        if (!held) continue;
        if (satisfies(held)) return held.token;
        // Another process began its life earlier. An exchange of our own is next.
        if (held.shared) continue;
      }
      throw configError(`minValidityMs is more than the ${held.lifetimeMs} ms that tokens live.`);
    }
  }

  /** Waits for the exchange under way, or begins one. Undefined: look at the state again. */
  async function obtain(
    held: Lease | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Lease | undefined> {
    const live = liveFlight();
    if (!live && cooling()) return secretChange(signal);
    const current = live ?? begin(held ? "validity" : "absent");
    const { stopBeating, result } = current;
    // One that began before a rejection does not answer it; but two at once are not allowed either, so it is waited for.
    const stale = current.sequence <= fence;
    const answer = result.then(
      (obtained) => (stale ? undefined : obtained),
      (error: unknown): undefined => {
        // Any other is the runtime's own, on Workers: the request that began the exchange has ended.
        if (!stale && usable() === held && isIamError(error)) throw error;
      },
    );
    const obtained = await within(waiting, joinTimeoutMs, answer, signal);
    // Not one sign of life all the while: the request that began it has ended.
    if (!obtained && flight === current && current.stopBeating === stopBeating) flight = undefined;
    return obtained;
  }

  /** The exchange that can still end by itself: past its deadline its own timer should have ended it. */
  function liveFlight(): Flight<Lease> | undefined {
    return flight && nowMs() - flight.start.monotonic <= deadlineMs + joinTimeoutMs ? flight : undefined;
  }

  function cooling(): boolean {
    return nowMs() < coolDownEndsAt;
  }

  function usable(): Lease | undefined {
    return lease && freshness(lease, clock) !== "expired" ? lease : undefined;
  }

  function begin(wanted: ExchangeReason): Flight<Lease> {
    const rejected = replacing;
    const reason = rejected ? "rejected" : wanted;
    // Not when it was rejected: an exchange that was under way then may have held this one up.
    if (rejected) forcedAt = nowMs();
    replacing = undefined;
    const current: Flight<Lease> = {
      reason,
      rejected,
      clock,
      background: reason === "expiring",
      maxAttempts: 3,
      // Asked after each: a refresh whose token expires meanwhile has callers that wait for it.
      get attempts() {
        return failures === 0 && reason !== "rejected" && !usable() ? this.maxAttempts : 1;
      },
      ends: new Set(),
      sequence: ++sequence,
      start: { wall: clock.wallNow(), monotonic: nowMs() },
      stopBeating: () => {},
      // One turn later, so that a listener which asks for a token finds this exchange complete.
      result: Promise.resolve().then(() => run(current)),
    };
    // Two signs of life in each wait, as long as the timers of the exchange run.
    // Not when it is ended: whoever disposes of the manager may outlive the request that the exchange belongs to.
    const beat = (ended?: unknown) => {
      if (ended) return;
      current.stopBeating = after(current, joinTimeoutMs / 2, beat);
    };
    flight = current;
    beat();
    return current;
  }

  async function run(current: Flight<Lease>): Promise<Lease> {
    const { reason, start } = current;
    tell(onEvent, { type: "exchange_started", reason });
    try {
      return commit(current, await exchange(current, lease));
    } catch (cause) {
      const error = cause as TokenEndpointError;
      if (flight === current) {
        if (suspect && error.retryable) {
          // No answer: other origins may still accept it. Due at once, so that it does not stay longer than it must.
          lease = { ...suspect, refreshMs: 0 };
          replacing = undefined;
        }
        suspect = undefined;
      }
      tell(onEvent, {
        type: "exchange_failed",
        reason,
        durationMs: nowMs() - start.monotonic,
        coolDownMs: startCoolDown(current, error),
        error,
        held: !!usable(),
      });
      throw error;
    } finally {
      current.stopBeating();
      if (flight === current) flight = undefined;
    }
  }

  function commit({ sequence, reason, start }: Flight<Lease>, parsed: Exchanged): Lease {
    const { lifetimeMs = Infinity } = parsed;
    const held = usable();
    let life = parsed.life ?? lifetimeFrom(start, lifetimeMs, random);
    const same = held?.token.accessToken === parsed.accessToken;
    if (held && same && !life.shared) {
      // A server that gives the same token until it expires would be asked again by every call from now on. And it
      // cannot have become younger.
      if (remainingMs(held, clock) < remainingMs(life, clock)) life = held;
      life = { ...life, refreshMs: life.usableMs };
    }
    if (freshness(life, clock) === "expired")
      throw invalidResponse(`a token of ${lifetimeMs / 1000} s that expired on the way`);
    const expiresAt = life.lifetimeMs === Infinity ? undefined : life.start.wall + life.lifetimeMs;
    const next: Lease = { ...life, token: createToken(parsed, life.start.wall, expiresAt) };
    const committed = sequence > fence && !disposed;
    if (committed) {
      fence = sequence;
      failures = 0;
      coolDownEndsAt = -Infinity;
      suspect = undefined;
      // The same one, kept for the sake of others, replaces nothing.
      if (!same) generation++;
      lease = next;
      config.store?.keep?.(next);
    }
    tell(onEvent, {
      type: "exchange_succeeded",
      reason,
      durationMs: nowMs() - start.monotonic,
      expiresAt,
      committed,
      shared: !!life.shared,
    });
    return next;
  }

  function startCoolDown(current: Flight<Lease>, error: TokenEndpointError): number {
    // One that was given up for dead says nothing about now; a secret that could not be read, nothing about the endpoint.
    if (flight !== current || disposed || current.lacksSecret) return 0;
    const held = usable();
    const usableMs = held && held.usableMs - ageMs(held.start, clock);
    failures++;
    const ms = current.pauseMs ?? coolDownMs(error, failures, usableMs, random);
    remembered = error;
    refusedSecret = current.secret;
    secretCheckedAt = nowMs();
    coolDownEndsAt = secretCheckedAt + ms;
    return ms;
  }

  /** Fails with what is remembered, unless the secret that was refused has been replaced since: looked up once a second. */
  async function secretChange(signal: AbortSignal | undefined): Promise<undefined> {
    const error = remembered;
    const secret = refusedSecret;
    const retryAfterMs = Math.ceil(coolDownEndsAt - nowMs());
    if (secret !== undefined && !error.retryable && nowMs() - secretCheckedAt >= secretCheckIntervalMs) {
      secretCheckedAt = nowMs();
      const read = async () => grant.secret?.();
      const reading = read().catch(() => undefined);
      const found = await within(waiting, joinTimeoutMs, reading, signal);
      if (found !== undefined && found !== secret) {
        if (remembered === error) coolDownEndsAt = -Infinity;
        return;
      }
    }
    throw new TokenEndpointError(error.code, `${error.message} Remembered for ${retryAfterMs / 1000} s.`, {
      ...error,
      retryAfterMs,
    });
  }

  function reject(accessToken: string, origin: string | undefined): void {
    const refusal = refusalBy(refusals, origin);
    const replaced = usable()?.token.accessToken !== accessToken;
    const outcome = replaced
      ? "already_replaced"
      : isOnHold(refusal, generation, nowMs())
        ? "origin_on_hold"
        : nowMs() - forcedAt < forcedIntervalMs
          ? "too_soon"
          : // Nothing to replace it with: for other origins it may still be good.
            cooling()
            ? "cooling_down"
            : "replacing";
    if (outcome === "replacing") {
      fence = sequence;
      replacing = accessToken;
      suspect = lease;
      lease = undefined;
    }
    if (replaced || replacing) refusal.replacement = usable() ? generation : generation + 1;
    tell(onEvent, { type: "token_rejected", origin, outcome });
  }

  function sourceToken(source: Grant, options?: GetTokenOptions): Promise<Token> {
    const known = sources.get(source) ?? createTokenManager({ ...config, grant: source });
    sources.set(source, known);
    return known.getToken(options);
  }

  async function dispose(): Promise<void> {
    disposed = configError("This token manager has been disposed of.");
    lease = suspect = undefined;
    try {
      for (const end of [...waiting.ends, ...(flight?.ends ?? [])]) end(disposed);
    } catch {
      // Workers: the exchange belongs to another request, and ends by its own deadline.
    }
    for (const source of sources.values()) await source[asyncDispose]();
  }

  return {
    getToken,
    peek,
    accepted(token, origin) {
      if (token.accessToken === lease?.token.accessToken) forgive(refusals, origin, nowMs());
    },
    [asyncDispose]: dispose,
  };
}

/**
 * Checks that a value can be asked for tokens, whichever copy of this package made it.
 *
 * Errors: `ERR_IAM_CONFIG` that names `caller`.
 *
 * @example
 * ```ts
 * import { requireTokenManager } from "@iam/core";
 * export const check = (value: unknown) => requireTokenManager(value, "myAdapter");
 * ```
 */
export function requireTokenManager(value: unknown, caller: string): TokenManager {
  const manager = value as Partial<TokenManager> | undefined;
  if (manager?.getToken && manager.peek && manager.accepted) return manager as TokenManager;
  throw configError(`${caller} needs { manager: createTokenManager({ grant: apiKeyGrant(key) }) }.`);
}
