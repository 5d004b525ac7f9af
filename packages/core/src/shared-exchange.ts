import { within } from "./deadline.ts";
import { configError, type IamError, TokenEndpointError, threw } from "./errors.ts";
import { lateSecret, readSecret } from "./exchange.ts";
import type { Exchange, Exchanged, ExchangeRun, Lease, SharingContext } from "./exchange-run.ts";
import { ageMs, freshness, type Lifetime, remainingMs } from "./expiry.ts";
import { coolDownMs } from "./retry.ts";
import { createSeal } from "./seal.ts";
import { conceal } from "./secret.ts";
import { instantOf, issueTime, lifetimeWithDraw, type SharedRefusal } from "./shared-entry.ts";
import { type Found, lockMs, type Shared, type StoreVisit, visitStore } from "./store-visit.ts";
import { unreachable } from "./transport.ts";

/** How much younger the store may call a token than its own seal does, which is told by clocks of several machines. */
const pastToleranceMs = 300_000;

/** One exchange on its way: by way of the store, or past it. */
interface Errand {
  readonly run: ExchangeRun;
  readonly held: Lease | undefined;
  readonly startedAt: number;
}

const longestRefusalMs = 30_000;
/** How long it is remembered, past its pause, that exchanges have been failing. */
const aftermathMs = 15_000;
/** The longest pause after somebody's failure that a caller waits for. */
const longestBridgeMs = 2_000;
const firstPollMs = 50;
const longestPollMs = 250;
/** The last few tokens that servers refused: a store that answers with the past must not bring them back. */
const rejectedKept = 4;

/**
 * Puts a store before the exchanges of one manager.
 *
 * A token in the store is taken when it serves the purpose; else whoever gets the lock looks again, asks the token endpoint
 * and writes what came of it. The others wait, or stay with the token they have. Nothing depends on the lock: it only spares
 * token requests.
 */
export function createSharedExchange(exchange: Exchange, context: SharingContext, shared: Shared): Exchange {
  const { grant, tokenEndpoint, clock, random, deadlineMs } = context;
  const { guard, pepper, waitMs } = shared;
  let rejected: readonly string[] = [];
  /** The token whose refresh was put off once because the store had failed. */
  let putOff: string | undefined;

  return async (run, held) => {
    if (run.rejected !== undefined) {
      const others = rejected.filter((token) => token !== run.rejected);
      rejected = [run.rejected, ...others].slice(0, rejectedKept);
    }
    const errand = { run, held, startedAt: clock.monotonicNow() };
    const secret = await within(run, deadlineMs, keySecret(run));
    if (secret === undefined) throw lateSecret(grant, deadlineMs);
    if (guard.isResting(clock)) return withoutStore(errand);
    const seal = await createSeal({ secret, pepper, fields: [tokenEndpoint, grant.kind, ...identity()] });
    return throughStore(errand, await visitStore(run, seal, shared, context));
  };

  /** In the order of the names, whatever order the grant has them in; a field without a value is none. */
  function identity(): string[] {
    let fields: [string, unknown][];
    try {
      fields = Object.entries(grant.identity()).filter(([, value]) => value !== undefined);
    } catch (error) {
      throw threw(`The identity of the grant ${grant.kind}`, error);
    }
    return fields
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([name, value]) => {
        if (typeof value === "string") return [name, value];
        throw configError(
          `The identity of the grant ${grant.kind} may hold texts only, to be shared: see ${name}.`,
        );
      });
  }

  /** What of the secret the store goes by. */
  async function keySecret(run: ExchangeRun): Promise<string> {
    if (!grant.secret || grant.sharing === "identity") return "";
    return readSecret(grant, run).catch((error: unknown) => {
      throw threw(`The grant ${grant.kind}, or a function of it,`, error);
    });
  }

  async function throughStore(errand: Errand, visit: StoreVisit): Promise<Exchanged> {
    const { startedAt } = errand;
    // A wait as long as the deadline would leave no time to ask.
    const longestWaitMs = waitMs < deadlineMs ? waitMs : deadlineMs / 2;
    let owner: string | undefined;
    let ownerSince = startedAt;
    let owners = 0;
    let letGo = false;
    for (let poll = 0; ; poll++) {
      const found = await visit.look();
      if (found === undefined) return withoutStore(errand);
      const taken = take(errand, found);
      if (taken) return taken;
      const pauseMs = heed(errand, found);
      if (pauseMs > 0) {
        visit.renewPatience();
        // Nobody asks meanwhile, so there is nothing to look for before it ends.
        await visit.untilChanged(pauseMs + firstPollMs * random());
        continue;
      }
      if (servedMeanwhile(errand)) visit.renewPatience();
      const turn = await visit.takeTurn();
      if (turn === undefined) return withoutStore(errand);
      if (turn.state === "unlocked") return lead(errand, visit, found);
      if (turn.state === "acquired") {
        const led = await leadWithLock(errand, visit, turn.release);
        if (led !== undefined) return led;
        continue;
      }
      const served = servedMeanwhile(errand);
      if (served) return stay(served, Math.min(500 + 500 * random(), usableMs(served) / 4));

      const nowMs = clock.monotonicNow();
      const waitedMs = nowMs - startedAt;
      // Somebody was done with it, and left neither token nor failure: what is written gets lost, or cannot be shared.
      const inVain = letGo && found.refusal === undefined;
      if (turn.owner !== owner) {
        // When the first one began nobody here has seen.
        if (owners++ >= 2 && nowMs - ownerSince < lockMs - 2 * longestPollMs) letGo = true;
        owner = turn.owner;
        ownerSince = nowMs;
      }
      if (waitedMs >= longestWaitMs && inVain) return lead(errand, visit, found);
      if (waitedMs >= deadlineMs) throw othersHaveNoAnswer(tokenEndpoint, deadlineMs);
      // A lock that changes hands works, and the token endpoint does not: one request more from everybody would not help it.
      const changesHands = owner !== undefined && owners >= 2 && nowMs - ownerSince <= 2 * lockMs;
      if (waitedMs >= longestWaitMs && !changesHands) return lead(errand, visit, found);
      visit.renewPatience();
      await visit.untilChanged(Math.min(firstPollMs * 1.3 ** poll, longestPollMs) * (0.5 + 0.5 * random()));
    }
  }

  /** What was found, if it serves the purpose. */
  function take({ run, held }: Errand, { token }: Found): Exchanged | undefined {
    if (token === undefined || freshness(token.life, clock) === "expired") return undefined;
    const { said, life } = token;
    // A replacement is young. Else a store that brings back one old token after the other keeps the origin on hold for hours.
    if (run.rejected !== undefined && life.start.wall - said.issuedAt > pastToleranceMs) return undefined;
    const newer =
      held === undefined ||
      /absent|rejected/.test(run.reason) ||
      remainingMs(life, clock) > remainingMs(held, clock);
    return newer && said.accessToken !== held?.token.accessToken && !rejected.includes(said.accessToken)
      ? conceal(
          { scope: said.scope, lifetimeMs: said.lifetimeMs, life },
          // Refresh tokens are not shared; one that is held is still this process's own.
          { accessToken: said.accessToken, refreshToken: held?.token.refreshToken },
        )
      : undefined;
  }

  /**
   * How long to wait because somebody's exchange has just failed: a caller without a token waits for a short pause to end, as
   * between attempts of its own. Throws what the other was told when the pause is long, or there is nothing to wait for.
   */
  function heed({ run, held, startedAt }: Errand, { refusal }: Found): number {
    if (refusal === undefined) return 0;
    // Others have just tried: one attempt is enough to see whether it works again.
    run.maxAttempts = 1;
    const { said, leftMs } = refusal;
    if (leftMs <= 0) return 0;
    const waitedMs = clock.monotonicNow() - startedAt;
    const isShort = said.error.retryable && leftMs <= longestBridgeMs && waitedMs + leftMs <= waitMs;
    if (isShort && run.reason !== "expiring") return leftMs;
    const message = `${said.error.message} Another process was told so.`;
    // With a token in hand the manager looks again in its own time: it must not be held back when the token has expired.
    if (held !== undefined && usableMs(held) > 0)
      throw new TokenEndpointError(said.error.code, message, said.error);
    run.pauseMs = leftMs;
    throw new TokenEndpointError(said.error.code, message, {
      ...said.error,
      retryAfterMs: Math.ceil(leftMs),
    });
  }

  /** Undefined: look again. */
  async function leadWithLock(
    errand: Errand,
    visit: StoreVisit,
    release: () => Promise<void>,
  ): Promise<Exchanged | undefined> {
    try {
      if (servedMeanwhile(errand)) visit.renewPatience();
      // Somebody may have led and written between our look and our turn.
      const found = await visit.look();
      if (found !== undefined) {
        const taken = take(errand, found);
        if (taken) return taken;
        return heed(errand, found) > 0 ? undefined : await lead(errand, visit, found);
      }
    } finally {
      await visit.patiently(release());
    }
    return withoutStore(errand);
  }

  /** Makes the exchange, and tells the others what came of it. */
  async function lead(errand: Errand, visit: StoreVisit, { refusal }: Found): Promise<Exchanged> {
    requireTime(errand);
    let made: Made;
    try {
      made = await make(errand);
    } catch (error) {
      const told = refusalFor(errand.run, error, (refusal?.said.failures ?? 0) + 1);
      if (told) await visit.patiently(visit.keepRefusal(told));
      throw error;
    }
    const { answer, issuedAt, draw } = made;
    const { accessToken, scope, lifetimeMs, life } = answer;
    // A server may give the same token again: what is held of it is not younger for that, nor what was rejected better.
    const known = errand.held?.token.accessToken === accessToken ? errand.held : life;
    const ttlMs = Math.min(remainingMs(known, clock), remainingMs(life, clock));
    if (lifetimeMs !== undefined && !rejected.includes(accessToken))
      await visit.patiently(visit.keepToken({ accessToken, scope, lifetimeMs, issuedAt, draw }, ttlMs));
    return answer;
  }

  /** Timers may be late: past its deadline another may have begun, and nobody is told of this one, for nobody was asked. */
  function requireTime({ startedAt }: Errand): void {
    if (clock.monotonicNow() - startedAt >= deadlineMs)
      throw unreachable(tokenEndpoint, undefined, "too late");
  }

  /** The exchange itself. What the wait for others took is off its deadline. */
  async function make({ run, held, startedAt }: Errand): Promise<Made> {
    const from = instantOf(clock);
    const waitedMs = Math.round(from.monotonic - startedAt);
    if (waitedMs > 0) run.deadlineMs = Math.max(deadlineMs - waitedMs, 1);
    const parsed = await exchange(run, held);
    const draw = random();
    const life = lifetimeWithDraw(from, parsed.lifetimeMs ?? Infinity, draw, random);
    const { accessToken, refreshToken, scope, lifetimeMs } = parsed;
    return {
      answer: conceal({ scope, lifetimeMs, life }, { accessToken, refreshToken }),
      issuedAt: issueTime(accessToken, from.wall),
      draw,
    };
  }

  /** What others are told of a failure; undefined when it is this process's own affair. */
  function refusalFor(run: ExchangeRun, error: unknown, failures: number): SharedRefusal | undefined {
    const failure = error as TokenEndpointError;
    const refused = failure.code === "ERR_IAM_TOKEN_ENDPOINT_REFUSED";
    const silent =
      failure.code === "ERR_IAM_TOKEN_RESPONSE_INVALID" ||
      (failure.code === "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE" && failure.status === undefined);
    if (!refused && !silent && failure.code !== "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE") return undefined;
    // Those who share an identity have secrets of their own.
    if (run.lacksSecret || (refused && grant.sharing === "identity")) return undefined;
    // No answer may be the fault of this machine's network: the next one should not have to wait long to try.
    const longestMs = silent ? 1_000 : longestRefusalMs;
    const pauseMs = Math.min(coolDownMs(failure, failures, undefined, random), longestMs);
    return { error: failure, pauseMs, keptMs: Math.min(pauseMs + aftermathMs, longestRefusalMs), failures };
  }

  /** The store does not work. Nobody waits for a refresh, so it is put off once, and a fleet does not ask all at once. */
  async function withoutStore(errand: Errand): Promise<Exchanged> {
    const served = servedMeanwhile(errand);
    if (served && putOff !== served.token.accessToken) {
      putOff = served.token.accessToken;
      return stay(served, usableMs(served) * (0.25 + 0.5 * random()));
    }
    requireTime(errand);
    return (await make(errand)).answer;
  }

  /** The token that everybody gets while this exchange runs beside: nobody waits for it. */
  function servedMeanwhile({ run, held }: Errand): Lease | undefined {
    return run.reason === "expiring" && held !== undefined && usableMs(held) > 0 ? held : undefined;
  }

  function usableMs(held: Lease): number {
    return held.usableMs - ageMs(held.start, clock);
  }

  /** The held token once more, to be refreshed so much later. */
  function stay({ token, ...life }: Lease, laterMs: number): Exchanged {
    const { accessToken, refreshToken, scope } = token;
    const lifetimeMs = life.lifetimeMs === Infinity ? undefined : life.lifetimeMs;
    const later = { ...life, refreshMs: ageMs(life.start, clock) + laterMs, shared: true };
    return conceal({ scope, lifetimeMs, life: later }, { accessToken, refreshToken });
  }
}

/** What an exchange of our own gave, and what the others need to know of it. */
interface Made {
  readonly answer: Exchanged & { readonly life: Lifetime };
  readonly issuedAt: number;
  readonly draw: number;
}

function othersHaveNoAnswer(tokenEndpoint: string, waitedMs: number): IamError {
  return new TokenEndpointError(
    "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE",
    `Other processes have been asking the token endpoint ${tokenEndpoint} for ${waitedMs / 1000} s without an answer. Check network, DNS, proxy and TLS.`,
    { retryable: true },
  );
}
