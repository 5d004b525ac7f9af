import fc from "fast-check";
import { cryptoAtOnce } from "./crypto-at-once.ts";
import { type StoreMood, type StoreOperation, workingMoods } from "./faulty-store.ts";
import type { SharedFailure } from "./other-processes.ts";
import { type Mood, origins, type Subject, type Tenant } from "./tenant.ts";
import { World } from "./world.ts";

/** What a schedule is run with besides its commands. */
interface Stage {
  readonly world: World;
  readonly scheduler: fc.Scheduler;
}

type Act = (stage: Stage, tenant: Tenant) => void | Promise<void>;

/** One step: something happens, then a few of the answers that are under way arrive, in any order. */
class Step implements fc.AsyncCommand<object, Stage> {
  private readonly text: string;
  private readonly tenant: 0 | 1;
  private readonly arrivals: number;
  private readonly act: Act;

  constructor(text: string, tenant: 0 | 1, arrivals: number, act: Act) {
    this.text = text;
    this.tenant = tenant;
    this.arrivals = arrivals;
    this.act = act;
  }

  check(): boolean {
    return true;
  }

  async run(_model: object, stage: Stage): Promise<void> {
    const { world, scheduler } = stage;
    await this.act(stage, world.tenants[this.tenant]);
    await world.check();
    for (let arrived = 0; arrived < this.arrivals && scheduler.count() > 0; arrived++) {
      await scheduler.waitOne();
      await world.check();
    }
  }

  toString(): string {
    return `${this.text} [tenant ${this.tenant}, ${this.arrivals} arrive]`;
  }
}

const tenant = fc.constantFrom<(0 | 1)[]>(0, 0, 0, 0, 1);
const context = fc.constantFrom(0, 0, 1, 2);
const arrivals = fc.constantFrom(0, 0, 1, 2, 5);

function step<T extends readonly unknown[]>(
  name: string,
  parameters: { [K in keyof T]: fc.Arbitrary<T[K]> },
  act: (stage: Stage, tenant: Tenant, ...values: T) => void | Promise<void>,
): fc.Arbitrary<Step> {
  return fc
    .tuple(fc.tuple(...parameters) as unknown as fc.Arbitrary<T>, tenant, arrivals)
    .map(
      ([values, index, letIn]) =>
        new Step(
          `${name} ${values.map((each) => JSON.stringify(each) ?? "none").join(" ")}`,
          index,
          letIn,
          (stage, of) => act(stage, of, ...values),
        ),
    );
}

const minValidityMs = fc.constantFrom(0, 0, 1000, 60_000, 1_800_000, 3_599_999, 7_200_000);
const origin = fc.constantFrom(...origins, ...origins, undefined);
/** How far back in the list of tokens that have been seen. */
const back = fc.constantFrom(0, 0, 0, 1, 2);

const lifetimeS = fc.constantFrom(3600, 3600, 3600, 1, 25, 90, 300, 60 * 86_400, undefined);
const retryAfterS = fc.constantFrom(undefined, undefined, 0, 1, 3, 30, 7200);
const mood: fc.Arbitrary<Mood> = fc.oneof(
  { weight: 6, arbitrary: lifetimeS.map((seconds): Mood => ({ kind: "grant", lifetimeS: seconds })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(300, 3600).map((seconds): Mood => ({ kind: "same", lifetimeS: seconds })),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom(400, 401, 403, 429, 429, 500, 501, 503, 503), retryAfterS)
      .map(([status, seconds]): Mood => ({ kind: "status", status, retryAfterS: seconds })),
  },
  { weight: 2, arbitrary: fc.constant<Mood>({ kind: "unreachable" }) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(
        "html",
        "no token",
        "line break",
        "negative",
        "a date for a duration",
        "error in 200",
        "other type",
      )
      .map((flaw): Mood => ({ kind: "malformed", flaw: flaw as "html" })),
  },
  { weight: 1, arbitrary: fc.constant<Mood>({ kind: "hang" }) },
);

/** What other processes say of their failures: as many as there may have been in a row. */
const failureOfOthers: fc.Arbitrary<SharedFailure> = fc
  .tuple(
    fc.constantFrom<[number | undefined, number]>(
      [400, 30_000],
      [503, 1000],
      [503, 2000],
      [429, 7000],
      [undefined, 1000],
    ),
    fc.constantFrom(1, 2, 3),
  )
  .map(([[status, pauseMs], failures]) => {
    const code = status === 400 ? "ERR_IAM_TOKEN_ENDPOINT_REFUSED" : "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE";
    const keptMs = Math.min(pauseMs + 15_000, 30_000);
    return { code, status, retryable: status !== 400, pauseMs, keptMs, failures };
  });

function token({ seen }: Tenant, from: number): string {
  return seen.at(-1 - from) ?? "unknown";
}

const aTime = (...of: number[]) =>
  step<[number]>("time", [fc.constantFrom(...of)], ({ world }, _of, by) => world.advance(by));

const anEndpoint = (moods: fc.Arbitrary<Mood>) =>
  step<[Mood]>("endpoint", [moods], (_, of, next) => {
    of.mood = next;
  });

/** What can happen, each with the steps of that name. `most` is how many callers may come at once. */
function kinds(most: number): Record<string, fc.Arbitrary<Step>> {
  const count = most > 3 ? fc.constantFrom(1, 2, most) : fc.constantFrom(1, 1, 2, 3);
  return {
    call: step<[number, number]>("call", [count, context], (_, of, n, where) =>
      of.call({ count: n, context: where, minValidityMs: 0, plain: true }),
    ),
    callWithOptions: step<[number, number, number, boolean]>(
      "call with options",
      [count, context, minValidityMs, fc.constantFrom(false, false, false, true)],
      (_, of, n, where, min, aborted) => of.call({ count: n, context: where, minValidityMs: min, aborted }),
    ),
    abort: step<[number]>("abort", [fc.nat(20)], (_, of, from) => {
      const ids = [...of.controllers.keys()];
      const id = ids.at(-1 - (from % Math.max(1, ids.length)));
      if (id !== undefined) of.abort(id);
    }),
    unauthorized: step<[number, string | undefined, number, number]>(
      "401",
      [fc.constantFrom(1, 1, 3), origin, back, context],
      (_, of, n, from, which, where) =>
        of.call({
          count: n,
          context: where,
          minValidityMs: 0,
          rejected: { token: token(of, which), origin: from },
        }),
    ),
    accepted: step<[string, number]>("accepted", [fc.constantFrom(...origins), back], (_, of, from, which) =>
      of.accept(from, token(of, which)),
    ),
    request: step<[string, boolean, number]>(
      "request",
      [fc.constantFrom(...origins), fc.constantFrom(true, true, false), context],
      (_, of, to, replayable, where) => of.send(to, replayable, where),
    ),
    resource: step<[string]>("resource turns", [fc.constantFrom(...origins)], (_, of, at) => {
      if (!of.refusing.delete(at)) of.refusing.add(at);
    }),
    revokeToken: step<[number]>(
      "revoke token",
      [back],
      (_, of, which) => void of.revoked.add(token(of, which)),
    ),
    endpoint: anEndpoint(mood),
    chance: step<[number]>("chance", [fc.constantFrom(0, 0.25, 0.5, 0.75, 0.875)], (_, of, draw) => {
      of.reference.draw = draw;
    }),
    revokeKey: step("revoke key", [], (_, of) => void of.revokedKeys.add(of.key)),
    rotateKey: step("rotate key", [], (_, of) => of.rotate()),
    secret: step<["at once" | "late" | "unreadable"]>(
      "secret",
      [fc.constantFrom("at once", "at once", "late", "unreadable")],
      (_, of, how) => {
        of.setSecret(how);
      },
    ),
    store: step<[StoreOperation, StoreMood["what"], StoreMood["when"]]>(
      "store",
      [
        fc.constantFrom("get", "get", "set", "lock", "lock", "release", "release"),
        fc.constantFrom(
          ...(["nothing", "nothing", "failure", "garbage", "garbage", "what does not open"] as const),
          "failure, but it is done",
        ),
        fc.constantFrom("at once", "at once", "late", "never"),
      ],
      (_, of, operation, what, when) => of.setStore(operation, { what, when }),
    ),
    time: aTime(
      ...[1, 50, 250, 500, 1000, 1999, 2000, 3500, 4000, 5000, 9000, 11_000, 11_001, 15_000],
      ...[30_000, 60_000, 120_000, 600_000, 900_000, 2_000_000, 3_000_000, 3_600_000],
    ),
    instant: step<[number, number]>(
      "time to an instant",
      [fc.nat(5), fc.constantFrom(-1, 0, 0, 1)],
      ({ world }, of, which, off) => {
        const instants = of.reference.instants();
        const by = instants[which % Math.max(1, instants.length)] ?? 0;
        return world.advance(Math.max(0, Math.ceil(by) + off));
      },
    ),
    blocked: step<[number]>("blocked", [fc.constantFrom(100, 3000, 12_000, 60_000)], ({ world }, _of, by) =>
      world.block(by),
    ),
    suspended: step<[number]>("suspended", [fc.constantFrom(1000, 60_000, 7_200_000)], ({ world }, _of, by) =>
      world.suspend(by),
    ),
    date: step<[number]>(
      "date set",
      [fc.constantFrom(-7_200_000, -60_000, -1000, 1000, 60_000, 7_200_000)],
      ({ world }, _of, by) => world.stepWall(by),
    ),
    otherWrites: step<[number, number, number, number | undefined]>(
      "another writes a token",
      [
        fc.constantFrom(25, 300, 3600, 3600),
        fc.constantFrom(0, 0, 0.5, 0.8, 0.95),
        fc.constantFrom(0, 0.5, 1),
        // One of the past too.
        fc.constantFrom(undefined, undefined, undefined, 0, 1, 2),
      ],
      (_, of, seconds, aged, draw, past) => {
        const lifetimeMs = seconds * 1000;
        const name = past === undefined ? undefined : of.seen.at(-1 - past);
        const token = { token: name ?? of.anotherName("token"), lifetimeMs, draw };
        of.other({ what: "writes a token", token, leftMs: lifetimeMs * (1 - aged) });
      },
    ),
    otherFails: step<[SharedFailure, number]>(
      "another writes a failure",
      [failureOfOthers, fc.constantFrom(0, 0, 500, 2500)],
      (_, of, failure, agoMs) =>
        of.other({ what: "writes a failure", failure, leftMs: failure.keptMs - agoMs }),
    ),
    otherLocks: step<[number]>(
      "another takes the lock",
      [fc.constantFrom(100, 2000, 2000, 20_000)],
      (_, of, forMs) => of.other({ what: "takes the lock", owner: of.anotherName("process"), forMs }),
    ),
    othersPassOn: step<[number, number]>(
      "others pass the lock on",
      [fc.constantFrom(3, 6, 30), fc.constantFrom(100, 300, 1999, 2000)],
      async ({ world }, of, times, forMs) => {
        for (let left = times; left > 0; left--) {
          of.other({ what: "lets go of the lock" });
          of.other({ what: "takes the lock", owner: of.anotherName("process"), forMs: 2000 });
          await world.advance(forMs);
        }
      },
    ),
    otherLetsGo: step("another lets go of the lock", [], (_, of) =>
      of.other({ what: "lets go of the lock" }),
    ),
    slowStore: step<[StoreOperation]>(
      "the store is slow",
      [fc.constantFrom("get", "lock", "lock", "set", "release")],
      (_, of, operation) => of.setStore(operation, { what: "nothing", when: "late" }),
    ),
    forgets: step("the store loses everything", [], (_, of) => of.other({ what: "loses everything" })),
    kill: step<[number]>("request of Workers ends", [fc.constantFrom(1, 2)], ({ world }, _of, which) =>
      world.kill(which),
    ),
    dispose: step<[number]>("dispose", [fc.nat(4)], (_, of, chance) =>
      chance === 0 ? of.dispose() : undefined,
    ),
    answers: step("answers", [], (stage) => everythingArrives(stage)),
  };
}

/** What schedules are about, with how often each kind of step comes: depth where many steps make one story. */
const themes = {
  everything: (kind: ReturnType<typeof kinds>) =>
    weighed(kind, {
      ...{ call: 4, callWithOptions: 1, abort: 1, unauthorized: 2, accepted: 1, request: 2, resource: 1 },
      ...{
        revokeToken: 1,
        endpoint: 3,
        chance: 1,
        revokeKey: 1,
        rotateKey: 1,
        secret: 1,
        time: 3,
        instant: 4,
      },
      ...{ blocked: 1, suspended: 1, date: 1, kill: 1, dispose: 1, answers: 1 },
    }),
  refusals: (kind: ReturnType<typeof kinds>) => [
    ...weighed(kind, {
      call: 1,
      unauthorized: 4,
      accepted: 3,
      request: 2,
      resource: 1,
      revokeToken: 1,
      answers: 3,
    }),
    ...Array.from({ length: 4 }, () =>
      aTime(1000, 3500, 4999, 5000, 5000, 5000, 30_000, 60_000, 899_999, 900_000),
    ),
    anEndpoint(
      fc.constantFrom<Mood>(
        { kind: "grant", lifetimeS: 86_400 },
        { kind: "grant", lifetimeS: 86_400 },
        { kind: "grant", lifetimeS: 25 },
        { kind: "status", status: 503 },
      ),
    ),
  ],
  bursts: (kind: ReturnType<typeof kinds>) => [
    ...weighed(kind, {
      call: 5,
      callWithOptions: 1,
      unauthorized: 2,
      abort: 1,
      secret: 1,
      blocked: 2,
      dispose: 1,
      answers: 2,
      instant: 2,
    }),
    ...Array.from({ length: 4 }, () => aTime(1, 500, 1000, 2000, 4000)),
    ...Array.from({ length: 2 }, () =>
      anEndpoint(fc.constantFrom<Mood>({ kind: "grant", lifetimeS: 1 }, { kind: "unreachable" })),
    ),
  ],
  stores: (kind: ReturnType<typeof kinds>) => [
    ...weighed(kind, {
      ...{ call: 5, callWithOptions: 1, abort: 1, unauthorized: 2, request: 1, resource: 1, revokeToken: 1 },
      ...{ endpoint: 3, chance: 1, revokeKey: 1, rotateKey: 1, secret: 1, store: 6, time: 2, instant: 5 },
      ...{ blocked: 1, suspended: 1, date: 1, kill: 1, dispose: 1, answers: 1 },
    }),
    ...Array.from({ length: 3 }, () => aTime(49, 50, 51, 100, 149, 150, 151)),
  ],
  fleets: (kind: ReturnType<typeof kinds>) => [
    ...weighed(kind, {
      ...{ call: 5, callWithOptions: 1, abort: 1, unauthorized: 2, request: 1, resource: 1, revokeToken: 1 },
      ...{ endpoint: 2, chance: 1, rotateKey: 1, secret: 1, store: 2, slowStore: 3, instant: 6, answers: 2 },
      ...{ otherWrites: 4, otherFails: 2, otherLocks: 4, othersPassOn: 1, otherLetsGo: 2, forgets: 1 },
      ...{ blocked: 1, suspended: 1, date: 1, kill: 1, dispose: 1 },
    }),
    ...Array.from({ length: 4 }, () => aTime(49, 50, 100, 149, 250, 1000, 1999, 2000, 5000, 9000)),
    aTime(30_000, 600_000, 3_000_000),
  ],
};

function weighed(
  kind: Record<string, fc.Arbitrary<Step>>,
  weights: Record<string, number>,
): fc.Arbitrary<Step>[] {
  return Object.entries(weights).flatMap(([name, weight]) => {
    const steps = kind[name];
    if (steps === undefined) throw new Error(`There is no kind of step ${name}`);
    return Array.from({ length: weight }, () => steps);
  });
}

async function everythingArrives({ world, scheduler }: Stage): Promise<void> {
  for (let left = 1000; left > 0 && scheduler.count() > 0; left--) {
    await scheduler.waitOne();
    await world.check();
  }
}

/** The names of the themes. */
export const themeNames: readonly (keyof typeof themes)[] = [
  "everything",
  "refusals",
  "bursts",
  "stores",
  "fleets",
];

/** After any schedule: everybody is answered within the deadlines, and a manager whose world has healed gives a token. */
async function heal(stage: Stage, thoroughly: boolean): Promise<void> {
  const { world } = stage;
  for (const each of world.tenants) {
    each.mood = { kind: "grant", lifetimeS: 3600 };
    each.setSecret("at once");
    for (const [operation, mood] of Object.entries(workingMoods()))
      each.setStore(operation as StoreOperation, mood);
    each.refusing.clear();
    each.rotate();
  }
  // Nothing that has not answered until now does so: the longest wait is one exchange behind another.
  await world.advance(25_000);
  await world.check();
  await everythingArrives(stage);
  for (const each of world.tenants) {
    const until = each.reference.cool?.until ?? 0;
    // The budget of the minute too.
    await world.advance(Math.max(61_000, until - world.clock.monotonicNow()));
    each.call({ count: 2, context: 0, minValidityMs: 0, plain: true });
    await world.check();
    await everythingArrives(stage);
    await world.check();
    each.finish(thoroughly);
  }
}

/** How many schedules to run, and which. */
export interface ScheduleOptions {
  readonly runs: number;
  /** What they are about. Default: everything. */
  readonly theme?: keyof typeof themes | undefined;
  readonly seed?: number | undefined;
  /** The counterexample to run again, with its seed: `path` and `replayPath` as they were printed. */
  readonly path?: string | undefined;
  readonly replayPath?: string | undefined;
  /** Stop at the first schedule that fails, without looking for a shorter one. Default: false. */
  readonly endOnFailure?: boolean | undefined;
  /** The most callers that come at once. Default: 3. */
  readonly most?: number | undefined;
  /** The most steps in one schedule. Default: 40. */
  readonly length?: number | undefined;
}

/** Runs random schedules against a manager and its reference. Rejects with the seed and the shortest schedule that fails. */
export async function runSchedules(subject: Subject, options: ScheduleOptions): Promise<void> {
  const {
    runs,
    theme = "everything",
    seed,
    path,
    replayPath,
    most = 3,
    length = 40,
    endOnFailure = false,
  } = options;
  const unhandled: unknown[] = [];
  const hear = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", hear);
  const sharing = theme === "fleets" ? "keeps" : theme === "stores" ? "loses" : "none";
  const giveBack = sharing === "none" ? () => {} : cryptoAtOnce();
  let run = 0;
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.commands(themes[theme](kinds(most)), {
          maxCommands: length,
          size: "max",
          ...(replayPath !== undefined && { replayPath }),
        }),
        async (scheduler, commands) => {
          unhandled.length = 0;
          const world = new World(
            subject,
            (label, happen) => void scheduler.schedule(Promise.resolve(), label).then(happen),
            { unhandled, maxTokenRequestsPerMinute: theme === "bursts" ? 4 : 12, sharing },
          );
          const stage: Stage = { world, scheduler };
          await fc.asyncModelRun(() => ({ model: {}, real: stage }), commands);
          await heal(stage, run++ % 20 === 0);
        },
      ),
      {
        numRuns: runs,
        ...(seed !== undefined && { seed }),
        ...(path !== undefined && { path }),
        endOnFailure,
      },
    );
  } finally {
    process.off("unhandledRejection", hear);
    giveBack();
  }
}
