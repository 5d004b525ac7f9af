/**
 * What a token manager should do, told once more and without it: no promises, no timers, no line of `src`. It is given
 * what happens (a call, an answer, time) and says what everybody must have seen by then.
 */

import type { StoreMood, StoreOperation } from "./faulty-store.ts";
import {
  type Deed,
  type Lying,
  type SharedFailure,
  type SharedToken,
  stillThere,
} from "./other-processes.ts";

/** One moment on two clocks, in milliseconds. */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/** What the token endpoint said to one request. */
export type Answer =
  | { readonly kind: "token"; readonly token: string; readonly lifetimeMs: number }
  | { readonly kind: "failure"; readonly failure: Failure };

/** Why there is no token. */
export interface Failure {
  readonly code: string;
  readonly status?: number | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs?: number | undefined;
}

/** How a caller fared. */
export type Outcome = string;

interface Held extends Life {
  readonly token: string;
}

interface Life {
  readonly start: Moment;
  readonly lifetimeMs: number;
  readonly usableMs: number;
  refreshMs: number;
  /** Nobody was asked for it: it is out of a store, or is the held one, which stays for the sake of one. */
  readonly shared?: boolean;
}

/** When something happens by itself; of what is due together the first that was set comes first. */
interface Due {
  readonly at: number;
  readonly order: number;
}

interface Exchange {
  readonly number: number;
  readonly reason: string;
  readonly start: Moment;
  readonly context: number;
  made: number;
  phase: "secret" | "store" | "watching" | "asking" | "pausing" | "keeping";
  /** The end of the attempt, of the pause, or of the wait for others. */
  due: Due | undefined;
  ends: Due | undefined;
  /** When the life of its token begins. */
  from: Moment;
  readonly held: Held | undefined;
  /** How much longer it may take for the sake of the store. */
  storeMs: number;
  locked: boolean;
  /** The name of the lock that it was given. */
  lock?: string | undefined;
  /** How the store was inclined to a release when it was asked for the lock. */
  release?: StoreMood;
  /** What comes of it is for the store as well: what was there at the last look. */
  keeps: Found | undefined;
  /** How often an exchange without a token may ask. */
  maxAttempts: number;
  /** How often it has looked whether others are done. */
  polls: number;
  /** Who had the lock at the last look, since when, how many it were, and whether one of them let go too early for nothing. */
  owner: string | undefined;
  ownerSince: number;
  owners: number;
  letGo: boolean;
  /** It has told that what is in the store does not open. */
  rubbishTold: boolean;
  /** How long others say to leave the token endpoint alone. */
  pauseMs?: number | undefined;
  /** What waits for the store to have taken what came of it: the lock is not let go before. */
  writing?: { release?: () => void } | undefined;
  beat: Due;
  beats: number;
  secret?: string | undefined;
  dead: boolean;
}

/** A token and when the wall clock said that it was issued. */
type DatedToken = SharedToken & { readonly issuedAt: number };

/** What lies in a store under one secret. */
interface Shelf {
  token?: Lying<DatedToken> | undefined;
  failure?: Lying<SharedFailure> | undefined;
  lock?: Lying<string> | undefined;
}

/** What a look showed. What does not open is there, and is nothing. */
interface Found {
  readonly token: Lying<DatedToken> | "what does not open" | undefined;
  /** The life of the token, from the moment of the look. */
  readonly life: Life | undefined;
  readonly failure: Lying<SharedFailure> | undefined;
  readonly failureLeftMs: number;
}

/** A call of the store that has not been answered. */
interface StoreCall {
  readonly number: number;
  readonly operation: StoreOperation;
  readonly exchange: Exchange;
  readonly mood: StoreMood;
  /** How the store was inclined to a release when it was asked. */
  readonly release: StoreMood;
  /** What the store does when it answers, and gives. */
  readonly effect: () => unknown;
  readonly since: number;
  readonly sliceMs: number;
  slices: number;
  due: Due;
  dead: boolean;
  readonly then: (worked: boolean, given: unknown) => void;
}

/** What is known of a call that nobody waits for any more. */
type GivenUp = Pick<StoreCall, "effect" | "exchange" | "release">;

/** Who has the lock, or which one it was given. */
interface LockAnswer {
  readonly holder?: string;
  readonly lock?: string;
}

/** An exchange that is over but for the store. */
interface Patience {
  readonly exchange: Exchange;
  readonly due: Due;
  dead: boolean;
  readonly then: () => void;
}

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

const none = Number.NEGATIVE_INFINITY;
const disposedOutcome = "failed ERR_IAM_CONFIG";

/** The numbers of design items 3, 5, 9, 13 and 16, in milliseconds. */
const rules = {
  attemptMs: 4000,
  exchangeMs: 9000,
  joinMs: 2000,
  forcedMs: 5000,
  secretCheckMs: 1000,
  storeMs: 150,
  lockMs: 2000,
  waitMs: 5000,
  bridgeMs: 2000,
  pastMs: 300_000,
  forgivenMs: 900_000,
} as const;

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
  /** How the store behaves, when there is one. */
  store: Record<StoreOperation, StoreMood> | undefined;
  /** Whether it gives back what it was given. */
  storeKeeps = false;
  /** How much longer the machine of the store has been awake. */
  suspendedMs = 0;
  /** How often the store was asked. */
  storeCalls = 0;
  private readonly shelves = new Map<string, Shelf>();
  /** What the calls do that were given up, if they are answered in the end. */
  private readonly givenUp = new Map<number, GivenUp>();
  private locked = 0;
  private calls: StoreCall[] = [];
  private patiences: Patience[] = [];
  private storeFailures = 0;
  private storeRestsUntil = none;
  private putOff: string | undefined;
  /** The last tokens that were refused. */
  private refused: string[] = [];
  private suspect: Held | undefined;
  private looked = 0;
  private timersSet = 0;
  private failures = 0;
  private count = 0;
  private generation = 0;
  private barrier = 0;
  private forcedAt = none;
  private replacing = false;
  private readonly refusals = new Map<string, Refusal>();

  now: Moment;
  private readonly maxRequestsPerMinute: number;

  constructor(now: Moment, maxRequestsPerMinute: number) {
    this.now = now;
    this.maxRequestsPerMinute = maxRequestsPerMinute;
  }

  // What can be asked.

  private age({ start }: Life): number {
    return Math.max(this.now.monotonic - start.monotonic, this.now.wall - start.wall);
  }

  /** The held token, when it may be served. */
  usable(): Held | undefined {
    return this.held && this.age(this.held) < this.held.usableMs ? this.held : undefined;
  }

  peek(): string | undefined {
    const held = this.usable();
    return held && this.age(held) < held.refreshMs ? held.token : undefined;
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
    const from = held === undefined ? [] : [held.refreshMs - this.age(held), held.usableMs - this.age(held)];
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
      else if (this.store) this.visitStore(reader);
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

  /** The incoming request that code ran in has ended, and with it the timers and fetches that it has. */
  kill(context: number) {
    for (const exchange of this.exchanges) if (exchange.context === context) exchange.dead = true;
    for (const waiting of this.waiting) if (waiting.caller.context === context) waiting.asleep = true;
    for (const each of [...this.calls, ...this.patiences])
      if (each.exchange.context === context) each.dead = true;
  }

  /** Whose timers may be set now: nobody's, only such that let a process end, or some that hold it. */
  timers(): "none" | "background" | "foreground" {
    // A call of the store may outlast its exchange.
    const calling = [...this.calls, ...this.patiences].filter(({ dead }) => !dead);
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
    for (const call of [...this.calls]) if (call.exchange === exchange) this.giveUp(call);
    const { writing } = exchange;
    exchange.writing = undefined;
    const patience = this.patiences.find((each) => each.exchange === exchange);
    if (patience) {
      this.endPatience(patience);
      return writing?.release?.();
    }
    this.fail(exchange, { code: "ERR_IAM_CONFIG", retryable: false });
  }

  /** Lets everything happen that is due by a moment, each at its own instant or, when that has passed, now. */
  advanceTo(moment: Moment) {
    for (let next = this.next(); next && next.at <= moment.monotonic; next = this.next()) {
      this.pass(Math.max(0, next.at - this.now.monotonic));
      next.happen();
      this.readAtOnce();
    }
    this.now = moment;
  }

  /** Lets time pass without anything happening. */
  pass(ms: number) {
    this.now = { monotonic: this.now.monotonic + ms, wall: this.now.wall + ms };
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
      const due = this.age(held) >= held.refreshMs && !this.live() && !this.cooling();
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
    return held.lifetimeMs - this.age(held) >= minValidityMs;
  }

  private wait(caller: Caller, on: Waiting["on"]): Waiting {
    const exchange = "number" in on ? on : undefined;
    const waiting: Waiting = {
      caller,
      on,
      wake: this.in(rules.joinMs),
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
      beat: this.in(rules.joinMs / 2),
      ends: this.in(rules.exchangeMs),
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
    exchange.due = this.in(Math.min(rules.attemptMs, endsAt - monotonic));
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
    exchange.due = this.in(delayMs);
  }

  private arrive(exchange: Exchange, token: string, lifetimeMs: number) {
    const usableMs = lifetimeMs - Math.min(10_000, lifetimeMs / 10);
    // Each process that shares adds a delay of its own.
    const draw = this.store ? this.draw + (0.05 * this.draw) / 0.15 : this.draw;
    const life = { start: exchange.from, lifetimeMs, usableMs, refreshMs: usableMs * (0.7 + 0.15 * draw) };
    const known = exchange.held?.token === token ? exchange.held : life;
    const left = (each: Life) => each.lifetimeMs - this.age(each);
    const ttlMs = Math.floor(Math.min(left(known), left(life)));
    const worthKeeping = lifetimeMs < Number.POSITIVE_INFINITY && !this.refused.includes(token) && ttlMs >= 1;
    const { keeps, secret = "" } = exchange;
    const entry: DatedToken = { token, lifetimeMs, draw: this.draw, issuedAt: exchange.from.wall };
    const writes = () => {
      const shelf = this.shelf(secret);
      const there = stillThere(shelf.token, this.storeNow());
      // Only over nothing, and over what was seen.
      if (this.storeKeeps && (there === undefined || there === keeps?.token))
        shelf.token = { value: entry, endsAt: this.storeNow() + ttlMs };
    };
    // The failure that was seen is over.
    const takesBack = () => {
      if (keeps?.failure === undefined) return;
      this.storeFailures = 0;
      const shelf = this.shelf(secret);
      if (shelf.failure === keeps.failure) shelf.failure = undefined;
    };
    this.keep(exchange, worthKeeping ? writes : undefined, takesBack, () => this.hold(exchange, token, life));
  }

  private hold(exchange: Exchange, token: string, obtained: Life) {
    let life = obtained;
    const same = this.usable();
    if (same?.token === token && !life.shared) {
      const left = (each: Life) => each.lifetimeMs - this.age(each);
      if (left(same) < left(life)) life = { ...same };
      life = { ...life, refreshMs: life.usableMs };
    }
    if (this.age(life) >= life.usableMs)
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

  private end(exchange: Exchange, failure: Failure) {
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
      const quarter = Math.max((held.usableMs - this.age(held)) / 4, 50);
      ms = Math.min(1000 * 2 ** this.failures, 30_000, quarter);
    }
    ms = exchange.pauseMs ?? Math.max(ms, Math.min(failure.retryAfterMs ?? 0, 3_600_000));
    this.cool = { failure, until: monotonic + ms, secret: exchange.secret, checkedAt: monotonic };
    return ms;
  }

  // The store.

  private storeNow(): number {
    return this.now.monotonic + this.suspendedMs;
  }

  private shelf(secret: string): Shelf {
    const shelf = this.shelves.get(secret) ?? {};
    this.shelves.set(secret, shelf);
    return shelf;
  }

  /** Another process with that secret does something to the store. */
  other(secret: string, deed: Deed) {
    const shelf = this.shelf(secret);
    const now = this.storeNow();
    if (deed.what === "writes a token")
      shelf.token = { value: { ...deed.token, issuedAt: this.now.wall }, endsAt: now + deed.leftMs };
    else if (deed.what === "writes a failure")
      shelf.failure = { value: deed.failure, endsAt: now + deed.leftMs };
    else if (deed.what === "takes the lock")
      shelf.lock = stillThere(shelf.lock, now) ?? { value: deed.owner, endsAt: now + deed.forMs };
    else {
      shelf.lock = undefined;
      if (deed.what === "loses everything") shelf.token = shelf.failure = undefined;
    }
  }

  /** What lies in the store under a secret, in words. */
  inStore(secret: string): string[] {
    const shelf = this.shelf(secret);
    const now = this.storeNow();
    const token = stillThere(shelf.token, now);
    const failure = stillThere(shelf.failure, now);
    const lock = stillThere(shelf.lock, now);
    const words: string[] = [];
    if (token)
      words.push(`${token.value.token} ${token.value.lifetimeMs} ${token.value.draw} ${token.endsAt}`);
    if (failure) {
      const { code, status, pauseMs, keptMs, failures } = failure.value;
      words.push(`${code} ${status} ${pauseMs} ${keptMs} ${failures} ${failure.endsAt}`);
    }
    if (lock) words.push(`${lock.value} ${lock.endsAt}`);
    return words;
  }

  /** A look, the lock, another look: then the exchange goes its way, as it does at once when any of these fails. */
  private visitStore(exchange: Exchange) {
    exchange.ends = undefined;
    if (this.now.monotonic < this.storeRestsUntil) return this.goAlone(exchange);
    this.lookFirst(exchange);
  }

  private lookFirst(exchange: Exchange) {
    exchange.phase = "store";
    const alone = () => this.goAlone(exchange);
    this.look(
      exchange,
      (found) => {
        const taken = this.take(exchange, found);
        if (taken) return this.hold(exchange, taken.token, taken);
        const verdict = this.heed(exchange, found);
        if (verdict.told) return this.end(exchange, verdict.told);
        if (verdict.pauseMs > 0) {
          exchange.storeMs = rules.storeMs;
          return this.watch(exchange, verdict.pauseMs + 50 * this.draw);
        }
        this.renewIfServed(exchange);
        this.ask(exchange, "lock", exchange.storeMs, this.takesLock(exchange), (worked, given) => {
          if (!worked) return alone();
          const { holder, lock } = given as LockAnswer;
          exchange.lock = lock;
          if (holder === undefined) this.lookAgain(exchange);
          else this.leaveItToOthers(exchange, holder, found);
        });
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
        if (taken) return this.letGo(exchange, () => this.hold(exchange, taken.token, taken));
        const { told, pauseMs } = this.heed(exchange, found);
        if (told) return this.letGo(exchange, () => this.end(exchange, told));
        if (pauseMs > 0) return this.letGo(exchange, () => this.pollOnceMore(exchange));
        exchange.keeps = found;
        this.make(exchange);
      },
      () => this.letGo(exchange, () => this.goAlone(exchange)),
    );
  }

  private pollOnceMore(exchange: Exchange) {
    exchange.polls++;
    this.lookFirst(exchange);
  }

  private watch(exchange: Exchange, ms: number) {
    exchange.phase = "watching";
    exchange.due = this.in(ms);
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
      return this.stay(exchange, held, Math.min(500 + 500 * this.draw, leftMs / 4));
    const { monotonic } = this.now;
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
      this.make(exchange);
    };
    if (waitedMs >= rules.waitMs && inVain) return lead();
    if (waitedMs >= rules.exchangeMs) return this.end(exchange, unreachable);
    const works = exchange.owners >= 2 && monotonic - exchange.ownerSince <= 2 * rules.lockMs;
    if (waitedMs >= rules.waitMs && !works) return lead();
    exchange.storeMs = rules.storeMs;
    this.watch(exchange, Math.min(50 * 1.3 ** exchange.polls, 250) * (0.5 + 0.5 * this.draw));
  }

  private look(exchange: Exchange, then: (found: Found) => void, otherwise: () => void) {
    const from = this.now;
    const { secret = "" } = exchange;
    this.ask(
      exchange,
      "get",
      exchange.storeMs,
      () => {
        const { token, failure } = this.shelf(secret);
        const now = this.storeNow();
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
      refreshMs: usableMs * (0.7 + 0.15 * (draw + (0.05 * this.draw) / 0.15)),
      shared: true,
    };
  }

  /** What was found, when it is usable, better than what is held, and not what a server refused. */
  private take({ held, reason }: Exchange, { token, life }: Found): Held | undefined {
    if (token === undefined || token === "what does not open" || life === undefined) return undefined;
    if (this.age(life) >= life.usableMs) return undefined;
    // Younger by the store than by itself: no replacement of one that was refused.
    if (reason === "rejected" && life.start.wall - token.value.issuedAt > rules.pastMs) return undefined;
    const name = token.value.token;
    const left = (each: Life) => each.lifetimeMs - this.age(each);
    const better = held === undefined || /absent|rejected/.test(reason) || left(life) > left(held);
    return better && name !== held?.token && !this.refused.includes(name)
      ? { ...life, token: name }
      : undefined;
  }

  /** Somebody else has just failed: a short pause is waited for, a long one ends the exchange as it ended theirs. */
  private heed(exchange: Exchange, { failure, failureLeftMs }: Found): { pauseMs: number; told?: Failure } {
    if (failure === undefined) return { pauseMs: 0 };
    exchange.maxAttempts = 1;
    if (failureLeftMs <= 0) return { pauseMs: 0 };
    const { code, status, retryable } = failure.value;
    const waitedMs = this.now.monotonic - exchange.start.monotonic;
    const isShort = failureLeftMs <= rules.bridgeMs && waitedMs + failureLeftMs <= rules.waitMs;
    if (retryable && isShort && exchange.reason !== "expiring") return { pauseMs: failureLeftMs };
    const { held } = exchange;
    if (held !== undefined && held.usableMs - this.age(held) > 0)
      return { pauseMs: 0, told: { code, status, retryable } };
    exchange.pauseMs = failureLeftMs;
    return { pauseMs: 0, told: { code, status, retryable, retryAfterMs: Math.ceil(failureLeftMs) } };
  }

  private takesLock({ secret = "" }: Exchange): () => LockAnswer {
    return () => {
      const shelf = this.shelf(secret);
      const now = this.storeNow();
      const holder = stillThere(shelf.lock, now)?.value;
      if (holder !== undefined) return { holder };
      const lock = `mine-${++this.locked}`;
      if (this.storeKeeps) shelf.lock = { value: lock, endsAt: now + rules.lockMs };
      return { lock };
    };
  }

  private freesLock(secret = "", lock: string | undefined): () => void {
    return () => {
      const shelf = this.shelf(secret);
      if (shelf.lock?.value === lock) shelf.lock = undefined;
    };
  }

  /** The store does not work. A refresh, which nobody waits for, is put off once. */
  private goAlone(exchange: Exchange) {
    const { held } = exchange;
    const leftMs = this.servedMeanwhile(exchange);
    if (held === undefined || this.putOff === held.token || leftMs <= 0) return this.make(exchange);
    this.putOff = held.token;
    this.stay(exchange, held, leftMs * (0.25 + 0.5 * this.draw));
  }

  /** The held token once more, to be refreshed so much later. */
  private stay(exchange: Exchange, held: Held, laterMs: number) {
    this.hold(exchange, held.token, { ...held, refreshMs: this.age(held) + laterMs, shared: true });
  }

  /** How long the token that everybody gets while a refresh runs beside can still be had. */
  private servedMeanwhile({ held, reason }: Exchange): number {
    return reason !== "expiring" || held === undefined ? 0 : held.usableMs - this.age(held);
  }

  /** Begins to ask the token endpoint. What the store took is off the deadline. */
  private make(exchange: Exchange) {
    const tookMs = Math.round(this.now.monotonic - exchange.start.monotonic);
    if (this.now.monotonic - exchange.start.monotonic >= rules.exchangeMs) {
      exchange.keeps = undefined;
      return this.fail(exchange, unreachable);
    }
    exchange.ends = this.in(Math.max(rules.exchangeMs - tookMs, 1));
    exchange.from = this.now;
    this.attempt(exchange);
  }

  /** An exchange has failed; others are told of it, unless it is nobody else's business. */
  private fail(exchange: Exchange, failure: Failure) {
    const told = /ENDPOINT|RESPONSE/.test(failure.code) ? this.tells(exchange, failure) : undefined;
    this.keep(
      exchange,
      told,
      () => {},
      () => this.end(exchange, failure),
    );
  }

  /** What is written for the others: how long nobody should ask, which they remember a little longer. */
  private tells({ keeps, secret = "" }: Exchange, failure: Failure): () => void {
    const { code, status, retryable, retryAfterMs = 0 } = failure;
    const failures = (keeps?.failure?.value.failures ?? 0) + 1;
    let ms = failures < 3 ? failures * 1000 : 3500 + 1500 * this.draw;
    if (!retryable) ms = 30_000;
    // That may be the fault of the network here.
    const isSilent = status === undefined || code === "ERR_IAM_TOKEN_RESPONSE_INVALID";
    const pauseMs = Math.min(Math.max(ms, retryAfterMs), isSilent ? 1000 : 30_000);
    const keptMs = Math.min(pauseMs + 15_000, 30_000);
    const value = { code, status, retryable, pauseMs, keptMs, failures };
    return () => {
      if (this.storeKeeps)
        this.shelf(secret).failure = { value, endsAt: this.storeNow() + Math.floor(keptMs) };
    };
  }

  /** Has the store keep what came of it; `beside` is done at once, whatever becomes of that. */
  private keep(exchange: Exchange, writes: (() => void) | undefined, beside: () => void, then: () => void) {
    exchange.due = undefined;
    exchange.ends = undefined;
    exchange.phase = "keeping";
    if (!exchange.keeps || !writes) return this.letGo(exchange, then);
    const patience = this.beginPatience(exchange, () => this.letGo(exchange, then));
    const writing: Exchange["writing"] = {};
    exchange.writing = writing;
    let isDone = false;
    const doBeside = () => {
      if (!isDone) beside();
      isDone = true;
    };
    this.ask(exchange, "set", rules.storeMs, writes, () => {
      doBeside();
      exchange.writing = undefined;
      this.endPatience(patience);
      writing.release?.();
    });
    doBeside();
  }

  private letGo(exchange: Exchange, then: () => void) {
    if (!exchange.locked) return then();
    exchange.locked = false;
    const patience = this.beginPatience(exchange, then);
    const effect = this.freesLock(exchange.secret, exchange.lock);
    const release = () =>
      this.ask(exchange, "release", rules.storeMs, effect, () => this.endPatience(patience));
    if (exchange.writing) exchange.writing.release = release;
    else release();
  }

  private beginPatience(exchange: Exchange, then: () => void): Patience {
    const patience = { exchange, due: this.in(Math.max(exchange.storeMs, 0)), dead: false, then };
    this.patiences.push(patience);
    return patience;
  }

  private endPatience(patience: Patience) {
    const at = this.patiences.indexOf(patience);
    if (at < 0) return;
    this.patiences.splice(at, 1);
    patience.then();
  }

  private ask(
    exchange: Exchange,
    operation: StoreOperation,
    patienceMs: number,
    effect: () => unknown,
    then: StoreCall["then"],
  ) {
    if (this.store === undefined) throw new Error("the reference has no store");
    if (operation === "lock") exchange.release = this.store.release;
    const asked = (operation === "release" && exchange.release) || this.store[operation];
    // A release that is garbage throws.
    const mood: StoreMood =
      operation === "release" && asked.what === "garbage" ? { what: "failure", when: "at once" } : asked;
    const sliceMs = Math.max(patienceMs, 0) / 3;
    const call: StoreCall = {
      number: this.storeCalls++,
      ...{ operation, exchange, mood, sliceMs, effect, then },
      release: this.store.release,
      since: this.now.monotonic,
      slices: 3,
      due: this.in(sliceMs),
      dead: false,
    };
    if (mood.when === "at once") this.storeAnswers(call);
    else this.calls.push(call);
  }

  /** The store answers a call that it had not answered at once. */
  storeAnswered(number: number, operation: StoreOperation, mood: StoreMood) {
    const call = this.calls.find((each) => each.number === number);
    if (call !== undefined) {
      this.calls.splice(this.calls.indexOf(call), 1);
      this.storeAnswers(call);
    } else if (!/garbage|failure$/.test(mood.what)) {
      // Nobody waits for it any more, and it is done all the same.
      const call = this.givenUp.get(number);
      const given = call?.effect();
      const isAnswered = !mood.what.startsWith("failure");
      if (call !== undefined && operation === "lock" && isAnswered) this.letGoLate(given as LockAnswer, call);
    }
    this.readAtOnce();
  }

  /** A lock that nobody waits for any more is let go, if it is one. */
  private letGoLate({ holder, lock }: LockAnswer, call: GivenUp) {
    const { exchange, release } = call;
    if (holder !== undefined) return;
    const number = this.storeCalls++;
    const effect = this.freesLock(exchange.secret, lock);
    if (/garbage|failure$/.test(release.what)) return;
    if (release.when === "at once") effect();
    else this.givenUp.set(number, { ...call, effect });
  }

  private storeAnswers({ operation, mood, exchange, since, effect, then }: StoreCall) {
    exchange.storeMs -= this.now.monotonic - since;
    const { what } = mood;
    if (what === "failure, but it is done") effect();
    if (what.startsWith("failure")) return this.storeFails(operation, "ECONNRESET", then);
    if (what === "garbage" && operation !== "set") return this.storeFails(operation, "garbage", then);
    this.storeFailures = 0;
    if (operation === "get" && what === "what does not open" && !exchange.rubbishTold) {
      exchange.rubbishTold = true;
      this.events.push("store_failed get garbage 0");
    }
    if (what === "garbage") return then(true, undefined);
    const given = effect();
    if (operation !== "get" || what !== "what does not open") return then(true, given);
    then(true, { ...(given as object), token: "what does not open" });
  }

  private storeFails(operation: StoreOperation, problem: string, then: StoreCall["then"]) {
    const pauseMs = Math.min(100 * 2 ** this.storeFailures++, 30_000);
    this.storeRestsUntil = this.now.monotonic + pauseMs;
    this.events.push(`store_failed ${operation} ${problem} ${pauseMs}`);
    then(false, undefined);
  }

  private giveUp(call: StoreCall) {
    this.calls.splice(this.calls.indexOf(call), 1);
    this.givenUp.set(call.number, call);
  }

  private slice(call: StoreCall) {
    if (--call.slices > 0) {
      call.due = this.in(call.sliceMs);
      return;
    }
    this.giveUp(call);
    call.exchange.storeMs -= this.now.monotonic - call.since;
    this.storeFails(call.operation, "timeout", call.then);
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

  private in(ms: number): Due {
    return { at: this.now.monotonic + ms, order: this.timersSet++ };
  }

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
      if (exchange.phase === "watching") consider(exchange.due, () => this.pollOnceMore(exchange));
      consider(exchange.beat, () => {
        exchange.beats++;
        exchange.beat = this.in(rules.joinMs / 2);
      });
    }
    for (const call of this.calls) if (!call.dead) consider(call.due, () => this.slice(call));
    for (const patience of this.patiences)
      if (!patience.dead) consider(patience.due, () => this.endPatience(patience));
    for (const waiting of this.waiting) {
      if (!waiting.asleep) consider(waiting.wake, () => this.wake(waiting));
    }
    return first;
  }
}

const noSecret: Failure = { code: "ERR_IAM_CONFIG", retryable: true };
const unreachable: Failure = { code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", retryable: true };

/** How much is left of the pause that somebody's failure asks for; what is missing from its time in the store has passed. */
function leftOf(failure: Lying<SharedFailure> | undefined, now: number): number {
  if (failure === undefined) return 0;
  const { pauseMs, keptMs } = failure.value;
  return pauseMs - (keptMs - Math.min(failure.endsAt - now, keptMs));
}

const clean: Refusal = { replacement: none, level: 0, until: none, forgivenAt: none };

/** A failure as its caller sees it. */
export function failed({ code, status, retryAfterMs }: Failure): Outcome {
  return `failed ${[code, status, retryAfterMs].filter((each) => each !== undefined).join(" ")}`;
}
