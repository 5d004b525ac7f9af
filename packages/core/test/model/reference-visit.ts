/** What an exchange of the reference does at the store: looks, the lock, waits for others, and what it leaves behind. */

import { type Lying, type SharedFailure, stillThere } from "./other-processes.ts";
import type { Life, Moment, ReferenceClock } from "./reference-clock.ts";
import {
  type DatedToken,
  type Exchange,
  type Failure,
  type Found,
  type Held,
  rules,
  unreachable,
} from "./reference-exchange.ts";
import type { LockAnswer, ReferenceStore } from "./reference-store.ts";

/** What becomes of the exchange afterwards, and what the manager knows. */
interface Manager {
  readonly draw: number;
  /** The last tokens that were refused. */
  readonly refused: readonly string[];
  make(exchange: Exchange): void;
  hold(exchange: Exchange, token: string, life: Life): void;
  end(exchange: Exchange, failure: Failure): void;
}

export class ReferenceVisit {
  private putOff: string | undefined;
  private readonly clock: ReferenceClock;
  private readonly store: ReferenceStore;
  private readonly manager: Manager;

  constructor(clock: ReferenceClock, store: ReferenceStore, manager: Manager) {
    this.clock = clock;
    this.store = store;
    this.manager = manager;
  }

  /** A look, the lock, another look: then the exchange goes its way, as it does at once when any of these fails. */
  begin(exchange: Exchange) {
    exchange.ends = undefined;
    if (this.clock.now.monotonic < this.store.restsUntil) return this.goAlone(exchange);
    this.lookFirst(exchange);
  }

  private lookFirst(exchange: Exchange) {
    exchange.phase = "store";
    const alone = () => this.goAlone(exchange);
    this.look(
      exchange,
      (found) => {
        const taken = this.take(exchange, found);
        if (taken) return this.manager.hold(exchange, taken.token, taken);
        const verdict = this.heed(exchange, found);
        if (verdict.told) return this.manager.end(exchange, verdict.told);
        if (verdict.pauseMs > 0) {
          exchange.storeMs = rules.storeMs;
          return this.watch(exchange, verdict.pauseMs + 50 * this.manager.draw);
        }
        this.renewIfServed(exchange);
        this.store.ask(
          exchange,
          "lock",
          exchange.storeMs,
          this.store.takesLock(exchange),
          (worked, given) => {
            if (!worked) return alone();
            const { holder, lock } = given as LockAnswer;
            exchange.lock = lock;
            if (holder === undefined) this.lookAgain(exchange);
            else this.leaveItToOthers(exchange, holder, found);
          },
        );
      },
      alone,
    );
  }

  /** With the lock: somebody may have written between the look and the lock. */
  private lookAgain(exchange: Exchange) {
    exchange.locked = true;
    this.renewIfServed(exchange);
    this.look(
      exchange,
      (found) => {
        const taken = this.take(exchange, found);
        if (taken) return this.letGo(exchange, () => this.manager.hold(exchange, taken.token, taken));
        const { told, pauseMs } = this.heed(exchange, found);
        if (told) return this.letGo(exchange, () => this.manager.end(exchange, told));
        if (pauseMs > 0) return this.letGo(exchange, () => this.pollOnceMore(exchange));
        exchange.keeps = found;
        this.manager.make(exchange);
      },
      () => this.letGo(exchange, () => this.goAlone(exchange)),
    );
  }

  pollOnceMore(exchange: Exchange) {
    exchange.polls++;
    this.lookFirst(exchange);
  }

  private watch(exchange: Exchange, ms: number) {
    exchange.phase = "watching";
    exchange.due = this.clock.in(ms);
  }

  /** A refresh has all the patience for each call: nobody waits for it. */
  private renewIfServed(exchange: Exchange) {
    if (this.servedMeanwhile(exchange) > 0) exchange.storeMs = rules.storeMs;
  }

  /** Others have the lock. A refresh leaves it to them; who has no token waits, as long as that is likely to help. */
  private leaveItToOthers(exchange: Exchange, holder: string, found: Found) {
    const { held } = exchange;
    const leftMs = this.servedMeanwhile(exchange);
    if (held !== undefined && leftMs > 0)
      return this.stay(exchange, held, Math.min(500 + 500 * this.manager.draw, leftMs / 4));
    const { monotonic } = this.clock.now;
    const waitedMs = monotonic - exchange.start.monotonic;
    const inVain = exchange.letGo && found.failure === undefined;
    if (holder !== exchange.owner) {
      // The first one may have had it for long.
      if (exchange.owners >= 2 && monotonic - exchange.ownerSince < rules.lockMs - 500) exchange.letGo = true;
      exchange.owners++;
      exchange.owner = holder;
      exchange.ownerSince = monotonic;
    }
    const lead = () => {
      exchange.keeps = found;
      this.manager.make(exchange);
    };
    if (waitedMs >= rules.waitMs && inVain) return lead();
    if (waitedMs >= rules.exchangeMs) return this.manager.end(exchange, unreachable);
    const works = exchange.owners >= 2 && monotonic - exchange.ownerSince <= 2 * rules.lockMs;
    if (waitedMs >= rules.waitMs && !works) return lead();
    exchange.storeMs = rules.storeMs;
    this.watch(exchange, Math.min(50 * 1.3 ** exchange.polls, 250) * (0.5 + 0.5 * this.manager.draw));
  }

  private look(exchange: Exchange, then: (found: Found) => void, otherwise: () => void) {
    const from = this.clock.now;
    const { secret = "" } = exchange;
    this.store.ask(
      exchange,
      "get",
      exchange.storeMs,
      () => {
        const { token, failure } = this.store.shelf(secret);
        const now = this.store.now();
        return { token: stillThere(token, now), failure: stillThere(failure, now), at: now };
      },
      (worked, given) => {
        if (!worked) return otherwise();
        const { token, failure, at } = given as {
          token: Found["token"];
          failure: Found["failure"];
          at: number;
        };
        then({ token, life: this.lifeFrom(token, at, from), failure, failureLeftMs: leftOf(failure, at) });
      },
    );
  }

  /** It cannot have been read before the look began. */
  private lifeFrom(token: Found["token"], at: number, from: Moment): Life | undefined {
    if (token === undefined || token === "what does not open") return undefined;
    const { lifetimeMs, draw } = token.value;
    const agedMs = lifetimeMs - Math.min(lifetimeMs, token.endsAt - at);
    const usableMs = lifetimeMs - Math.min(10_000, lifetimeMs / 10);
    return {
      start: { wall: from.wall - agedMs, monotonic: from.monotonic - agedMs },
      lifetimeMs,
      usableMs,
      refreshMs: usableMs * (0.7 + 0.15 * (draw + (0.05 * this.manager.draw) / 0.15)),
      shared: true,
    };
  }

  /** What was found, when it is usable, better than what is held, and not what a server refused. */
  private take({ held, reason }: Exchange, { token, life }: Found): Held | undefined {
    if (token === undefined || token === "what does not open" || life === undefined) return undefined;
    if (this.clock.age(life) >= life.usableMs) return undefined;
    // Younger by the store than by itself: no replacement of one that was refused.
    if (reason === "rejected" && life.start.wall - token.value.issuedAt > rules.pastMs) return undefined;
    const name = token.value.token;
    const left = (each: Life) => each.lifetimeMs - this.clock.age(each);
    const better = held === undefined || /absent|rejected/.test(reason) || left(life) > left(held);
    return better && name !== held?.token && !this.manager.refused.includes(name)
      ? { ...life, token: name }
      : undefined;
  }

  /** Somebody else has just failed: a short pause is waited for, a long one ends the exchange as it ended theirs. */
  private heed(exchange: Exchange, { failure, failureLeftMs }: Found): { pauseMs: number; told?: Failure } {
    if (failure === undefined) return { pauseMs: 0 };
    exchange.maxAttempts = 1;
    if (failureLeftMs <= 0) return { pauseMs: 0 };
    const { code, status, retryable } = failure.value;
    const waitedMs = this.clock.now.monotonic - exchange.start.monotonic;
    const isShort = failureLeftMs <= rules.bridgeMs && waitedMs + failureLeftMs <= rules.waitMs;
    if (retryable && isShort && exchange.reason !== "expiring") return { pauseMs: failureLeftMs };
    const { held } = exchange;
    if (held !== undefined && held.usableMs - this.clock.age(held) > 0)
      return { pauseMs: 0, told: { code, status, retryable } };
    exchange.pauseMs = failureLeftMs;
    return { pauseMs: 0, told: { code, status, retryable, retryAfterMs: Math.ceil(failureLeftMs) } };
  }

  /** The store does not work. A refresh, which nobody waits for, is put off once. */
  private goAlone(exchange: Exchange) {
    const { held } = exchange;
    const leftMs = this.servedMeanwhile(exchange);
    if (held === undefined || this.putOff === held.token || leftMs <= 0) return this.manager.make(exchange);
    this.putOff = held.token;
    this.stay(exchange, held, leftMs * (0.25 + 0.5 * this.manager.draw));
  }

  /** The held token once more, to be refreshed so much later. */
  private stay(exchange: Exchange, held: Held, laterMs: number) {
    this.manager.hold(exchange, held.token, {
      ...held,
      refreshMs: this.clock.age(held) + laterMs,
      shared: true,
    });
  }

  /** How long the token that everybody gets while a refresh runs beside can still be had. */
  private servedMeanwhile({ held, reason }: Exchange): number {
    return reason !== "expiring" || held === undefined ? 0 : held.usableMs - this.clock.age(held);
  }

  /** Writes a token: over nothing, and over what was seen. */
  writes({ keeps, secret = "" }: Exchange, entry: DatedToken, ttlMs: number): () => void {
    return () => {
      const shelf = this.store.shelf(secret);
      const there = stillThere(shelf.token, this.store.now());
      if (this.store.keeps && (there === undefined || there === keeps?.token))
        shelf.token = { value: entry, endsAt: this.store.now() + ttlMs };
    };
  }

  /** The failure that was seen is over. */
  takesBack({ keeps, secret = "" }: Exchange): () => void {
    return () => {
      if (keeps?.failure === undefined) return;
      this.store.failures = 0;
      const shelf = this.store.shelf(secret);
      if (shelf.failure === keeps.failure) shelf.failure = undefined;
    };
  }

  /** What is written for the others: how long nobody should ask, which they remember a little longer. */
  tells({ keeps, secret = "" }: Exchange, failure: Failure): () => void {
    const { code, status, retryable, retryAfterMs = 0 } = failure;
    const failures = (keeps?.failure?.value.failures ?? 0) + 1;
    let ms = failures < 3 ? failures * 1000 : 3500 + 1500 * this.manager.draw;
    if (!retryable) ms = 30_000;
    // That may be the fault of the network here.
    const isSilent = status === undefined || code === "ERR_IAM_TOKEN_RESPONSE_INVALID";
    const pauseMs = Math.min(Math.max(ms, retryAfterMs), isSilent ? 1000 : 30_000);
    const keptMs = Math.min(pauseMs + 15_000, 30_000);
    const value = { code, status, retryable, pauseMs, keptMs, failures };
    return () => {
      if (this.store.keeps)
        this.store.shelf(secret).failure = { value, endsAt: this.store.now() + Math.floor(keptMs) };
    };
  }

  /** Has the store keep what came of it; `beside` is done at once, whatever becomes of that. */
  keep(exchange: Exchange, writes: (() => void) | undefined, beside: () => void, then: () => void) {
    exchange.due = undefined;
    exchange.ends = undefined;
    exchange.phase = "keeping";
    if (!exchange.keeps || !writes) return this.letGo(exchange, then);
    const patience = this.store.beginPatience(exchange, () => this.letGo(exchange, then));
    const writing: Exchange["writing"] = {};
    exchange.writing = writing;
    let isDone = false;
    const doBeside = () => {
      if (!isDone) beside();
      isDone = true;
    };
    this.store.ask(exchange, "set", rules.storeMs, writes, () => {
      doBeside();
      exchange.writing = undefined;
      this.store.endPatience(patience);
      writing.release?.();
    });
    doBeside();
  }

  private letGo(exchange: Exchange, then: () => void) {
    if (!exchange.locked) return then();
    exchange.locked = false;
    const patience = this.store.beginPatience(exchange, then);
    const effect = this.store.freesLock(exchange.secret, exchange.lock);
    const release = () =>
      this.store.ask(exchange, "release", rules.storeMs, effect, () => this.store.endPatience(patience));
    if (exchange.writing) exchange.writing.release = release;
    else release();
  }
}

/** How much is left of the pause that somebody's failure asks for; what is missing from its time in the store has passed. */
function leftOf(failure: Lying<SharedFailure> | undefined, now: number): number {
  if (failure === undefined) return 0;
  const { pauseMs, keptMs } = failure.value;
  return pauseMs - (keptMs - Math.min(failure.endsAt - now, keptMs));
}
