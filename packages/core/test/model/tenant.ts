import { strict as assert } from "node:assert";
import { inspect } from "node:util";
import type * as Core from "../../src/index.ts";
import { requestContext, type VirtualClock } from "../virtual-world.ts";
import {
  type FaultyStore,
  faultyStore,
  type StoreMood,
  type StoreOperation,
  workingMoods,
} from "./faulty-store.ts";
import { type Deed, type OtherSeal, type SharedFailure, sealOf, stillThere } from "./other-processes.ts";
import { type Answer, failed, Reference } from "./reference.ts";
import type { Moment } from "./reference-clock.ts";

/** The package under test, or a copy of it with a bug planted. */
export type Subject = Pick<
  typeof Core,
  "apiKeyGrant" | "createTokenManager" | "isIamError" | "originRules" | "sendAuthorized" | "sharedStore"
> & { readonly tokenResponse: typeof Core.tokenResponse };

/** Lets something happen at a moment that the schedule chooses. */
export type Defer = (label: string, happen: () => void) => void;

/** Whether there is a store, and whether it gives back what it was given. */
export type Sharing = "none" | "loses" | "keeps";

/** How the token endpoint behaves at present. */
export type Mood =
  | { readonly kind: "grant"; readonly lifetimeS: number | undefined }
  /** The token of last time again, with a lifetime as if it were new. */
  | { readonly kind: "same"; readonly lifetimeS: number }
  | { readonly kind: "status"; readonly status: number; readonly retryAfterS?: number | undefined }
  | { readonly kind: "unreachable" }
  | { readonly kind: "malformed"; readonly flaw: keyof typeof flaws }
  | { readonly kind: "hang" };

const flaws = {
  html: () => "<html><body>Sign in</body></html>",
  "no token": () => JSON.stringify({ token_type: "Bearer", expires_in: 3600 }),
  "line break": (token: string) => JSON.stringify({ access_token: `${token}\n`, expires_in: 3600 }),
  negative: (token: string) => JSON.stringify({ access_token: token, expires_in: -1 }),
  "a date for a duration": (token: string) =>
    JSON.stringify({ access_token: token, expires_in: 1_800_000_000 }),
  "error in 200": (token: string) =>
    JSON.stringify({ access_token: token, expires_in: 3600, error: "invalid_grant" }),
  "other type": (token: string) =>
    JSON.stringify({ access_token: token, token_type: "mac", expires_in: 3600 }),
};

/**
 * What a token was given for, from the moment at which its exchange began: a wall clock that is set back after that hides
 * a suspend that comes later, from anybody.
 */
interface Issued extends Moment {
  readonly lifetimeMs: number;
}

/** Something that ends with the incoming request that it was begun in. */
interface Bound {
  readonly context: number;
  readonly life: number;
}

export const origins = ["https://a.cloud.ibm.com", "https://b.cloud.ibm.com"] as const;

/** One manager with its own key, its endpoint and resources, beside the reference that says what must be seen of it. */
export class Tenant {
  readonly manager: Core.TokenManager;
  readonly reference: Reference;
  readonly name: string;
  mood: Mood = { kind: "grant", lifetimeS: 3600 };
  /** Origins that refuse every token; otherwise they refuse the tokens in `revoked`. */
  readonly refusing: Set<string> = new Set();
  readonly revoked: Set<string> = new Set();
  key: string;
  readonly revokedKeys: Set<string> = new Set();
  readonly controllers: Map<number, AbortController> = new Map();
  readonly issued: Map<string, Issued[]> = new Map();
  /** Served or refused tokens, the youngest last. */
  readonly seen: string[] = [];

  private readonly store: FaultyStore | undefined;
  private readonly seals = new Map<string, OtherSeal>();
  private readonly opened = new Map<string, Record<string, unknown> | undefined>();
  private suspendedMs = 0;
  private others = 0;
  private secret: "at once" | "late" | "unreadable" = "at once";
  private readonly subject: Subject;
  private readonly clock: VirtualClock;
  private readonly defer: Defer;
  private readonly maxRequests: number;
  private readonly outcomes: { readonly id: number; readonly outcome: string }[] = [];
  private readonly eventLines: string[] = [];
  private readonly errors: unknown[] = [];
  private readonly events: Core.TokenManagerEvent[] = [];
  private readonly keys: string[] = [];
  private readonly tokens = new Map<string, Core.Token>();
  private readonly callers: Bound[] = [];
  private readonly background: (Bound & { settled: boolean })[] = [];
  private readonly open = new Set<Bound & { readonly since: number }>();
  private readonly timers = new Set<Bound & { readonly background: boolean }>();
  private readonly requestsAt: Moment[] = [];
  private readonly violations: string[] = [];
  private readonly lives = new Map<number, number>();
  private comparedOutcomes = 0;
  private comparedEvents = 0;
  private forcedAt = Number.NEGATIVE_INFINITY;
  private reads = 0;
  private sends = 0;
  private granted = 0;

  constructor(
    name: string,
    subject: Subject,
    clock: VirtualClock,
    defer: Defer,
    { maxTokenRequestsPerMinute, sharing }: { maxTokenRequestsPerMinute: number; sharing: Sharing },
  ) {
    this.maxRequests = maxTokenRequestsPerMinute;
    this.name = name;
    this.subject = subject;
    this.clock = clock;
    this.defer = defer;
    this.key = `key-${name}-0-canary`;
    this.keys.push(this.key);
    this.reference = new Reference(this.moment(), maxTokenRequestsPerMinute);
    this.setSecret("at once");
    const keeps = sharing === "keeps";
    if (sharing !== "none") {
      this.store = faultyStore(workingMoods(), {
        keeps,
        now: () => this.storeNow(),
        later: (call, operation, mood, arrive) => {
          const bound = this.bound();
          this.defer(`store call ${call} of ${name}`, () => {
            if (!this.isAlive(bound)) return;
            this.reference.storeAnswered(call, operation, mood);
            arrive();
          });
        },
        gave: (key, entry, ttlMs) => this.gave(key, entry, ttlMs),
      });
    }
    this.reference.store.moods = this.store?.moods;
    this.reference.store.keeps = keeps;
    this.manager = subject.createTokenManager({
      grant: subject.apiKeyGrant(() => this.readSecret()),
      clock: {
        ...clock,
        setTimer: (run, delayMs, options) => this.setTimer(run, delayMs, options),
      },
      random: () => this.reference.draw,
      maxTokenRequestsPerMinute,
      onEvent: (event) => this.heard(event),
      transport: (request, { signal }) => this.request(request, signal),
      store: this.store && subject.sharedStore(this.store.store),
    });
  }

  private moment(): Moment {
    return { monotonic: this.clock.monotonicNow(), wall: this.clock.wallNow() };
  }

  // What callers do.

  /** Calls getToken, `count` times in the same instant; `plain` is without any option. */
  call(options: {
    count: number;
    context: number;
    minValidityMs: number;
    rejected?: { token: string; origin: string | undefined } | undefined;
    plain?: boolean;
    aborted?: boolean;
  }): void {
    const { count, context, minValidityMs, rejected, plain = false, aborted = false } = options;
    const ids = Array.from({ length: count }, () => this.callers.push(this.bound(context)) - 1);
    const waitUntil = (promise: Promise<unknown>) => this.watchBackground(promise, context);
    if (!rejected) this.reference.call({ ids, context, minValidityMs }, undefined, aborted);
    else for (const id of ids) this.reference.call({ ids: [id], context, minValidityMs }, rejected, aborted);
    this.reference.readAtOnce();
    requestContext.run(context, () => {
      for (const id of ids) {
        if (plain) {
          this.watch(id, this.manager.getToken(), 0);
          continue;
        }
        const controller = new AbortController();
        this.controllers.set(id, controller);
        if (aborted) controller.abort("aborted");
        const { token, origin } = rejected ?? {};
        const { signal } = controller;
        const promise = this.manager.getToken({ minValidityMs, waitUntil, signal, rejected: token, origin });
        this.watch(id, promise, minValidityMs);
      }
    });
  }

  /** Sends a request with a token on it, through sendAuthorized. */
  send(origin: string, replayable: boolean, context: number): void {
    const id = this.callers.push(this.bound(context)) - 1;
    this.reference.call({ ids: [id], context, minValidityMs: 0, request: { origin, replayable, sent: [] } });
    this.reference.readAtOnce();
    const sent: string[] = [];
    const promise = requestContext.run(context, () =>
      this.subject.sendAuthorized<number>({
        manager: this.manager,
        origins: this.subject.originRules(),
        url: `${origin}/v1/things`,
        hasAuthorization: false,
        replayable,
        isUnauthorized: (status) => status === 401,
        waitUntil: (background) => this.watchBackground(background, context),
        send: (token, url) => {
          const accessToken = token?.accessToken ?? "none";
          this.require(url.origin === origin, "I9: only to the origin that was judged");
          sent.push(accessToken);
          this.require(
            sent.length <= (replayable ? 2 : 1),
            "I9: one replay, and only of what can be sent again",
          );
          this.served(accessToken, 0);
          return new Promise((resolve) => this.atResource(id, origin, accessToken, resolve));
        },
      }),
    );
    this.settles(
      id,
      promise.then((status) => `answered ${status}`),
    );
  }

  accept(origin: string, token: string): void {
    const known = this.tokens.get(token);
    if (known === undefined) return;
    this.manager.accepted(known, origin);
    this.reference.accepted(token, origin);
  }

  abort(id: number): void {
    this.reference.abort(id);
    this.controllers.get(id)?.abort("aborted");
  }

  /** Ends an incoming request: what it has in the way of timers and fetches never comes back, as on Workers. */
  kill(context: number): void {
    this.lives.set(context, this.bound(context).life + 1);
    for (const timer of this.timers) if (!this.isAlive(timer)) this.timers.delete(timer);
    this.reference.kill(context);
  }

  setSecret(how: "at once" | "late" | "unreadable"): void {
    this.secret = how;
    this.reference.secret = how === "at once" ? this.key : undefined;
  }

  setStore(operation: StoreOperation, mood: StoreMood): void {
    if (this.store) this.store.moods[operation] = mood;
  }

  /** Another process with the same key does something to the store. */
  other(deed: Deed): void {
    if (this.store === undefined) return;
    this.reference.store.other(this.key, deed);
    const { entries, locks } = this.store;
    const seal = this.sealFor(this.key);
    const { tokenKey, failureKey } = seal;
    const now = this.storeNow();
    if (deed.what === "writes a token") {
      const value = seal.close(tokenKey, { ...deed.token, issuedAt: this.clock.wallNow() });
      entries.set(tokenKey, { value, endsAt: now + deed.leftMs });
    } else if (deed.what === "writes a failure") {
      const { pauseMs, keptMs, failures, ...error } = deed.failure;
      const message = "The token endpoint answered another process.";
      const value = seal.close(failureKey, { error: { ...error, message }, pauseMs, keptMs, failures });
      entries.set(failureKey, { value, endsAt: now + deed.leftMs });
    } else if (deed.what === "takes the lock") {
      if (stillThere(locks.get(tokenKey), now) === undefined)
        locks.set(tokenKey, { value: deed.owner, endsAt: now + deed.forMs });
    } else {
      if (deed.what === "loses everything") for (const key of [tokenKey, failureKey]) entries.delete(key);
      locks.delete(tokenKey);
    }
  }

  /** The name of a process or a token that nobody had before. */
  anotherName(what: string): string {
    return `${what}-${this.name}-${++this.others}-canary`;
  }

  suspended(ms: number): void {
    this.suspendedMs += ms;
    this.reference.store.suspendedMs = this.suspendedMs;
  }

  rotate(): void {
    this.key = `key-${this.name}-${this.keys.length}-canary`;
    this.keys.push(this.key);
    this.setSecret(this.secret);
  }

  async dispose(): Promise<void> {
    this.reference.dispose();
    await this.manager[Symbol.asyncDispose]();
  }

  // What must be seen.

  /** Compares everything that has happened with what the reference says of it. */
  check(): void {
    const { reference, eventLines, outcomes } = this;
    const [violation] = this.violations;
    assert.equal(violation, undefined, `${violation} (${this.name})`);
    const equal = (seen: unknown, expected: unknown, what: string) =>
      assert.deepEqual(
        seen,
        expected,
        `${what} (${this.name}): ${inspect(seen)}, expected ${inspect(expected)}`,
      );
    const at = this.comparedEvents;
    if (at !== eventLines.length || at !== reference.events.length)
      equal(inOrder(eventLines.slice(at)), inOrder(reference.events.slice(at)), "I1, I2, I4: events");
    this.comparedEvents = eventLines.length;
    equal(this.requestsAt.length, reference.requests.length, "I1, I8: token requests");
    equal(this.store?.calls() ?? 0, reference.store.asked, "I13: calls of the store");
    if (reference.store.keeps)
      equal(this.inStore(), reference.store.inStore(this.key), "I13: what is in the store");
    equal(this.reads, reference.reads.length, "looks at the secret");
    equal(this.sends, reference.sends.length, "I9: requests sent");
    equal(this.manager.peek()?.accessToken, reference.peek(), "I2, I3: the token held");
    for (const { id, outcome } of outcomes.slice(this.comparedOutcomes))
      equal(outcome, reference.outcomes.get(id), `I3, I5: caller ${id}`);
    this.comparedOutcomes = outcomes.length;
    equal(outcomes.length, reference.outcomes.size, "I5: callers answered");
    const timers = [...this.timers];
    const kind =
      timers.length === 0 ? "none" : timers.every((t) => t.background) ? "background" : "foreground";
    equal(kind, reference.timers(), "I7: timers");
  }

  /** At the end: nothing is left, and nothing that anybody could see holds a secret. */
  finish(thoroughly: boolean): void {
    const answered = new Set(this.outcomes.map(({ id }) => id));
    for (const [id, caller] of this.callers.entries())
      assert.ok(
        answered.has(id) || !this.isAlive(caller),
        `liveness: caller ${id} still waits (${this.name})`,
      );
    for (const entry of this.background)
      assert.ok(entry.settled || !this.isAlive(entry), "I6: a background promise never settled");
    const brief = this.errors.map((error) => `${error} ${JSON.stringify(error)} ${(error as Error).stack}`);
    const events = this.events.map((event) => ("error" in event ? `${event.error}` : JSON.stringify(event)));
    for (const text of [...brief, ...events])
      assert.ok(!text.includes("canary"), `I10: a secret is shown: ${text}`);
    if (!thoroughly) return;
    const shown = inspect([this.errors, this.events, this.manager], {
      depth: null,
      showHidden: true,
      getters: true,
    });
    assert.ok(!shown.includes("canary"), "I10: a secret is shown by an error, an event or the manager");
  }

  // The world around the manager.

  private storeNow(): number {
    return this.clock.monotonicNow() + this.suspendedMs;
  }

  private sealFor(key: string): OtherSeal {
    const seal = this.seals.get(key) ?? sealOf(key);
    this.seals.set(key, seal);
    return seal;
  }

  private unsealed(seal: OtherSeal, key: string, entry: string): Record<string, unknown> | undefined {
    if (!this.opened.has(entry)) this.opened.set(entry, seal.open(key, entry));
    return this.opened.get(entry);
  }

  /** Somebody else may have made a token that is taken: what is left of its life is what the store says. */
  private gave(key: string, entry: string, ttlMs: number): void {
    for (const secret of this.keys) {
      const seal = this.sealFor(secret);
      if (seal.tokenKey !== key) continue;
      const { token, lifetimeMs } = this.unsealed(seal, key, entry) as { token: string; lifetimeMs: number };
      const { monotonic, wall } = this.moment();
      const aged = lifetimeMs - Math.min(lifetimeMs, ttlMs);
      const given = this.issued.get(token) ?? [];
      this.issued.set(token, [...given, { monotonic: monotonic - aged, wall: wall - aged, lifetimeMs }]);
    }
  }

  /** What lies in the store for the present key, in words. */
  private inStore(): string[] {
    const { entries, locks } = this.store as FaultyStore;
    const seal = this.sealFor(this.key);
    const now = this.storeNow();
    const token = stillThere(entries.get(seal.tokenKey), now);
    const failure = stillThere(entries.get(seal.failureKey), now);
    const lock = stillThere(locks.get(seal.tokenKey), now);
    const words: string[] = [];
    if (token) {
      const said = this.unsealed(seal, seal.tokenKey, token.value);
      words.push(`${said?.token} ${said?.lifetimeMs} ${said?.draw} ${token.endsAt}`);
    }
    if (failure) {
      const said = this.unsealed(seal, seal.failureKey, failure.value);
      const error = said?.error as SharedFailure | undefined;
      words.push(
        `${error?.code} ${error?.status} ${said?.pauseMs} ${said?.keptMs} ${said?.failures} ${failure.endsAt}`,
      );
    }
    if (lock) words.push(`${lock.value} ${lock.endsAt}`);
    return words;
  }

  private bound(context: number = requestContext.getStore() ?? 0): Bound {
    return { context, life: this.lives.get(context) ?? 0 };
  }

  private isAlive({ context, life }: Bound): boolean {
    return (this.lives.get(context) ?? 0) === life;
  }

  /** Remembered until the next look: what is thrown at the manager itself would be its failure to deal with. */
  private require(holds: boolean, what: string): void {
    if (!holds) this.violations.push(what);
  }

  private setTimer(run: () => void, delayMs: number, options: { background: boolean }): () => void {
    this.require(delayMs <= 2 ** 31 - 1, `I7: a timer of ${delayMs} ms fires at once`);
    const timer = { ...this.bound(), ...options };
    this.timers.add(timer);
    const cancel = this.clock.setTimer(
      () => {
        this.timers.delete(timer);
        run();
      },
      delayMs,
      options,
    );
    return () => {
      this.timers.delete(timer);
      cancel();
    };
  }

  private heard(event: Core.TokenManagerEvent): void {
    this.events.push(event);
    if (event.type === "exchange_started") {
      this.eventLines.push(`exchange_started ${event.reason}`);
      if (event.reason !== "rejected") return;
      const now = this.clock.monotonicNow();
      this.require(now - this.forcedAt >= 5000, "I8: forced exchanges less than 5 s apart");
      this.forcedAt = now;
    } else if (event.type === "exchange_succeeded")
      this.eventLines.push(`exchange_succeeded ${event.reason} ${event.committed} ${event.shared}`);
    else if (event.type === "exchange_failed")
      this.eventLines.push(
        `exchange_failed ${event.reason} ${event.error.code} ${event.held} ${event.coolDownMs}`,
      );
    else if (event.type === "token_rejected")
      this.eventLines.push(`token_rejected ${event.origin} ${event.outcome}`);
    else this.eventLines.push(`store_failed ${event.operation} ${event.problem} ${event.pauseMs}`);
  }

  private readSecret(): string | Promise<string> {
    const index = this.reads++;
    const { key, secret } = this;
    const bound = this.bound();
    const unreadable = new Error(`vault: ${key} cannot be read`);
    const tell = () => this.reference.secretRead(index, secret === "unreadable" ? undefined : key);
    if (secret === "at once") return key;
    return new Promise((resolve, reject) => {
      this.defer(`secret ${index} of ${this.name}`, () => {
        if (!this.isAlive(bound)) return;
        tell();
        if (secret === "unreadable") reject(unreadable);
        else resolve(key);
      });
    });
  }

  private request(request: Core.TokenRequest, signal: AbortSignal): Promise<Core.TokenResponse> {
    const now = this.clock.monotonicNow();
    const index = this.requestsAt.push(this.moment()) - 1;
    const key = new URLSearchParams(request.body).get("apikey") ?? "";
    this.require(this.keys.includes(key), "I11: the key of another tenant was sent");
    const expected = this.reference.requests[index];
    this.require(expected !== undefined, "I1, I8: a token request that nobody expects");
    this.require((expected?.secret ?? key) === key, "I11: another key than the present one was sent");
    const recent = this.requestsAt.filter(({ monotonic }) => now - monotonic < 60_000).length;
    this.require(recent <= this.maxRequests, "I8: more token requests in a minute than the budget");
    const mine = { ...this.bound(), since: now };
    // One that its own deadline should have ended counts no more: its timers died, or fire late.
    const others = [...this.open].filter((each) => this.isAlive(each) && now - each.since <= 11_000);
    this.require(others.length === 0, "I1: two token requests in flight");
    this.open.add(mine);
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => {
        this.open.delete(mine);
        reject(signal.reason);
      });
      if (this.mood.kind === "hang") return;
      this.defer(`answer ${index} of ${this.name}`, () => {
        if (!this.isAlive(mine) || signal.aborted) return;
        this.open.delete(mine);
        this.answer(index, key, resolve, reject);
      });
    });
  }

  private answer(
    index: number,
    key: string,
    resolve: (response: Core.TokenResponse) => void,
    reject: (error: unknown) => void,
  ): void {
    const mood: Mood = this.revokedKeys.has(key) ? { kind: "status", status: 400 } : this.mood;
    const respond = (answer: Answer, status: number, body: unknown, retryAfter?: string) => {
      this.reference.answered(index, answer);
      const text = typeof body === "string" ? body : JSON.stringify(body);
      resolve(this.subject.tokenResponse({ status, body: text, retryAfter }));
    };
    if (mood.kind === "grant" || mood.kind === "same") {
      const { lifetimeS } = mood;
      const last = [...this.issued.keys()].at(-1);
      const token =
        mood.kind === "same" && last !== undefined ? last : `token-${this.name}-${++this.granted}-canary`;
      const lifetimeMs = lifetimeS === undefined ? Number.POSITIVE_INFINITY : lifetimeS * 1000;
      const given = this.issued.get(token) ?? [];
      const start = this.reference.requests[index]?.exchange.from ?? this.moment();
      this.issued.set(token, [...given, { ...start, lifetimeMs }]);
      respond({ kind: "token", token, lifetimeMs }, 200, {
        access_token: token,
        token_type: "bearer",
        expires_in: lifetimeS,
        refresh_token: "not_supported",
      });
    } else if (mood.kind === "malformed") {
      const failure = { code: "ERR_IAM_TOKEN_RESPONSE_INVALID", status: 200, retryable: true };
      respond({ kind: "failure", failure }, 200, flaws[mood.flaw](`bad-${this.name}-canary`));
    } else if (mood.kind === "status") {
      const { status, retryAfterS } = mood;
      const retryable = status === 429 || (status >= 500 && status !== 501);
      const code = retryable ? "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE" : "ERR_IAM_TOKEN_ENDPOINT_REFUSED";
      const retryAfterMs = retryable && retryAfterS !== undefined ? retryAfterS * 1000 : undefined;
      respond(
        { kind: "failure", failure: { code, status, retryable, retryAfterMs } },
        status,
        { errorCode: "BXNIM0415E", errorMessage: `${key} was not found` },
        retryAfterS?.toString(),
      );
    } else {
      const failure = { code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", retryable: true };
      this.reference.answered(index, { kind: "failure", failure });
      reject(Object.assign(new TypeError(`fetch failed: ${key}`), { config: { data: key } }));
    }
  }

  private atResource(id: number, origin: string, token: string, resolve: (status: number) => void): void {
    this.sends++;
    const bound = this.callers[id];
    this.defer(`resource for ${id} of ${this.name}`, () => {
      if (bound === undefined || !this.isAlive(bound)) return;
      const refused = this.refusing.has(origin) || this.revoked.has(token);
      this.reference.resourceAnswered(id, refused ? 401 : 200);
      this.reference.readAtOnce();
      resolve(refused ? 401 : 200);
    });
  }

  // Looking on.

  private watchBackground(promise: Promise<unknown>, context: number): void {
    const entry = { settled: false, ...this.bound(context) };
    this.background.push(entry);
    const settled = () => {
      entry.settled = true;
    };
    promise.then(settled, settled);
  }

  private watch(id: number, promise: Promise<Core.Token>, minValidityMs: number): void {
    this.settles(
      id,
      promise.then((token) => {
        const { accessToken } = token;
        this.tokens.set(accessToken, token);
        this.served(accessToken, minValidityMs);
        return `token ${accessToken}`;
      }),
    );
  }

  private settles(id: number, promise: Promise<string>): void {
    const settled = (outcome: string) => this.outcomes.push({ id, outcome });
    promise.then(settled, (error: unknown) => {
      this.errors.push(error);
      if (error === "aborted") settled("aborted");
      else
        settled(this.subject.isIamError(error) ? failed(error as Core.TokenEndpointError) : `threw ${error}`);
    });
  }

  private served(token: string, minValidityMs: number): void {
    if (this.seen.at(-1) !== token) this.seen.push(token);
    const given = this.issued.get(token);
    this.require(given !== undefined, `I2, I11: ${token} was never given to ${this.name}`);
    const { monotonic, wall } = this.moment();
    const valid = given?.some((issued) => {
      const marginMs = Math.max(minValidityMs, Math.min(10_000, issued.lifetimeMs / 10));
      return issued.lifetimeMs - Math.max(monotonic - issued.monotonic, wall - issued.wall) >= marginMs;
    });
    this.require(valid === true, "I12: a token was served that expires too early");
  }
}

/** Each kind in its order: an exchange tells of its start a moment after it was begun. */
function inOrder(lines: readonly string[]): string[] {
  const of = (kind: string) => lines.filter((line) => line.startsWith(kind));
  return ["token", "store", "exchange"].flatMap(of);
}
