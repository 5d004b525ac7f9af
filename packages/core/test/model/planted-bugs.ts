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
    changes: [[manager, "nowMs() - forcedAt < forcedIntervalMs", "false"]],
  },
  {
    bug: "fails requests that met their 401 before the exchange that they all wait for",
    caughtBy: "I9: requests sent",
    changes: [
      [
        "send-authorized.ts",
        "return replacement.accessToken === rejected.accessToken ? undefined : replacement;",
        "return undefined;",
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
        "flight === current && current.stopBeating === stopBeating) flight = undefined",
        "false) flight = undefined",
      ],
    ],
  },
  {
    bug: "begins a second exchange beside one that is slow",
    caughtBy: "I1, I8: a token request that nobody expects",
    changes: [
      [manager, " && current.stopBeating === stopBeating) flight = undefined", ") flight = undefined"],
    ],
  },
  {
    bug: "never gives up a background refresh that died",
    caughtBy: "I1, I2, I4: events",
    changes: [
      [manager, "flight && nowMs() - flight.start.monotonic <= deadlineMs + joinTimeoutMs", "flight"],
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
        "  if (request.isUnauthorized(answer)) return (await replacementFor(replacement, { manager, origin, replayable, signal, waitUntil })) ? sendAuthorized(request) : answer;\n  manager.accepted(replacement, origin);\n",
      ],
    ],
  },
  {
    bug: "asks a token endpoint that is down for each call",
    caughtBy: "I1, I8: a token request that nobody expects",
    changes: [[manager, "return nowMs() < coolDownEndsAt;", "return false;"]],
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
    changes: [[manager, "coolDownEndsAt = secretCheckedAt + ms", "coolDownEndsAt = Infinity"]],
  },
  {
    bug: "reads the secret once",
    caughtBy: "looks at the secret",
    changes: [
      ["exchange.ts", "(secret ??= readSecret(grant, run))", "(grant.read ??= readSecret(grant, run))"],
    ],
  },
  {
    bug: "does not look for the new secret while the old one is refused",
    caughtBy: "looks at the secret",
    changes: [[manager, "nowMs() - secretCheckedAt >= secretCheckIntervalMs", "false"]],
  },
  {
    bug: "ends the exchange when the caller that began it aborts",
    caughtBy: "I1, I2, I4: events",
    changes: [
      [
        manager,
        "    const { stopBeating, result } = current;\n",
        '    const { stopBeating, result } = current;\n    if (!live) signal?.addEventListener("abort", () => { for (const end of [...current.ends]) end(configError("")); });\n',
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
    changes: [["exchange.ts", "await withDeadline(totalMs, ", "await withDeadline(2 ** 31 - 1, "]],
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
      [manager, "    if (rejected) forcedAt = nowMs();\n", ""],
      [manager, "      suspect = lease;\n", "      suspect = lease;\n      forcedAt = nowMs();\n"],
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
    changes: [[manager, "await within(waiting, joinTimeoutMs, reading, signal)", "await reading"]],
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
    changes: [[manager, "|| disposed || current.lacksSecret) return 0;", "|| disposed) return 0;"]],
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
    caughtBy: "I1, I2, I4: events",
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
      ["shared-exchange.ts", "await within(run, deadlineMs, keySecret(run));", "await keySecret(run);"],
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
  {
    bug: "takes a token out of a store that a server has refused",
    caughtBy: "I1, I2, I4: events",
    theme: "fleets",
    changes: [
      ["shared-exchange.ts", "&& !rejected.includes(said.accessToken)\n      ? conceal", "\n      ? conceal"],
    ],
  },
  {
    bug: "takes a token out of a store that is older than the store says, for one that a server refused",
    caughtBy: "I1, I2, I4: events",
    theme: "fleets",
    changes: [
      [
        "shared-exchange.ts",
        "if (run.rejected !== undefined && life.start.wall - said.issuedAt > pastToleranceMs) return undefined;",
        "",
      ],
    ],
  },
  {
    bug: "takes an older token out of a store for the one that it has",
    caughtBy: "I1, I2, I4: events",
    theme: "fleets",
    changes: [["shared-exchange.ts", "return newer && said", "return said"]],
  },
  {
    bug: "takes a token out of a store that has expired",
    caughtBy: "I1, I2, I4: events",
    theme: "fleets",
    changes: [["shared-exchange.ts", ' || freshness(token.life, clock) === "expired") return', ") return"]],
  },
  {
    bug: "takes a token out of a store for a new one",
    caughtBy: "I2, I3: the token held",
    theme: "fleets",
    changes: [
      [
        "shared-entry.ts",
        "const ageMs = lifetimeMs - Math.min(lifetimeMs, remainingMs);",
        "const ageMs = 0;",
      ],
    ],
  },
  {
    bug: "draws the refresh point anew in each process",
    caughtBy: "I2, I3: the token held",
    theme: "fleets",
    changes: [
      [
        "shared-entry.ts",
        "return { ...lifetimeWithDraw(start, lifetimeMs, draw, random), shared: true };",
        "return { ...lifetimeWithDraw(start, lifetimeMs, random(), random), shared: true };",
      ],
    ],
  },
  {
    bug: "asks although others have just failed",
    caughtBy: "I1, I2, I4: events",
    theme: "fleets",
    changes: [["shared-exchange.ts", "if (refusal === undefined) return 0;\n", "return 0;\n"]],
  },
  {
    bug: "waits out any pause of others",
    caughtBy: "I1, I2, I4: events",
    theme: "fleets",
    changes: [
      [
        "shared-exchange.ts",
        "said.error.retryable && leftMs <= longestBridgeMs && ",
        "said.error.retryable && ",
      ],
    ],
  },
  {
    bug: "does not wait out a short pause of others",
    caughtBy: "I1, I2, I4: events",
    theme: "fleets",
    changes: [["shared-exchange.ts", 'if (isShort && run.reason !== "expiring") return leftMs;', ""]],
  },
  {
    bug: "tries three times what others have just tried",
    caughtBy: "I1, I8: a token request that nobody expects",
    theme: "fleets",
    changes: [["shared-exchange.ts", "    run.maxAttempts = 1;\n", ""]],
  },
  {
    bug: "is held back by a failure of others beyond the life of its token",
    caughtBy: "I1, I2, I4: events",
    theme: "fleets",
    changes: [
      [
        "shared-exchange.ts",
        "if (held !== undefined && usableMs(held) > 0)\n",
        "if (held !== undefined && usableMs(held) < 0)\n",
      ],
    ],
  },
  {
    bug: "does not look again when it has the lock",
    caughtBy: "I1, I8: a token request that nobody expects",
    theme: "fleets",
    changes: [
      [
        "shared-exchange.ts",
        "        const taken = take(errand, found);\n        if (taken) return taken;\n        return heed",
        "        return heed",
      ],
    ],
  },
  {
    bug: "keeps the lock when it is done",
    caughtBy: "I13: calls of the store",
    theme: "fleets",
    changes: [["shared-exchange.ts", "await visit.patiently(release());", ""]],
  },
  {
    bug: "asks although another has the lock",
    caughtBy: "I1, I8: a token request that nobody expects",
    theme: "fleets",
    changes: [
      [
        "shared-exchange.ts",
        "      if (served) return stay",
        "      if (!served) return lead(errand, visit, found);\n      if (served) return stay",
      ],
    ],
  },
  {
    bug: "lets a refresh wait for others",
    caughtBy: "I1, I2, I4: events",
    theme: "fleets",
    changes: [
      [
        "shared-exchange.ts",
        "if (served) return stay(served, Math",
        "if (served && usableMs(served) < 0) return stay(served, Math",
      ],
    ],
  },
  {
    bug: "waits for a lock that nobody lets go of",
    caughtBy: "I1, I8: token requests",
    theme: "fleets",
    changes: [
      [
        "shared-exchange.ts",
        "if (waitedMs >= longestWaitMs && !changesHands)",
        "if (waitedMs >= deadlineMs && !changesHands)",
      ],
    ],
  },
  {
    bug: "asks although the lock changes hands",
    caughtBy: "I1, I8: a token request that nobody expects",
    theme: "fleets",
    changes: [["shared-exchange.ts", "owners >= 2 && nowMs - ownerSince <= 2 * lockMs", "false"]],
  },
  {
    bug: "waits for others without end",
    caughtBy: "I1, I2, I4: events",
    theme: "fleets",
    changes: [
      [
        "shared-exchange.ts",
        "if (waitedMs >= deadlineMs) throw othersHaveNoAnswer(tokenEndpoint, deadlineMs);",
        "",
      ],
    ],
  },
  {
    bug: "writes over what another has written meanwhile",
    caughtBy: "I13: what is in the store",
    theme: "fleets",
    changes: [["store-visit.ts", "ifVersion: version }", "ifVersion: undefined }"]],
  },
  {
    bug: "leaves a failure in the store that is over",
    caughtBy: "I13: what is in the store",
    theme: "fleets",
    changes: [["store-visit.ts", "stale !== undefined &&", "stale === null &&"]],
  },
  {
    bug: "does not count the failures of others",
    caughtBy: "I13: what is in the store",
    theme: "fleets",
    changes: [["shared-exchange.ts", "(refusal?.said.failures ?? 0) + 1", "1"]],
  },
  {
    bug: "has the others wait for half a minute because its own network is down",
    caughtBy: "I13: what is in the store",
    theme: "fleets",
    changes: [["shared-exchange.ts", "silent ? 1_000 : longestRefusalMs", "longestRefusalMs"]],
  },
  {
    bug: "tells others of its own affairs",
    caughtBy: "I13: calls of the store",
    theme: "fleets",
    changes: [
      [
        "shared-exchange.ts",
        '    if (!refused && !silent && failure.code !== "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE") return undefined;\n',
        "",
      ],
    ],
  },
  {
    bug: "writes a token into the store that a server has refused",
    caughtBy: "I13: calls of the store",
    theme: "fleets",
    changes: [
      [
        "shared-exchange.ts",
        "if (lifetimeMs !== undefined && !rejected.includes(accessToken))",
        "if (lifetimeMs !== undefined)",
      ],
    ],
  },
  {
    bug: "has a store keep a token for longer than that lives",
    caughtBy: "I13: what is in the store",
    theme: "fleets",
    changes: [
      [
        "shared-exchange.ts",
        "const ttlMs = Math.min(remainingMs(known, clock), remainingMs(life, clock));",
        "const ttlMs = lifetimeMs ?? 0;",
      ],
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
