/** The store as a reference has it: what lies in it, what is asked of it, and how that ends. */

import type { StoreMood, StoreOperation } from "./faulty-store.ts";
import { type Deed, type Lying, type SharedFailure, stillThere } from "./other-processes.ts";
import { type Due, none, type ReferenceClock } from "./reference-clock.ts";
import { type DatedToken, type Exchange, rules } from "./reference-exchange.ts";

/** What lies in a store under one secret. */
interface Shelf {
  token?: Lying<DatedToken> | undefined;
  failure?: Lying<SharedFailure> | undefined;
  lock?: Lying<string> | undefined;
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
export interface LockAnswer {
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

export class ReferenceStore {
  /** How it behaves, when there is one. */
  moods: Record<StoreOperation, StoreMood> | undefined;
  /** Whether it gives back what it was given. */
  keeps = false;
  /** How much longer its machine has been awake. */
  suspendedMs = 0;
  /** How often it was asked. */
  asked = 0;
  /** Calls that have not been answered. */
  pending: StoreCall[] = [];
  patiences: Patience[] = [];
  failures = 0;
  restsUntil = none;
  private readonly shelves = new Map<string, Shelf>();
  /** What the calls do that were given up, if they are answered in the end. */
  private readonly givenUp = new Map<number, GivenUp>();
  private locked = 0;
  private readonly clock: ReferenceClock;
  private readonly events: string[];

  constructor(clock: ReferenceClock, events: string[]) {
    this.clock = clock;
    this.events = events;
  }

  now(): number {
    return this.clock.now.monotonic + this.suspendedMs;
  }

  shelf(secret: string): Shelf {
    const shelf = this.shelves.get(secret) ?? {};
    this.shelves.set(secret, shelf);
    return shelf;
  }

  /** Another process with that secret does something to the store. */
  other(secret: string, deed: Deed) {
    const shelf = this.shelf(secret);
    const now = this.now();
    if (deed.what === "writes a token")
      shelf.token = { value: { ...deed.token, issuedAt: this.clock.now.wall }, endsAt: now + deed.leftMs };
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
    const now = this.now();
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

  takesLock({ secret = "" }: Exchange): () => LockAnswer {
    return () => {
      const shelf = this.shelf(secret);
      const now = this.now();
      const holder = stillThere(shelf.lock, now)?.value;
      if (holder !== undefined) return { holder };
      const lock = `mine-${++this.locked}`;
      if (this.keeps) shelf.lock = { value: lock, endsAt: now + rules.lockMs };
      return { lock };
    };
  }

  freesLock(secret = "", lock: string | undefined): () => void {
    return () => {
      const shelf = this.shelf(secret);
      if (shelf.lock?.value === lock) shelf.lock = undefined;
    };
  }

  beginPatience(exchange: Exchange, then: () => void): Patience {
    const patience = { exchange, due: this.clock.in(Math.max(exchange.storeMs, 0)), dead: false, then };
    this.patiences.push(patience);
    return patience;
  }

  endPatience(patience: Patience) {
    const at = this.patiences.indexOf(patience);
    if (at < 0) return;
    this.patiences.splice(at, 1);
    patience.then();
  }

  ask(
    exchange: Exchange,
    operation: StoreOperation,
    patienceMs: number,
    effect: () => unknown,
    then: StoreCall["then"],
  ) {
    if (this.moods === undefined) throw new Error("the reference has no store");
    if (operation === "lock") exchange.release = this.moods.release;
    const asked = (operation === "release" && exchange.release) || this.moods[operation];
    // A release that is garbage throws.
    const mood: StoreMood =
      operation === "release" && asked.what === "garbage" ? { what: "failure", when: "at once" } : asked;
    const sliceMs = Math.max(patienceMs, 0) / 3;
    const call: StoreCall = {
      number: this.asked++,
      ...{ operation, exchange, mood, sliceMs, effect, then },
      release: this.moods.release,
      since: this.clock.now.monotonic,
      slices: 3,
      due: this.clock.in(sliceMs),
      dead: false,
    };
    if (mood.when === "at once") this.answer(call);
    else this.pending.push(call);
  }

  /** The store answers a call that it had not answered at once. */
  answered(number: number, operation: StoreOperation, mood: StoreMood) {
    const call = this.pending.find((each) => each.number === number);
    if (call !== undefined) {
      this.pending.splice(this.pending.indexOf(call), 1);
      this.answer(call);
    } else if (!/garbage|failure$/.test(mood.what)) {
      // Nobody waits for it any more, and it is done all the same.
      const call = this.givenUp.get(number);
      const given = call?.effect();
      const isAnswered = !mood.what.startsWith("failure");
      if (call !== undefined && operation === "lock" && isAnswered) this.letGoLate(given as LockAnswer, call);
    }
  }

  /** A lock that nobody waits for any more is let go, if it is one. */
  private letGoLate({ holder, lock }: LockAnswer, call: GivenUp) {
    const { exchange, release } = call;
    if (holder !== undefined) return;
    const number = this.asked++;
    const effect = this.freesLock(exchange.secret, lock);
    if (/garbage|failure$/.test(release.what)) return;
    if (release.when === "at once") effect();
    else this.givenUp.set(number, { ...call, effect });
  }

  private answer({ operation, mood, exchange, since, effect, then }: StoreCall) {
    exchange.storeMs -= this.clock.now.monotonic - since;
    const { what } = mood;
    if (what === "failure, but it is done") effect();
    if (what.startsWith("failure")) return this.fail(operation, "ECONNRESET", then);
    if (what === "garbage" && operation !== "set") return this.fail(operation, "garbage", then);
    this.failures = 0;
    if (operation === "get" && what === "what does not open" && !exchange.rubbishTold) {
      exchange.rubbishTold = true;
      this.events.push("store_failed get garbage 0");
    }
    if (what === "garbage") return then(true, undefined);
    const given = effect();
    if (operation !== "get" || what !== "what does not open") return then(true, given);
    then(true, { ...(given as object), token: "what does not open" });
  }

  private fail(operation: StoreOperation, problem: string, then: StoreCall["then"]) {
    const pauseMs = Math.min(100 * 2 ** this.failures++, 30_000);
    this.restsUntil = this.clock.now.monotonic + pauseMs;
    this.events.push(`store_failed ${operation} ${problem} ${pauseMs}`);
    then(false, undefined);
  }

  giveUp(call: StoreCall) {
    this.pending.splice(this.pending.indexOf(call), 1);
    this.givenUp.set(call.number, call);
  }

  slice(call: StoreCall) {
    if (--call.slices > 0) {
      call.due = this.clock.in(call.sliceMs);
      return;
    }
    this.giveUp(call);
    call.exchange.storeMs -= this.clock.now.monotonic - call.since;
    this.fail(call.operation, "timeout", call.then);
  }
}
