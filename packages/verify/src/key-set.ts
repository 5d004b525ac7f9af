import type { Clock } from "@iam/core";
import { type AskingAt, askingAt } from "./asking-at.ts";
import { within } from "./deadline.ts";
import { type ExportedKeys, type PublishedKey, publishedKeys } from "./published-keys.ts";
import { refusal, VerificationUnavailableError } from "./refusal.ts";
import { UselessAnswerError, whyNot } from "./why-not.ts";

/** What a key set is made of. */
export interface KeySetOptions {
  readonly jwksUrl: string;
  readonly algorithms: readonly string[];
  readonly clock: Clock;
  readonly fetch: typeof globalThis.fetch | undefined;
  readonly keys: ExportedKeys | undefined;
  /** Called when the keys are others than before. */
  readonly onChange: () => void;
}

/** Keeps a runtime awake for a promise. */
export type WaitUntil = (promise: Promise<unknown>) => void;

/** The keys of one issuer: fetched when needed, kept when the issuer does not answer. */
export interface KeySet {
  /** The key of that name, if it is known. When it is old the issuer is asked beside. */
  use(kid: string, waitUntil: WaitUntil | undefined): PublishedKey | undefined;
  /**
   * The key of that name, when {@link use} knows none. Asks the issuer, at most once in a cool-down.
   *
   * Errors: a BearerError when the issuer has no such key, `ERR_IAM_VERIFICATION_UNAVAILABLE` when that cannot be told.
   */
  find(kid: string): Promise<PublishedKey>;
  /** The key of that name, if it is known. */
  peek(kid: string): PublishedKey | undefined;
  /** The keys as JSON; asks for them when none are known. */
  exportKeys(): Promise<ExportedKeys>;
}

/** How long one request for the keys may take. */
const deadlineMs = 5000;
/** After a request that an unknown name caused, and after a failed one: how long no other is made. */
const coolDownMs = 30_000;
/** Known keys are asked for again, beside their use, after this long: one may have been withdrawn. */
const maxAgeMs = 3_600_000;

interface Attempt {
  readonly startedAt: number;
  readonly done: Promise<void>;
}

/** Makes a key set. Its moments are those of the monotonic clock; in milliseconds. */
export function createKeySet(options: KeySetOptions): KeySet {
  const { jwksUrl, algorithms, clock, onChange } = options;
  const asking = askingAt(jwksUrl, options);
  const now = () => clock.monotonicNow();
  let keys = publishedKeys(options.keys, algorithms);
  let loadedAt = now() - ageOf(options.keys, clock);
  let attempt: Attempt | undefined;
  /** Until then an unknown name asks nobody. */
  let unknownUntil = Number.NEGATIVE_INFINITY;
  /** The failure of the last request, and until when it is believed. */
  let failure: { readonly error: unknown; readonly until: number } | undefined;
  let failures = 0;
  /** Requests begun so far, and the number of the one that the keys are from. */
  let begun = 0;
  let applied = 0;

  async function load(
    { number, startedAt }: { number: number; startedAt: number },
    background: boolean,
  ): Promise<void> {
    try {
      const set = await within(clock, deadlineMs, (signal) => askForKeys(asking, signal), {
        background,
      });
      const found = publishedKeys(set, algorithms);
      if (found.size === 0) throw new UselessAnswerError("no usable key");
      // One that was taken for dead and ends after all must not put older keys, or its failure, over newer ones.
      if (number < applied) return;
      const changed = fingerprint(found) !== fingerprint(keys);
      if (changed) keys = found;
      loadedAt = startedAt;
      applied = number;
      failure = undefined;
      failures = 0;
      if (changed) onChange();
    } catch (error) {
      if (number < applied) return;
      const pauseMs = keys.size > 0 ? coolDownMs : Math.min(coolDownMs, 1000 * 2 ** failures++);
      failure = { error, until: now() + pauseMs };
    }
  }

  /** One request at a time; on Workers one dies silently with the visitor's request that began it, and is then replaced. */
  function liveAttempt(): Attempt | undefined {
    return attempt !== undefined && now() < attempt.startedAt + deadlineMs ? attempt : undefined;
  }

  function begin(background: boolean): Promise<void> {
    const started = { number: ++begun, startedAt: now() };
    const mine = { ...started, done: load(started, background) };
    attempt = mine;
    return mine.done.finally(() => {
      if (attempt === mine) attempt = undefined;
    });
  }

  const resting = () => failure !== undefined && now() < failure.until;

  /** Waits for keys as new as this moment allows. */
  async function refreshed(): Promise<void> {
    const live = liveAttempt();
    if (live === undefined) {
      if (!resting()) await begin(false);
      return;
    }
    const leftMs = live.startedAt + deadlineMs - now();
    await within(clock, leftMs, () => live.done).catch(() => {
      // It has not ended, so nobody has said why: the next caller asks anew.
      failure ??= { error: undefined, until: now() };
    });
  }

  function refreshBeside(waitUntil: WaitUntil | undefined): void {
    if (now() - loadedAt < maxAgeMs || liveAttempt() !== undefined || resting()) return;
    const done = begin(waitUntil === undefined);
    try {
      waitUntil?.(done);
    } catch {
      // Such as a method without its object. The token is not to blame: the request is under way, and is replaced if it dies.
    }
  }

  function unavailable(): VerificationUnavailableError {
    return new VerificationUnavailableError(
      `The keys of the issuer cannot be had from ${asking.shown} (${whyNot(failure?.error)}): nothing is said about the token. Check network, proxy and jwksUrl.`,
      { cause: failure?.error, retryAfterMs: (failure?.until ?? 0) - now() },
    );
  }

  return {
    peek: (kid) => keys.get(kid),
    use(kid, waitUntil) {
      const known = keys.get(kid);
      if (known !== undefined) refreshBeside(waitUntil);
      return known;
    },
    async find(kid) {
      const next = begun + 1;
      if (keys.size === 0 || liveAttempt() !== undefined) await refreshed();
      // A request that was under way already may have been answered before the key was published.
      if (keys.size > 0 && !keys.has(kid) && applied < next && now() >= unknownUntil && !resting()) {
        unknownUntil = now() + coolDownMs;
        await refreshed();
      }
      const found = keys.get(kid);
      if (found !== undefined) return found;
      if (failure !== undefined || keys.size === 0) throw unavailable();
      throw refusal("unknown-key", "No key of the issuer has the name that the token gives (kid).");
    },
    async exportKeys() {
      if (keys.size === 0) await refreshed();
      if (keys.size === 0) throw unavailable();
      const fetchedAt = clock.wallNow() - (now() - loadedAt);
      return { keys: Array.from(keys.values(), ({ jwk }) => ({ ...jwk })), fetchedAt };
    },
  };
}

async function askForKeys({ shown, transport }: AskingAt, signal: AbortSignal): Promise<unknown> {
  const request = { method: "GET", url: shown, headers: { accept: "application/json" } };
  const { status, body } = await transport(request, { signal });
  if (status !== 200) throw new UselessAnswerError(`HTTP ${status}`);
  return JSON.parse(body);
}

/** How old an imported key set is; older than any when it does not say. */
function ageOf(imported: ExportedKeys | undefined, clock: Clock): number {
  const { fetchedAt } = imported ?? {};
  return fetchedAt === undefined ? Number.POSITIVE_INFINITY : Math.max(0, clock.wallNow() - fetchedAt);
}

function fingerprint(keys: ReadonlyMap<string, PublishedKey>): string {
  return JSON.stringify(Array.from(keys, ([kid, { material }]) => [kid, material]).sort());
}
