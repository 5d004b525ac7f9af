import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ScheduleOptions } from "./schedules.ts";
import type { Subject } from "./tenant.ts";

/** A bug to plant in a copy of the sources. */
export interface PlantedBug {
  /** What the manager does wrong then, to be read after "a manager that". */
  readonly bug: string;
  /** The check that must fail, as it names itself. */
  readonly caughtBy: string;
  /** What the schedules that catch it are about. Default: everything. */
  readonly theme?: ScheduleOptions["theme"];
  /** File, the text that must be there once, and what stands there instead. */
  readonly changes: readonly (readonly [file: string, from: string, to: string])[];
}

const manager = "token-manager.ts";

/** The bugs of real libraries first, then those that this one had, then one for each rule. */
export const plantedBugs: readonly PlantedBug[] = [
  {
    bug: "begins an exchange for each caller",
    caughtBy: "I1, I8: a token request that nobody expects",
    changes: [[manager, "const current = live ?? begin(", "const current = begin("]],
  },
  {
    bug: "has no single flight for forced exchanges",
    caughtBy: "I1, I8: a token request that nobody expects",
    changes: [
      [manager, "const current = live ?? begin(", "const current = (replacing ? undefined : live) ?? begin("],
    ],
  },
  {
    bug: "refreshes at a constant share of the life",
    caughtBy: "I2, I3: the token held",
    changes: [["expiry.ts", "(0.7 + 0.15 * random())", "0.8"]],
  },
  {
    bug: "lets a failed background refresh be an unhandled rejection",
    caughtBy: "I6",
    changes: [["events.ts", "promise.catch(() => {})", "promise.finally(() => {})"]],
  },
  {
    bug: "drops a good token when a refresh fails",
    caughtBy: "I1, I2, I4: events",
    changes: [
      [
        manager,
        "      if (flight === current) {\n",
        "      lease = undefined;\n      if (flight === current) {\n",
      ],
    ],
  },
  {
    bug: "replaces the token for every 401 of an origin that accepts none",
    caughtBy: "I1, I8: a token request that nobody expects",
    changes: [["refusals.ts", "return nowMs < refusal.until;", "return false;"]],
  },
  {
    bug: "has no floor between forced exchanges",
    caughtBy: "I8: forced exchanges less than 5 s apart",
    changes: [[manager, "nowMs - forcedAt < forcedIntervalMs", "false"]],
  },
  {
    bug: "fails requests that met their 401 before the exchange that they all wait for",
    caughtBy: "I9: requests sent",
    changes: [
      [
        "send-authorized.ts",
        "if (replacement.accessToken === token.accessToken) return response;",
        "if (true) return response;",
      ],
    ],
  },
  {
    bug: "drops the new token for a late 401 of the old one",
    caughtBy: "I1, I2, I4: events",
    changes: [[manager, "usable()?.token.accessToken !== accessToken", "usable() === undefined"]],
  },
  {
    bug: "asks again for each call when the server gives the same token until it expires",
    caughtBy: "I2, I3: the token held",
    changes: [[manager, "      life = { ...life, refreshMs: life.usableMs };\n", ""]],
  },
  {
    bug: "makes the same token younger each time the server gives it",
    caughtBy: "I2, I3: the token held",
    changes: [[manager, "if (remainingMs(held, clock) < remainingMs(life, clock)) life = held;", ""]],
  },
  {
    bug: "takes ten seconds off a token of one",
    caughtBy: "I2, I3: the token held",
    changes: [["expiry.ts", "Math.min(10_000, lifetimeMs / 10)", "10_000"]],
  },
  {
    bug: "believes the wall clock alone",
    caughtBy: "I2, I3: the token held",
    changes: [
      [
        "expiry.ts",
        "Math.max(clock.monotonicNow() - start.monotonic, clock.wallNow() - start.wall)",
        "clock.wallNow() - start.wall",
      ],
    ],
  },
  {
    bug: "does not notice that the machine was suspended",
    caughtBy: "I2, I3: the token held",
    changes: [
      [
        "expiry.ts",
        "Math.max(clock.monotonicNow() - start.monotonic, clock.wallNow() - start.wall)",
        "clock.monotonicNow() - start.monotonic",
      ],
    ],
  },
  {
    bug: "takes seconds for milliseconds",
    caughtBy: "I2, I3: the token held",
    changes: [["token-response.ts", "lifetimeS && lifetimeS * 1000", "lifetimeS"]],
  },
  {
    bug: "counts the life of a token from its arrival",
    caughtBy: "I12: a token was served that expires too early",
    changes: [
      [
        manager,
        "parsed.life ?? lifetimeFrom(start,",
        "parsed.life ?? lifetimeFrom({ wall: clock.wallNow(), monotonic: clock.monotonicNow() },",
      ],
    ],
  },
  {
    bug: "keeps the process alive for a background refresh",
    caughtBy: "I7: timers",
    changes: [[manager, 'background: reason === "expiring"', "background: false"]],
  },
  {
    bug: "lets the process end under a caller who waits",
    caughtBy: "I7: timers",
    changes: [
      [
        manager,
        "{ clock, background: false, ends: new Set() }",
        "{ clock, background: true, ends: new Set() }",
      ],
    ],
  },
  {
    bug: "leaves the timers of those who waited behind",
    caughtBy: "I7: timers",
    changes: [
      ["deadline.ts", "promise.then(resolve, reject).finally(leave);", "promise.then(resolve, reject);"],
    ],
  },
  {
    bug: "waits for ever for an exchange that died with its request",
    caughtBy: "I1, I2, I4: events",
    changes: [
      [
        manager,
        "flight === current && current.beats === beats) flight = undefined",
        "false) flight = undefined",
      ],
    ],
  },
  {
    bug: "begins a second exchange beside one that is slow",
    caughtBy: "I1, I8: a token request that nobody expects",
    changes: [[manager, " && current.beats === beats) flight = undefined", ") flight = undefined"]],
  },
  {
    bug: "never gives up a background refresh that died",
    caughtBy: "I1, I2, I4: events",
    changes: [
      [
        manager,
        "flight && clock.monotonicNow() - flight.start.monotonic <= deadlineMs + joinTimeoutMs",
        "flight",
      ],
    ],
  },
  {
    bug: "keeps a foreign error as the cause",
    caughtBy: "I10",
    changes: [["errors.ts", "{ cause: cleanCause(cause) }", "{ cause }"]],
  },
  {
    bug: "puts the answer of the token endpoint into the message",
    caughtBy: "I10",
    changes: [
      [
        "token-response.ts",
        'invalidResponse("no usable access_token in JSON: perhaps a proxy or a login page")',
        'invalidResponse("it is " + body)',
      ],
    ],
  },
  {
    bug: "sends a body again that cannot be sent again",
    caughtBy: "I5: callers answered",
    changes: [["send-authorized.ts", "  if (!replayable) {\n", "  if (false) {\n"]],
  },
  {
    bug: "replays a request until it is accepted",
    caughtBy: "I1, I2, I4: events",
    changes: [
      [
        "send-authorized.ts",
        "  if (!request.isUnauthorized(answer)) manager.accepted(replacement, origin);\n",
        "  if (request.isUnauthorized(answer)) return afterRefusal(request, { token: replacement, response: answer, origin, send });\n  manager.accepted(replacement, origin);\n",
      ],
    ],
  },
  {
    bug: "asks a token endpoint that is down for each call",
    caughtBy: "I1, I8: a token request that nobody expects",
    changes: [
      [
        manager,
        "return coolDown && clock.monotonicNow() < coolDown.until ? coolDown : undefined;",
        "return undefined;",
      ],
    ],
  },
  {
    bug: "keeps its callers waiting for as long as Retry-After says",
    caughtBy: "I1, I2, I4: events",
    changes: [["retry.ts", "return retryable && delayMs < remainingMs ?", "return retryable ?"]],
  },
  {
    bug: "does not remember a token for callers that bring a signal",
    caughtBy: "I1, I8: a token request that nobody expects",
    changes: [[manager, "if (held && satisfies(held)) {", "if (held && satisfies(held) && !signal) {"]],
  },
  {
    bug: "tells nobody that a token was rejected",
    caughtBy: "I1, I2, I4: events",
    changes: [[manager, 'tell(onEvent, { type: "token_rejected", origin, outcome });', ""]],
  },
  {
    bug: "asks for each call whether a refused key is still refused",
    caughtBy: "I1, I2, I4: events",
    changes: [["retry.ts", "? 30_000", "? 0"]],
  },
  {
    bug: "remembers a failed exchange for ever",
    caughtBy: "I1, I2, I4: events",
    changes: [[manager, "until: secretCheckedAt + ms", "until: Infinity"]],
  },
  {
    bug: "reads the secret once",
    caughtBy: "looks at the secret",
    changes: [["exchange.ts", "(secret ??= readSecret(run))", "(grant.read ??= readSecret(run))"]],
  },
  {
    bug: "does not look for the new secret while the old one is refused",
    caughtBy: "looks at the secret",
    changes: [[manager, "nowMs - secretCheckedAt < secretCheckIntervalMs", "true"]],
  },
  {
    bug: "ends the exchange when the caller that began it aborts",
    caughtBy: "I1, I2, I4: events",
    changes: [
      [
        manager,
        "    const { beats, result } = current;\n",
        '    const { beats, result } = current;\n    if (!live) signal?.addEventListener("abort", () => { for (const end of [...current.ends]) end(disposedError()); });\n',
      ],
    ],
  },
  {
    bug: "does not hear a caller that aborts",
    caughtBy: "I5: callers answered",
    changes: [
      [manager, "within(waiting, joinTimeoutMs, answer, signal)", "within(waiting, joinTimeoutMs, answer)"],
    ],
  },
  {
    bug: "has no deadline for an attempt",
    caughtBy: "I1, I2, I4: events",
    changes: [["exchange.ts", "Math.min(attemptDeadlineMs, remainingMs())", "remainingMs()"]],
  },
  {
    bug: "has no deadline for an exchange",
    caughtBy: "I1, I8: a token request that nobody expects",
    changes: [["exchange.ts", "await withDeadline(run, totalMs, ", "await withDeadline(run, 2 ** 31 - 1, "]],
  },
  {
    bug: "shares the token between managers",
    caughtBy: "I2, I3: the token held",
    changes: [
      [manager, "  let lease = config.store?.kept;\n", ""],
      [manager, "const forcedIntervalMs", "let lease: Lease | undefined;\nconst forcedIntervalMs"],
    ],
  },
  {
    bug: "serves a token up to the second in which it expires",
    caughtBy: "I2, I3: the token held",
    changes: [["expiry.ts", "lifetimeMs - Math.min(10_000, lifetimeMs / 10)", "lifetimeMs"]],
  },
  {
    bug: "gives a token with less life than was asked for",
    caughtBy: "I12: a token was served that expires too early",
    changes: [[manager, "remainingMs(held, clock) >= minValidityMs", "true"]],
  },
  {
    bug: "counts the floor between forced exchanges from the rejection",
    caughtBy: "I1, I2, I4: events",
    theme: "refusals",
    changes: [
      [manager, "    if (rejected) forcedAt = clock.monotonicNow();\n", ""],
      [manager, "      suspect = lease;\n", "      suspect = lease;\n      forcedAt = nowMs;\n"],
    ],
  },
  {
    bug: "takes everybody's token when one origin refuses it during an outage",
    caughtBy: "I1, I2, I4: events",
    changes: [[manager, "if (suspect && error.retryable) {", "if (false) {"]],
  },
  {
    bug: "serves a rejected token again although its replacement was refused",
    caughtBy: "I1, I2, I4: events",
    changes: [[manager, "if (suspect && error.retryable) {", "if (suspect) {"]],
  },
  {
    bug: "takes a rejected token that came back for a fresh one",
    caughtBy: "I2, I3: the token held",
    changes: [[manager, "lease = { ...suspect, refreshMs: 0 };", "lease = suspect;"]],
  },
  {
    bug: "forgives an origin whenever it accepts a token",
    caughtBy: "I1, I2, I4: events",
    theme: "refusals",
    changes: [["refusals.ts", "if (refusal && nowMs - refusal.forgivenAt >= maxHoldMs)", "if (refusal)"]],
  },
  {
    bug: "never forgives an origin",
    caughtBy: "I1, I2, I4: events",
    changes: [["refusals.ts", "if (refusal && nowMs - refusal.forgivenAt >= maxHoldMs)", "if (false)"]],
  },
  {
    bug: "forgives an origin for accepting a token of the past",
    caughtBy: "I1, I2, I4: events",
    theme: "refusals",
    changes: [[manager, "if (token.accessToken === lease?.token.accessToken) forgive", "forgive"]],
  },
  {
    bug: "sends a secret that comes when its exchange is over",
    caughtBy: "I1, I8: a token request that nobody expects",
    changes: [["exchange.ts", "if (signal.aborted || remainingMs() <= 0) throw", "if (false) throw"]],
  },
  {
    bug: "waits for a new secret without an end",
    caughtBy: "I7: timers",
    changes: [
      [
        manager,
        "await within(waiting, joinTimeoutMs, secretChanged(remembered), signal)",
        "await secretChanged(remembered)",
      ],
    ],
  },
  {
    bug: "lets an older exchange overwrite a newer token",
    caughtBy: "I1, I2, I4: events",
    theme: "refusals",
    changes: [[manager, "const committed = sequence > fence && !disposed;", "const committed = !disposed;"]],
  },
  {
    bug: "gives a caller the answer of an exchange that began before its rejection",
    caughtBy: "I1, I2, I4: events",
    theme: "refusals",
    changes: [[manager, "const stale = current.sequence <= fence;", "const stale = false;"]],
  },
  {
    bug: "leaves callers waiting when it is disposed of",
    caughtBy: "I1, I2, I4: events",
    changes: [[manager, "[...waiting.ends, ...(flight?.ends ?? [])]", "[]"]],
  },
  {
    bug: "serves a token that had expired when it arrived",
    caughtBy: "I1, I2, I4: events",
    changes: [[manager, 'if (freshness(life, clock) === "expired")', "if (false)"]],
  },
  {
    bug: "has no budget",
    caughtBy: "I1, I8: a token request that nobody expects",
    theme: "bursts",
    changes: [["budget.ts", "if (sentAt.length + 1 > max)", "if (false)"]],
  },
  {
    bug: "allows one request more than its budget",
    caughtBy: "I1, I8: a token request that nobody expects",
    theme: "bursts",
    changes: [["budget.ts", "if (sentAt.length + 1 > max)", "if (sentAt.length > max)"]],
  },
  {
    bug: "makes three attempts for a background refresh",
    caughtBy: "I1, I8: a token request that nobody expects",
    changes: [[manager, 'reason !== "rejected" && !usable() ?', "true ?"]],
  },
  {
    bug: "never tries again",
    caughtBy: "I1, I2, I4: events",
    changes: [["exchange.ts", "&& made < run.attempts", "&& false"]],
  },
  {
    bug: "tries again what was refused",
    caughtBy: "I1, I2, I4: events",
    changes: [["retry.ts", "return retryable && delayMs < remainingMs", "return delayMs < remainingMs"]],
  },
  {
    bug: "does not hear Retry-After",
    caughtBy: "I1, I2, I4: events",
    changes: [
      ["retry.ts", "return Math.max(pauseMs, Math.min(retryAfterMs, 3_600_000));", "return pauseMs;"],
    ],
  },
  {
    bug: "honours a Retry-After of a day",
    caughtBy: "I1, I2, I4: events",
    changes: [["retry.ts", "Math.min(retryAfterMs, 3_600_000)", "retryAfterMs"]],
  },
  {
    bug: "rests longer than the held token lives",
    caughtBy: "I1, I2, I4: events",
    changes: [["retry.ts", ", Math.max(usableMs / 4, 50))", ")"]],
  },
  {
    bug: "counts failures although it had success since",
    caughtBy: "I1, I2, I4: events",
    changes: [[manager, "      failures = 0;\n", ""]],
  },
  {
    bug: "blames the token endpoint for a secret that cannot be read",
    caughtBy: "I1, I2, I4: events",
    changes: [[manager, "|| disposed || secretFailed) return 0;", "|| disposed) return 0;"]],
  },
  {
    bug: "rests for an exchange that it had given up",
    caughtBy: "I1, I2, I4: events",
    changes: [[manager, "if (flight !== current || disposed", "if (disposed"]],
  },
  {
    bug: "does not remember which origin refused the replacement",
    caughtBy: "I1, I8: a token request that nobody expects",
    changes: [[manager, "usable() ? generation : generation + 1", "0"]],
  },
  {
    bug: "fails when its store does",
    caughtBy: "I1, I2, I4: events",
    theme: "stores",
    changes: [
      [
        "shared-exchange.ts",
        "const found = await visit.look();\n      if (found === undefined) return withoutStore(errand);",
        "const found = await visit.look();\n      if (found === undefined) throw othersHaveNoAnswer(tokenEndpoint, deadlineMs);",
      ],
    ],
  },
  {
    bug: "fails when its lock does",
    caughtBy: "I1, I2, I4: events",
    theme: "stores",
    changes: [
      [
        "shared-exchange.ts",
        "if (turn === undefined) return withoutStore(errand);",
        "if (turn === undefined) throw othersHaveNoAnswer(tokenEndpoint, deadlineMs);",
      ],
    ],
  },
  {
    bug: "passes on what its store throws",
    caughtBy: "I1, I2, I4: events",
    theme: "stores",
    changes: [["store-guard.ts", "resolve(failed(call as StoreCall<never>, problem));", "reject(error);"]],
  },
  {
    bug: "waits for its store as long as that takes",
    caughtBy: "I1, I2, I4: events",
    theme: "stores",
    changes: [
      ["store-guard.ts", "if (reason === undefined && --slicesLeft > 0)", "if (reason === undefined)"],
    ],
  },
  {
    bug: "waits for its store with an answer that it has",
    caughtBy: "I13: calls of the store",
    theme: "stores",
    changes: [
      [
        "store-visit.ts",
        "after(run, Math.max(budgetMs, 0), () => resolve());",
        "after(run, 60_000, () => resolve());",
      ],
    ],
  },
  {
    bug: "has the whole patience for each call of its store",
    caughtBy: "I1, I2, I4: events",
    theme: "stores",
    changes: [["store-visit.ts", "    budgetMs -= clock.monotonicNow() - from;\n", ""]],
  },
  {
    bug: "goes on asking a store that has failed",
    caughtBy: "I1, I2, I4: events",
    theme: "stores",
    changes: [["shared-exchange.ts", "if (guard.isResting(clock)) return withoutStore(errand);", ""]],
  },
  {
    bug: "puts off each refresh while its store fails",
    caughtBy: "I1, I2, I4: events",
    theme: "stores",
    changes: [["shared-exchange.ts", "      putOff = served.token.accessToken;\n", ""]],
  },
  {
    bug: "leaves the rejection of a lock that comes too late to nobody",
    caughtBy: "I6: an unhandled rejection",
    theme: "stores",
    changes: [["store-visit.ts", "letGo(lock).catch(() => {}))", "letGo(lock))"]],
  },
  {
    bug: "keeps a lock that comes too late",
    caughtBy: "I13: calls of the store",
    theme: "stores",
    changes: [["store-visit.ts", 'lock.state === "acquired" && letGo(lock)', "Promise.resolve()"]],
  },
  {
    bug: "takes garbage for a lock",
    caughtBy: "I1, I2, I4: events",
    theme: "stores",
    changes: [
      [
        "store-visit.ts",
        "    return lock;\n  throw new GarbageError();",
        "    return lock;\n  return lock as StoreLock;",
      ],
    ],
  },
  {
    bug: "with a store waits without end for a secret",
    caughtBy: "I1, I8: a token request that nobody expects",
    theme: "stores",
    changes: [
      ["shared-exchange.ts", "await within(run, deadlineMs, readSecret(run));", "await readSecret(run);"],
    ],
  },
  {
    bug: "asks the token endpoint after a store that took longer than the deadline",
    caughtBy: "I1, I8: a token request that nobody expects",
    theme: "stores",
    changes: [
      [
        "shared-exchange.ts",
        "    requireTime(errand);\n    return (await make(errand)).answer;",
        "    return (await make(errand)).answer;",
      ],
    ],
  },
  {
    bug: "gives an exchange the whole deadline after a slow store",
    caughtBy: "I1, I2, I4: events",
    theme: "stores",
    changes: [
      ["shared-exchange.ts", "    if (waitedMs > 0) run.deadlineMs", "    if (waitedMs < 0) run.deadlineMs"],
    ],
  },
];

/**
 * Makes a copy of the sources with a bug in it and loads it. Rejects when the text that is to be changed is not there
 * exactly once: then the bug has to be planted anew.
 */
export async function plant({
  bug,
  changes,
}: PlantedBug): Promise<{ subject: Subject; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "planted-bug-"));
  const remove = () => rm(folder, { recursive: true });
  try {
    await cp(new URL("../../src", import.meta.url), folder, { recursive: true });
    await writeFile(join(folder, "package.json"), '{"type":"module"}');
    for (const [file, from, to] of changes) {
      const text = await readFile(join(folder, file), "utf8");
      const parts = text.split(from);
      if (parts.length !== 2) throw new Error(`"${bug}": ${file} has ${parts.length - 1} times: ${from}`);
      await writeFile(join(folder, file), parts.join(to));
    }
    const subject = (await import(
      /* @vite-ignore */ pathToFileURL(join(folder, "index.ts")).href
    )) as Subject;
    return { subject, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
