/**
 * What a token manager should do, told once more and without it: no promises, no timers, no line of `src`. It is given
 * what happens (a call, an answer, time) and says what everybody must have seen by then.
 */

import type { StoreMood, StoreOperation } from "./faulty-store.ts";
import { type Due, type Life, type Moment, none, ReferenceClock } from "./reference-clock.ts";
import {
  type DatedToken,
  type Exchange,
  type Failure,
  type Held,
  noSecret,
  rules,
  unreachable,
} from "./reference-exchange.ts";
import { ReferenceStore } from "./reference-store.ts";
import { ReferenceVisit } from "./reference-visit.ts";

/** What the token endpoint said to one request. */
export type Answer =
  | { readonly kind: "token"; readonly token: string; readonly lifetimeMs: number }
  | { readonly kind: "failure"; readonly failure: Failure };

/** How a caller fared. */
export type Outcome = string;

interface CoolDown {
  readonly failure: Failure;
  readonly until: number;
  readonly secret: string | undefined;
  checkedAt: number;
}

/** A caller, or several that came in the same instant and want the same. */
export interface Caller {
  /** Their numbers. */
  ids: number[];
  readonly context: number;
  readonly minValidityMs: number;
  /** A request that is sent with the token. */
  readonly request?: { readonly origin: string; readonly replayable: boolean; readonly sent: string[] };
}

interface Waiting {
  readonly caller: Caller;
  readonly wake: Due;
  /** What it waits for: an exchange, or the look at a secret. */
  readonly on: Exchange | { readonly cool: CoolDown; readonly failure: Outcome };
  readonly beats: number;
  /** The exchange began before a rejection: its answer is none to this caller. */
  readonly stale: boolean;
  readonly held: Held | undefined;
  /** The request that it belongs to has ended, and its timer with it. */
  asleep: boolean;
}

interface Refusal {
  replacement: number;
  level: number;
  until: number;
  forgivenAt: number;
}

const disposedOutcome = "failed ERR_IAM_CONFIG";

export class Reference {
  /** The secret when it can be had at once; otherwise `secretRead` says when it is there. */
  secret: string | undefined;
  /** The next number in [0, 1) that chance gives. */
  draw = 0.5;
  readonly outcomes: Map<number, Outcome> = new Map();
  readonly events: string[] = [];
  /** When token requests were sent, and with which secret. */
  readonly requests: { readonly at: number; readonly secret: string; readonly exchange: Exchange }[] = [];
  /** Who asked for the secret, in order. */
  readonly reads: (Exchange | Waiting)[] = [];
  /** Who sent a request, once for each time. */
  readonly sends: Caller[] = [];
  waiting: Waiting[] = [];
  exchanges: Exchange[] = [];
  exchange: Exchange | undefined;
  held: Held | undefined;
  cool: CoolDown | undefined;
  disposed = false;
  /** The last tokens that were refused. */
  refused: string[] = [];
  private suspect: Held | undefined;
  private looked = 0;
  private failures = 0;
  private count = 0;
  private generation = 0;
  private barrier = 0;
  private forcedAt = none;
  private replacing = false;
  private readonly refusals = new Map<string, Refusal>();
  readonly store: ReferenceStore;
  private readonly visit: ReferenceVisit;
  private readonly clock: ReferenceClock;
  private readonly maxRequestsPerMinute: number;

  constructor(now: Moment, maxRequestsPerMinute: number) {
    this.clock = new ReferenceClock(now);
    this.store = new ReferenceStore(this.clock, this.events);
    this.visit = new ReferenceVisit(this.clock, this.store, this);
    this.maxRequestsPerMinute = maxRequestsPerMinute;
  }

  get now(): Moment {
    return this.clock.now;
  }

  set now(moment: Moment) {
    this.clock.now = moment;
  }

  // What can be asked.

  /** The held token, when it may be served. */
  usable(): Held | undefined {
    return this.held && this.clock.age(this.held) < this.held.usableMs ? this.held : undefined;
  }

  peek(): string | undefined {
    const held = this.usable();
    return held && this.clock.age(held) < held.refreshMs ? held.token : undefined;
  }

  /** The exchange that callers may wait for. */
  live(): Exchange | undefined {
    const age = this.exchange && this.now.monotonic - this.exchange.start.monotonic;
    return age !== undefined && age <= rules.exchangeMs + rules.joinMs ? this.exchange : undefined;
  }

  cooling(): boolean {
    return this.cool !== undefined && this.now.monotonic < this.cool.until;
  }

  /** The next instant at which something happens by itself; monotonic. */
  nextAt(): number | undefined {
    return this.next()?.at;
  }

  /** How long until the held token is at an age of interest, or the cool-down ends. */
  instants(): number[] {
    const { held, cool, now } = this;
    const from =
      held === undefined ? [] : [held.refreshMs - this.clock.age(held), held.usableMs - this.clock.age(held)];
    const cooled = cool === undefined ? [] : [cool.until - now.monotonic];
    const next = this.nextAt();
    return [...from, ...cooled, ...(next === undefined ? [] : [next - now.monotonic])].filter(
      (ms) => ms >= 0 && ms < 1e10,
    );
  }

  // What happens.

  call(caller: Caller, rejected?: { token: string; origin: string | undefined }, aborted = false) {
    if (rejected) this.reject(rejected.token, rejected.origin);
    if (aborted) this.finish(caller, "aborted");
    else this.proceed(caller);
  }

  abort(id: number) {
    const waiting = this.waiting.find(({ caller }) => caller.ids.includes(id));
    if (waiting === undefined) return;
    const { caller } = waiting;
    caller.ids = caller.ids.filter((each) => each !== id);
    this.outcomes.set(id, "aborted");
    if (caller.ids.length === 0) this.waiting.splice(this.waiting.indexOf(waiting), 1);
  }

  accepted(token: string, origin: string) {
    const refusal = this.refusals.get(origin);
    if (refusal === undefined || token !== this.held?.token) return;
    if (this.now.monotonic - refusal.forgivenAt < rules.forgivenMs) return;
    this.refusals.set(origin, { ...clean, forgivenAt: this.now.monotonic });
  }

  /** A secret that was not to be had at once is there, or cannot be had. */
  secretRead(index: number, secret: string | undefined) {
    this.read(index, secret);
    this.readAtOnce();
  }

  private read(index: number, secret: string | undefined) {
    const reader = this.reads[index];
    if (reader === undefined) throw new Error("the reference expected no such look at the secret");
    if ("number" in reader) {
      if (!this.exchanges.includes(reader) || reader.dead || reader.phase !== "secret") return;
      reader.secret = secret;
      if (secret === undefined) this.end(reader, { code: "ERR_IAM_CONFIG", retryable: true });
      else if (this.store.moods) this.visit.begin(reader);
      else this.attempt(reader);
    } else if (this.waiting.includes(reader) && !("number" in reader.on)) {
      this.waiting.splice(this.waiting.indexOf(reader), 1);
      const { cool, failure } = reader.on;
      if (secret === undefined || secret === cool.secret) return this.finish(reader.caller, failure);
      if (this.cool === cool) this.cool = undefined;
      this.proceed(reader.caller);
    }
  }

  /** The token endpoint answers a request. */
  answered(index: number, answer: Answer) {
    const exchange = this.requests[index]?.exchange;
    if (exchange === undefined || !this.awaits(index)) return;
    if (answer.kind === "token") this.arrive(exchange, answer.token, answer.lifetimeMs);
    // A 200 has answered the request; what is wrong with it is nothing that another attempt of this exchange cures.
    else if (answer.failure.code === "ERR_IAM_TOKEN_RESPONSE_INVALID") this.fail(exchange, answer.failure);
    else this.retry(exchange, answer.failure);
    this.readAtOnce();
  }

  /** Whether somebody still waits for the answer to a request. */
  awaits(index: number): boolean {
    const exchange = this.requests[index]?.exchange;
    return (
      exchange !== undefined &&
      !exchange.dead &&
      exchange.phase === "asking" &&
      this.exchanges.includes(exchange) &&
      this.requests.slice(index + 1).every((later) => later.exchange !== exchange)
    );
  }

  /** A resource answers a request that was sent with a token. */
  resourceAnswered(id: number, status: number) {
    const caller = this.sends.find(({ ids }) => ids.includes(id));
    const { request } = caller ?? {};
    const [first, second] = request?.sent ?? [];
    if (caller === undefined || request === undefined || first === undefined) return;
    if (status !== 401) this.accepted(second ?? first, request.origin);
    else if (second === undefined) {
      if (request.replayable) return this.call(caller, { token: first, origin: request.origin });
      this.call(
        { ids: [], context: caller.context, minValidityMs: 0 },
        { token: first, origin: request.origin },
      );
    }
    this.settle(caller, `answered ${status}`);
  }

  /** The store answers a call that it had not answered at once. */
  storeAnswered(number: number, operation: StoreOperation, mood: StoreMood) {
    this.store.answered(number, operation, mood);
    this.readAtOnce();
  }

  /** The incoming request that code ran in has ended, and with it the timers and fetches that it has. */
  kill(context: number) {
    for (const exchange of this.exchanges) if (exchange.context === context) exchange.dead = true;
    for (const waiting of this.waiting) if (waiting.caller.context === context) waiting.asleep = true;
    for (const each of [...this.store.pending, ...this.store.patiences])
      if (each.exchange.context === context) each.dead = true;
  }

  /** Whose timers may be set now: nobody's, only such that let a process end, or some that hold it. */
  timers(): "none" | "background" | "foreground" {
    // A call of the store may outlast its exchange.
    const calling = [...this.store.pending, ...this.store.patiences].filter(({ dead }) => !dead);
    const exchanges = [
      ...this.exchanges.filter(({ dead }) => !dead),
      ...calling.map(({ exchange }) => exchange),
    ];
    const waits = this.waiting.some(({ asleep }) => !asleep);
    if (waits || exchanges.some(({ reason }) => reason !== "expiring")) return "foreground";
    return exchanges.length > 0 ? "background" : "none";
  }

  dispose() {
    this.disposed = true;
    this.held = undefined;
    this.suspect = undefined;
    for (const { caller } of this.waiting.splice(0)) this.finish(caller, disposedOutcome);
    const { exchange } = this;
    if (exchange === undefined) return;
    for (const call of [...this.store.pending]) if (call.exchange === exchange) this.store.giveUp(call);
    const { writing } = exchange;
    exchange.writing = undefined;
    const patience = this.store.patiences.find((each) => each.exchange === exchange);
    if (patience) {
      this.store.endPatience(patience);
      return writing?.release?.();
    }
    this.fail(exchange, { code: "ERR_IAM_CONFIG", retryable: false });
  }

  /** Lets everything happen that is due by a moment, each at its own instant or, when that has passed, now. */
  advanceTo(moment: Moment) {
    for (let next = this.next(); next && next.at <= moment.monotonic; next = this.next()) {
      this.clock.pass(Math.max(0, next.at - this.now.monotonic));
      next.happen();
      this.readAtOnce();
    }
    this.clock.now = moment;
  }

  // Callers.

  private finish(caller: Caller, outcome: Outcome) {
    const { request } = caller;
    const token = /^token (.*)$/.exec(outcome)?.[1];
    if (request === undefined) return this.settle(caller, outcome);
    if (request.sent.length === 0) {
      if (token === undefined) return this.settle(caller, outcome);
    } else if (outcome === "aborted") return this.settle(caller, outcome);
    // None other can be had: the 401 of the resource is the answer.
    else if (token === undefined || token === request.sent[0]) return this.settle(caller, "answered 401");
    request.sent.push(token);
    this.sends.push(caller);
  }

  private settle(caller: Caller, outcome: Outcome) {
    for (const id of caller.ids) this.outcomes.set(id, outcome);
  }

  private proceed(caller: Caller) {
    if (this.disposed) return this.finish(caller, disposedOutcome);
    const held = this.usable();
    const { minValidityMs } = caller;
    if (held && this.satisfies(held, minValidityMs)) {
      const due = this.clock.age(held) >= held.refreshMs && !this.live() && !this.cooling();
      if (due) this.begin("expiring", caller.context);
      return this.finish(caller, `token ${held.token}`);
    }
    if (held && (held.lifetimeMs <= minValidityMs || held.refreshMs >= held.usableMs))
      return this.finish(caller, "failed ERR_IAM_CONFIG");
    const live = this.live();
    if (live) this.wait(caller, live);
    else if (this.cooling() && this.cool) this.failFast(caller, this.cool);
    else this.wait(caller, this.begin(held ? "validity" : "absent", caller.context));
  }

  /** What was asked for in this step is read, when it can be had at once. */
  readAtOnce() {
    for (; this.secret !== undefined && this.looked < this.reads.length; this.looked++)
      this.read(this.looked, this.secret);
    this.looked = this.reads.length;
  }

  private satisfies(held: Life, minValidityMs: number): boolean {
    return held.lifetimeMs - this.clock.age(held) >= minValidityMs;
  }

  private wait(caller: Caller, on: Waiting["on"]): Waiting {
    const exchange = "number" in on ? on : undefined;
    const waiting: Waiting = {
      caller,
      on,
      wake: this.clock.in(rules.joinMs),
      beats: exchange?.beats ?? 0,
      stale: exchange !== undefined && exchange.number <= this.barrier,
      held: this.usable(),
      asleep: false,
    };
    this.waiting.push(waiting);
    return waiting;
  }

  /** The endpoint is left alone; whether a refused secret has been replaced is looked up once a second. */
  private failFast(caller: Caller, cool: CoolDown) {
    const { failure } = cool;
    const retryAfterMs = Math.ceil(cool.until - this.now.monotonic);
    const outcome = failed({ ...failure, retryAfterMs });
    const looks =
      !failure.retryable &&
      cool.secret !== undefined &&
      this.now.monotonic - cool.checkedAt >= rules.secretCheckMs;
    const [first = -1, ...others] = caller.ids;
    if (!looks) return this.finish(caller, outcome);
    cool.checkedAt = this.now.monotonic;
    this.reads.push(
      this.wait({ ...caller, ids: caller.ids.length > 0 ? [first] : [] }, { cool, failure: outcome }),
    );
    if (others.length > 0) this.finish({ ...caller, ids: others }, outcome);
  }

  private wake(waiting: Waiting) {
    const { on, beats } = waiting;
    // Each has a timer of its own.
    const [first] = waiting.caller.ids.splice(0, 1);
    const caller = { ...waiting.caller, ids: first === undefined ? [] : [first] };
    if (waiting.caller.ids.length === 0) this.waiting.splice(this.waiting.indexOf(waiting), 1);
    if (!("number" in on)) return this.finish(caller, on.failure);
    // Without a sign of life all the while: the request that began it has ended.
    if (on === this.exchange && on.beats === beats) this.exchange = undefined;
    this.proceed(caller);
  }

  private reject(token: string, origin: string | undefined) {
    const held = this.usable();
    const { monotonic } = this.now;
    const refusal = (origin !== undefined && this.refusals.get(origin)) || { ...clean };
    if (origin !== undefined) this.refusals.set(origin, refusal);
    let outcome = "replacing";
    if (held?.token !== token) outcome = "already_replaced";
    else {
      if (monotonic >= refusal.until && refusal.replacement === this.generation) {
        refusal.until = monotonic + Math.min(30_000 * 2 ** refusal.level, 900_000);
        refusal.level++;
        refusal.replacement = none;
      }
      if (monotonic < refusal.until) outcome = "origin_on_hold";
      else if (monotonic - this.forcedAt < rules.forcedMs) outcome = "too_soon";
      else if (this.cooling()) outcome = "cooling_down";
    }
    if (outcome === "replacing") {
      this.suspect = held;
      this.held = undefined;
      this.replacing = true;
      this.barrier = this.count;
    }
    if (outcome === "replacing" || outcome === "already_replaced")
      refusal.replacement = this.usable() ? this.generation : this.generation + 1;
    this.events.push(`token_rejected ${origin} ${outcome}`);
  }

  // Exchanges.

  private begin(wanted: string, context: number): Exchange {
    const reason = this.replacing ? "rejected" : wanted;
    const { monotonic } = this.now;
    if (this.replacing) this.forcedAt = monotonic;
    this.replacing = false;
    if (reason === "rejected" && this.suspect !== undefined) {
      const { token } = this.suspect;
      this.refused = [token, ...this.refused.filter((each) => each !== token)].slice(0, 4);
    }
    const exchange: Exchange = {
      number: ++this.count,
      reason,
      start: this.now,
      context,
      made: 0,
      phase: "secret",
      due: undefined,
      beat: this.clock.in(rules.joinMs / 2),
      ends: this.clock.in(rules.exchangeMs),
      beats: 0,
      dead: false,
      from: this.now,
      held: this.held,
      storeMs: rules.storeMs,
      locked: false,
      keeps: undefined,
      maxAttempts: 3,
      polls: 0,
      owner: undefined,
      ownerSince: this.now.monotonic,
      owners: 0,
      letGo: false,
      rubbishTold: false,
    };
    this.exchange = exchange;
    this.exchanges.push(exchange);
    this.events.push(`exchange_started ${reason}`);
    this.reads.push(exchange);
    return exchange;
  }

  private attempt(exchange: Exchange) {
    const { monotonic } = this.now;
    const endsAt = exchange.ends?.at ?? none;
    if (monotonic >= endsAt) return this.fail(exchange, unreachable);
    exchange.made++;
    const recent = this.requests.filter(({ at }) => monotonic - at < 60_000);
    if (recent.length >= this.maxRequestsPerMinute) {
      const retryAfterMs = Math.ceil((recent[0]?.at ?? 0) + 60_000 - monotonic);
      return this.retry(exchange, { code: "ERR_IAM_TOKEN_REQUEST_BUDGET", retryable: true, retryAfterMs });
    }
    exchange.phase = "asking";
    exchange.due = this.clock.in(Math.min(rules.attemptMs, endsAt - monotonic));
    this.requests.push({ at: monotonic, secret: exchange.secret ?? "", exchange });
  }

  private retry(exchange: Exchange, failure: Failure) {
    const delayMs = Math.max(this.draw * 250 * 2 ** exchange.made, failure.retryAfterMs ?? 0);
    const fits = this.now.monotonic + delayMs < (exchange.ends?.at ?? none);
    // More than one attempt only for callers that have no token, and after no failure.
    const alone = exchange.reason !== "rejected" && !this.usable();
    const attempts = this.failures === 0 && alone ? exchange.maxAttempts : 1;
    if (!failure.retryable || exchange.made >= attempts || !fits) return this.fail(exchange, failure);
    exchange.phase = "pausing";
    exchange.due = this.clock.in(delayMs);
  }

  private arrive(exchange: Exchange, token: string, lifetimeMs: number) {
    const usableMs = lifetimeMs - Math.min(10_000, lifetimeMs / 10);
    // Each process that shares adds a delay of its own.
    const draw = this.store.moods ? this.draw + (0.05 * this.draw) / 0.15 : this.draw;
    const life = { start: exchange.from, lifetimeMs, usableMs, refreshMs: usableMs * (0.7 + 0.15 * draw) };
    const known = exchange.held?.token === token ? exchange.held : life;
    const left = (each: Life) => each.lifetimeMs - this.clock.age(each);
    const ttlMs = Math.floor(Math.min(left(known), left(life)));
    const worthKeeping = lifetimeMs < Number.POSITIVE_INFINITY && !this.refused.includes(token) && ttlMs >= 1;
    const entry: DatedToken = { token, lifetimeMs, draw: this.draw, issuedAt: exchange.from.wall };
    const writes = worthKeeping ? this.visit.writes(exchange, entry, ttlMs) : undefined;
    this.visit.keep(exchange, writes, this.visit.takesBack(exchange), () => this.hold(exchange, token, life));
  }

  hold(exchange: Exchange, token: string, obtained: Life) {
    let life = obtained;
    const same = this.usable();
    if (same?.token === token && !life.shared) {
      const left = (each: Life) => each.lifetimeMs - this.clock.age(each);
      if (left(same) < left(life)) life = { ...same };
      life = { ...life, refreshMs: life.usableMs };
    }
    if (this.clock.age(life) >= life.usableMs)
      return this.end(exchange, { code: "ERR_IAM_TOKEN_RESPONSE_INVALID", status: 200, retryable: true });
    const committed = exchange.number > this.barrier && !this.disposed;
    if (committed) {
      this.barrier = exchange.number;
      this.failures = 0;
      this.cool = undefined;
      this.suspect = undefined;
      if (same?.token !== token) this.generation++;
      this.held = { ...life, token };
    }
    this.events.push(`exchange_succeeded ${exchange.reason} ${committed} ${life.shared === true}`);
    for (const { caller, stale } of this.leave(exchange)) {
      // What is shared is no answer to who wants more of it.
      if (stale || (life.shared && !this.satisfies(life, caller.minValidityMs))) this.proceed(caller);
      else
        this.finish(
          caller,
          this.satisfies(life, caller.minValidityMs) ? `token ${token}` : "failed ERR_IAM_CONFIG",
        );
    }
  }

  end(exchange: Exchange, failure: Failure) {
    let coolDownMs = 0;
    if (exchange === this.exchange && !this.disposed) {
      // No answer: the rejected token is the best there is, and due.
      if (failure.retryable && this.suspect) {
        this.held = { ...this.suspect, refreshMs: 0 };
        this.replacing = false;
      }
      this.suspect = undefined;
      // Nobody was asked when the secret could not be read.
      if (failure.code !== "ERR_IAM_CONFIG") coolDownMs = this.coolDown(exchange, failure);
    }
    const held = this.usable() !== undefined;
    this.events.push(`exchange_failed ${exchange.reason} ${failure.code} ${held} ${coolDownMs}`);
    for (const { caller, stale, held: before } of this.leave(exchange)) {
      if (stale || this.usable() !== before) this.proceed(caller);
      else this.finish(caller, failed(failure));
    }
  }

  private coolDown(exchange: Exchange, failure: Failure): number {
    const { monotonic } = this.now;
    const held = this.usable();
    this.failures++;
    let ms = this.failures < 3 ? this.failures * 1000 : 3500 + 1500 * this.draw;
    if (!failure.retryable) ms = 30_000;
    else if (held) {
      const quarter = Math.max((held.usableMs - this.clock.age(held)) / 4, 50);
      ms = Math.min(1000 * 2 ** this.failures, 30_000, quarter);
    }
    ms = exchange.pauseMs ?? Math.max(ms, Math.min(failure.retryAfterMs ?? 0, 3_600_000));
    this.cool = { failure, until: monotonic + ms, secret: exchange.secret, checkedAt: monotonic };
    return ms;
  }

  /** Begins to ask the token endpoint. What the store took is off the deadline. */
  make(exchange: Exchange) {
    const tookMs = Math.round(this.now.monotonic - exchange.start.monotonic);
    if (this.now.monotonic - exchange.start.monotonic >= rules.exchangeMs) {
      exchange.keeps = undefined;
      return this.fail(exchange, unreachable);
    }
    exchange.ends = this.clock.in(Math.max(rules.exchangeMs - tookMs, 1));
    exchange.from = this.now;
    this.attempt(exchange);
  }

  /** An exchange has failed; others are told of it, unless it is nobody else's business. */
  private fail(exchange: Exchange, failure: Failure) {
    const told = /ENDPOINT|RESPONSE/.test(failure.code) ? this.visit.tells(exchange, failure) : undefined;
    this.visit.keep(
      exchange,
      told,
      () => {},
      () => this.end(exchange, failure),
    );
  }

  /** The exchange is over; those who waited for it, in the order in which they came. */
  private leave(exchange: Exchange): Waiting[] {
    this.exchanges = this.exchanges.filter((each) => each !== exchange);
    if (this.exchange === exchange) this.exchange = undefined;
    const left = this.waiting.filter(({ on }) => on === exchange);
    this.waiting = this.waiting.filter(({ on }) => on !== exchange);
    return left;
  }

  // Time.

  private next(): { at: number; happen: () => void } | undefined {
    let first: (Due & { happen: () => void }) | undefined;
    const consider = (due: Due | undefined, happen: () => void) => {
      if (due === undefined) return;
      const { at, order } = due;
      if (first === undefined || at < first.at || (at === first.at && order < first.order))
        first = { at, order, happen };
    };
    for (const exchange of this.exchanges) {
      if (exchange.dead) continue;
      consider(exchange.ends, () =>
        this.fail(exchange, exchange.phase === "secret" ? noSecret : unreachable),
      );
      if (exchange.phase === "asking") consider(exchange.due, () => this.retry(exchange, unreachable));
      if (exchange.phase === "pausing") consider(exchange.due, () => this.attempt(exchange));
      if (exchange.phase === "watching") consider(exchange.due, () => this.visit.pollOnceMore(exchange));
      consider(exchange.beat, () => {
        exchange.beats++;
        exchange.beat = this.clock.in(rules.joinMs / 2);
      });
    }
    for (const call of this.store.pending) if (!call.dead) consider(call.due, () => this.store.slice(call));
    for (const patience of this.store.patiences)
      if (!patience.dead) consider(patience.due, () => this.store.endPatience(patience));
    for (const waiting of this.waiting) {
      if (!waiting.asleep) consider(waiting.wake, () => this.wake(waiting));
    }
    return first;
  }
}

const clean: Refusal = { replacement: none, level: 0, until: none, forgivenAt: none };

/** A failure as its caller sees it. */
export function failed({ code, status, retryAfterMs }: Failure): Outcome {
  return `failed ${[code, status, retryAfterMs].filter((each) => each !== undefined).join(" ")}`;
}
