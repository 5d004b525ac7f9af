import type { Instant } from "./clock.ts";
import { configError, type IamError, isIamError, TokenEndpointError } from "./errors.ts";
import { type ExchangeReason, tell } from "./events.ts";
import { createExchange } from "./exchange.ts";
import { ageMs, freshness, type Lifetime, lifetimeFrom } from "./expiry.ts";
import { type Flight, startBeating, type Waiting, waitFor } from "./flight.ts";
import type { Grant } from "./grant.ts";
import { createRefusals } from "./refusals.ts";
import { coolDownMs } from "./retry.ts";
import { createToken, type Token } from "./token.ts";
import {
  readTokenManagerOptions,
  type TokenManagerOptions,
  type WaitUntil,
} from "./token-manager-options.ts";
import type { ParsedTokenResponse } from "./token-response.ts";

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
  /** Tells that a resource accepted a token: what was held against its origin for earlier 401s is forgotten. */
  accepted(token: Token, origin: string): void;
  /** Ends everything: waiting callers and later calls get `ERR_IAM_CONFIG`, the held token is forgotten. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A token that is held. */
interface Lease extends Lifetime {
  readonly token: Token;
  /** Counts the tokens that this manager has held; 0 for one that was never held. */
  readonly generation: number;
}

/** Nobody asks the token endpoint until then; monotonic milliseconds. */
interface CoolDown {
  readonly error: TokenEndpointError;
  readonly until: number;
  /** The secret that was sent. */
  readonly secret: string | undefined;
  secretCheckedAt: number;
}

const forcedIntervalMs = 5000;
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
  const exchange = createExchange(config, sourceToken);
  const refusals = createRefusals();
  const sources = new Map<Grant, TokenManager>();
  const waiting: Waiting = new Set();

  let lease: Lease | undefined;
  let flight: Flight<Lease> | undefined;
  let coolDown: CoolDown | undefined;
  let failures = 0;
  let sequence = 0;
  let generation = 0;
  /** Exchanges up to this one began too early to be held: a newer token, or a rejection, came after that. */
  let fence = 0;
  /** A rejected token was dropped, and the exchange that replaces it has not begun. */
  let replacing = false;
  let forcedAt = -Infinity;
  let disposed = false;
  // The fresh token once more, flat: what almost every call needs.
  let freshToken: Token | undefined;
  let freshUntilWall = 0;
  let freshUntilMonotonic = 0;

  const now = (): Instant => ({ wall: clock.wallNow(), monotonic: clock.monotonicNow() });

  function hold(next: Lease | undefined): void {
    lease = next;
    freshToken = next?.token;
    if (next === undefined) return;
    freshUntilWall = next.start.wall + next.refreshMs;
    freshUntilMonotonic = next.start.monotonic + next.refreshMs;
  }

  function peek(): Token | undefined {
    return freshToken !== undefined &&
      clock.monotonicNow() < freshUntilMonotonic &&
      clock.wallNow() < freshUntilWall
      ? freshToken
      : undefined;
  }

  async function getToken(options?: GetTokenOptions): Promise<Token> {
    if (options === undefined) {
      const token = peek();
      if (token !== undefined) return token;
    }
    return acquire(options ?? {});
  }

  async function acquire({
    rejected,
    origin,
    signal,
    minValidityMs = 0,
    waitUntil,
  }: GetTokenOptions): Promise<Token> {
    if (!(minValidityMs >= 0 && minValidityMs < Infinity))
      throw configError("minValidityMs must be 0 or more.");
    if (rejected !== undefined)
      reject(typeof rejected === "string" ? rejected : rejected.accessToken, origin);
    const satisfies = (held: Lease, at: Instant) => held.lifetimeMs - ageMs(held.start, at) >= minValidityMs;
    for (;;) {
      signal?.throwIfAborted();
      if (disposed) throw disposedError();
      const at = now();
      const held = usable(at);
      if (held !== undefined && satisfies(held, at)) {
        if (freshness(held, at) === "expiring" && !isLive(flight, at) && !isCooling(at))
          refreshBeside(waitUntil);
        return held.token;
      }
      // Another exchange helps only when tokens live that long, and when it would give another token at all.
      const helps = held === undefined || (held.lifetimeMs > minValidityMs && held.refreshMs < held.usableMs);
      const obtained = helps ? await obtain(held ? "validity" : "absent", at, signal) : held;
      if (obtained === undefined) continue;
      if (satisfies(obtained, now())) return obtained.token;
      throw configError(
        `minValidityMs is ${minValidityMs}, but tokens live ${obtained.lifetimeMs} ms here, and this one less. Ask for less.`,
      );
    }
  }

  /** Waits for the exchange under way, or begins one. Undefined: look at the state again. */
  async function obtain(
    reason: ExchangeReason,
    at: Instant,
    signal: AbortSignal | undefined,
  ): Promise<Lease | undefined> {
    if (isLive(flight, at)) return join(flight, signal);
    if (isCooling(at)) {
      const remembered = coolDown;
      if (!(await secretChanged(remembered, at))) throw rememberedError(remembered, at);
      if (coolDown === remembered) coolDown = undefined;
      return undefined;
    }
    const { result } = begin(reason, { background: false, first: failures === 0 });
    return waitFor(result, { clock, waiting, signal, patienceMs: undefined });
  }

  async function join(current: Flight<Lease>, signal: AbortSignal | undefined): Promise<Lease | undefined> {
    const { beats, result } = current;
    // One that began before a rejection does not answer it; but two at once are not allowed either, so it is waited for.
    const stale = current.sequence <= fence;
    try {
      const joined = await waitFor(result, { clock, waiting, signal, patienceMs: joinTimeoutMs });
      // Not one sign of life all the while: the request that began it has ended.
      if (joined === undefined && flight === current && current.beats === beats) flight = undefined;
      return stale ? undefined : joined;
    } catch (error) {
      if (stale && isIamError(error)) return undefined;
      throw error;
    }
  }

  /** Whether an exchange can still end by itself: past its deadline its own timer should have ended it. */
  function isLive(candidate: Flight<Lease> | undefined, at: Instant): candidate is Flight<Lease> {
    return candidate !== undefined && at.monotonic - candidate.start.monotonic <= deadlineMs + joinTimeoutMs;
  }

  function isCooling(at: Instant): boolean {
    return coolDown !== undefined && at.monotonic < coolDown.until;
  }

  function usable(at: Instant): Lease | undefined {
    return lease !== undefined && freshness(lease, at) !== "expired" ? lease : undefined;
  }

  function refreshBeside(waitUntil = config.waitUntil): void {
    const settled = begin("expiring", { background: true, first: false }).result.catch(() => {});
    try {
      waitUntil?.(settled);
    } catch {
      // A runtime that takes no more work: the refresh may die with the request, and is then begun again by another.
    }
  }

  function begin(
    reason: ExchangeReason,
    { background, first }: { background: boolean; first: boolean },
  ): Flight<Lease> {
    const current = {
      reason,
      background,
      first,
      sequence: ++sequence,
      start: now(),
      clock,
      ends: new Set(),
      beats: 0,
    } as Omit<Flight<Lease>, "result"> as Flight<Lease>;
    if (replacing) Object.assign(current, { reason: "rejected", first: false });
    replacing = false;
    // One turn later, so that a listener which asks for a token finds this exchange complete.
    current.result = Promise.resolve(current).then(run);
    // A background exchange has no other listener, and a caller that aborts leaves none.
    current.result.catch(() => {});
    flight = current;
    return current;
  }

  async function run(current: Flight<Lease>): Promise<Lease> {
    const { reason } = current;
    const stopBeating = startBeating(current, clock, joinTimeoutMs);
    tell(onEvent, { type: "exchange_started", reason });
    try {
      return commit(current, await exchange(current, lease?.token));
    } catch (error) {
      const failed = error as TokenEndpointError;
      const coolDownMs = startCoolDown(current, failed);
      const at = now();
      const durationMs = at.monotonic - current.start.monotonic;
      tell(onEvent, {
        type: "exchange_failed",
        reason,
        durationMs,
        error: failed,
        held: usable(at) !== undefined,
        coolDownMs,
      });
      throw error;
    } finally {
      stopBeating();
      if (flight === current) flight = undefined;
    }
  }

  function commit({ sequence, reason, start }: Flight<Lease>, parsed: ParsedTokenResponse): Lease {
    const at = now();
    const held = usable(at);
    const { lifetimeMs = Infinity } = parsed;
    let life = lifetimeFrom(start, lifetimeMs, random);
    if (held?.token.accessToken === parsed.accessToken) {
      // A server that gives the same token until it expires would be asked again by every call from now on. And it
      // cannot have become younger.
      const { usableMs } = held;
      if (held.lifetimeMs - ageMs(held.start, start) < lifetimeMs) life = { ...held, refreshMs: usableMs };
      else life = { ...life, refreshMs: life.usableMs };
    }
    if (freshness(life, at) === "expired") throw expiredOnArrival(lifetimeMs);
    const expiresAt = life.lifetimeMs === Infinity ? undefined : life.start.wall + life.lifetimeMs;
    const committed = sequence > fence && !disposed;
    const { accessToken, refreshToken, scope } = parsed;
    const token = createToken({ accessToken, refreshToken, scope, expiresAt, obtainedAt: start.wall });
    const next: Lease = { ...life, token, generation: committed ? ++generation : 0 };
    if (committed) {
      fence = sequence;
      failures = 0;
      coolDown = undefined;
      hold(next);
    }
    const durationMs = at.monotonic - start.monotonic;
    tell(onEvent, { type: "exchange_succeeded", reason, durationMs, expiresAt, committed });
    return next;
  }

  function startCoolDown(current: Flight<Lease>, error: TokenEndpointError): number {
    // One that was given up for dead says nothing about now; a secret that could not be read, nothing about the endpoint.
    if (flight !== current || disposed || current.secretFailed) return 0;
    const at = now();
    const held = usable(at);
    const usableMs = held && held.usableMs - ageMs(held.start, at);
    const { retryable, retryAfterMs } = error;
    const ms = coolDownMs({ retryable, retryAfterMs, failures: ++failures, usableMs, random });
    coolDown = { error, until: at.monotonic + ms, secret: current.secret, secretCheckedAt: at.monotonic };
    return ms;
  }

  /** Whether the secret that was refused has been replaced since; asked at most once a second. */
  async function secretChanged(refusal: CoolDown | undefined, { monotonic }: Instant): Promise<boolean> {
    if (refusal?.secret === undefined || refusal.error.retryable) return false;
    if (monotonic - refusal.secretCheckedAt < secretCheckIntervalMs) return false;
    refusal.secretCheckedAt = monotonic;
    try {
      return (await grant.secret?.()) !== refusal.secret;
    } catch {
      return false;
    }
  }

  function reject(accessToken: string, origin: string | undefined): void {
    const at = now();
    const held = usable(at);
    const outcome = judgeRejection(held, accessToken, origin, at);
    if (outcome === "replacing") {
      refusals.replaced(origin, generation);
      forcedAt = at.monotonic;
      fence = sequence;
      replacing = true;
      hold(undefined);
    }
    tell(onEvent, { type: "token_rejected", origin, outcome });
  }

  function judgeRejection(
    held: Lease | undefined,
    accessToken: string,
    origin: string | undefined,
    at: Instant,
  ) {
    if (held?.token.accessToken !== accessToken) {
      refusals.late(origin, held?.generation ?? generation + 1);
      return "already_replaced";
    }
    if (refusals.onHold(origin, generation, at.monotonic)) return "origin_on_hold";
    if (at.monotonic - forcedAt < forcedIntervalMs) return "too_soon";
    // Nothing to replace it with: for other origins it may still be good.
    return isCooling(at) ? "cooling_down" : "replacing";
  }

  function sourceToken(source: Grant): Promise<Token> {
    const known = sources.get(source) ?? createTokenManager({ ...config, grant: source });
    sources.set(source, known);
    return known.getToken();
  }

  async function dispose(): Promise<void> {
    disposed = true;
    hold(undefined);
    try {
      for (const end of [...waiting, ...(flight?.ends ?? [])]) end(disposedError());
    } catch {
      // Workers: the exchange belongs to another request, and ends by its own deadline.
    }
    await Promise.all(Array.from(sources.values(), (source) => source[Symbol.asyncDispose]()));
  }

  return {
    getToken,
    peek,
    accepted(token, origin) {
      if (refusals.size > 0 && token.accessToken === lease?.token.accessToken) refusals.accepted(origin);
    },
    // Some runtimes do not have the symbol yet.
    [Symbol.asyncDispose ?? (Symbol.for("Symbol.asyncDispose") as typeof Symbol.asyncDispose)]: dispose,
  };
}

function expiredOnArrival(lifetimeMs: number): IamError {
  return new TokenEndpointError(
    "ERR_IAM_TOKEN_RESPONSE_INVALID",
    `The token endpoint gave a token that lives ${lifetimeMs / 1000} s and had expired when it arrived.`,
    { status: 200, retryable: true },
  );
}

/** The failure that everybody gets until the token endpoint is asked again. */
function rememberedError(remembered: CoolDown | undefined, at: Instant): IamError {
  const { error, until } = remembered as CoolDown;
  const retryAfterMs = Math.ceil(until - at.monotonic);
  const message = `${error.message} Remembered; asked again in ${retryAfterMs / 1000} s.`;
  return new TokenEndpointError(error.code, message, { ...error, retryAfterMs });
}

function disposedError(): IamError {
  return configError("This token manager has been disposed of. Make a new one.");
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
