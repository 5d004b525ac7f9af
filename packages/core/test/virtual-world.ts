import { AsyncLocalStorage } from "node:async_hooks";
import {
  apiKeyGrant,
  type Clock,
  createTokenManager,
  type Token,
  type TokenManager,
  type TokenManagerEvent,
  type TokenManagerOptions,
  type TokenRequest,
  type TokenResponse,
  tokenResponse,
} from "../src/index.ts";

export const apiKey = "canary-key-0123456789-abcdefghijklmnopqrstuv";
export const origin = "https://api.cloud.ibm.com";
/** The lifetime of the tokens that the endpoint grants. */
export const hour = 3_600_000;
/** When they are due, with `random` at 0.5: 77.5 % of the hour less its margin of 10 s. */
export const refreshPoint: number = 0.775 * (hour - 10_000);

/** Which incoming request code runs in: on Workers its timers and its fetches end with it. */
export const requestContext: AsyncLocalStorage<number> = new AsyncLocalStorage();

interface Timer {
  readonly dueAt: number;
  readonly background: boolean;
  readonly context: number | undefined;
  readonly run: () => void;
}

/** Monotonic time, wall time and timers, each moved by hand; nothing sleeps. */
export interface VirtualClock extends Clock {
  /** Lets time pass on both clocks, firing timers in order and letting promises settle after each. */
  advance(ms: number): Promise<void>;
  /** A suspended machine: the wall clock goes on, monotonic time and timers stand still. */
  suspend(ms: number): void;
  /** Somebody sets the date. */
  stepWall(ms: number): void;
  /** A blocked event loop: both clocks go on, and timers that fall due fire late, at the next `advance`. */
  block(ms: number): void;
  /** The timers set until now never fire: the request that set them has ended, as on Workers. Of one request, or of all. */
  killTimers(context?: number): void;
  /** Timers that wait, those of background work included. */
  readonly pending: readonly { background: boolean; dueAt: number }[];
}

/** Lets every promise that can settle do so: a turn of the event loop, not a wait. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

export function virtualClock(start: { wall?: number; monotonic?: number } = {}): VirtualClock {
  let { wall = 1_800_000_000_000, monotonic = 5_000 } = start;
  /** By due time, and by age among those that are due together. */
  let timers: Timer[] = [];
  return {
    wallNow: () => wall,
    monotonicNow: () => monotonic,
    setTimer(run, delayMs, { background }) {
      const dueAt = monotonic + Math.max(0, delayMs);
      const timer = { dueAt, background, context: requestContext.getStore(), run };
      let at = timers.length;
      for (; at > 0 && (timers[at - 1]?.dueAt ?? 0) > dueAt; at--);
      timers.splice(at, 0, timer);
      return () => {
        const index = timers.indexOf(timer);
        if (index >= 0) timers.splice(index, 1);
      };
    },
    async advance(ms) {
      const end = monotonic + ms;
      await settle();
      for (let [timer] = timers; timer !== undefined && timer.dueAt <= end; [timer] = timers) {
        timers.shift();
        const passed = Math.max(0, timer.dueAt - monotonic);
        wall += passed;
        monotonic += passed;
        requestContext.run(timer.context as number, timer.run);
        await settle();
      }
      wall += end - monotonic;
      monotonic = end;
    },
    suspend(ms) {
      wall += ms;
    },
    stepWall(ms) {
      wall += ms;
    },
    block(ms) {
      wall += ms;
      monotonic += ms;
    },
    killTimers(context) {
      timers = context === undefined ? [] : timers.filter((timer) => timer.context !== context);
    },
    get pending() {
      return timers;
    },
  };
}

/** What the token endpoint does with one request. */
export type Answer = (
  request: TokenRequest,
  options: { signal: AbortSignal },
) => TokenResponse | Promise<TokenResponse>;

/** A token endpoint that is told what to answer, and remembers what it was asked. */
interface ScriptedEndpoint {
  /** Used for the next requests, one each; then `otherwise`. */
  readonly script: Answer[];
  otherwise: Answer;
  readonly requests: TokenRequest[];
  /** Requests that have not been answered. */
  inFlight: number;
  maxInFlight: number;
}

/** Answers with a token that nobody else has. */
export function granting(expires_in: number | undefined = 3600): Answer {
  return () => ok({ expires_in });
}

let tokens = 0;
export function ok(fields: Record<string, unknown> = {}): TokenResponse {
  const body = {
    access_token: `token-${++tokens}`,
    refresh_token: "not_supported",
    token_type: "Bearer",
    expires_in: 3600,
    ...fields,
  };
  return tokenResponse({
    status: 200,
    body: JSON.stringify(body),
    date: new Date(1_800_000_000_000).toUTCString(),
  });
}

export function failing(status: number, fields: { retryAfter?: string; body?: unknown } = {}): Answer {
  const { retryAfter, body = { errorCode: status === 400 ? "BXNIM0415E" : undefined } } = fields;
  return () =>
    tokenResponse({ status, body: typeof body === "string" ? body : JSON.stringify(body), retryAfter });
}

export const unreachable: Answer = () => {
  throw Object.assign(new TypeError("fetch failed"), {
    cause: Object.assign(new Error("x"), { code: "ECONNREFUSED" }),
  });
};

/** Never answers; heeds its signal as `fetch` does. */
export const hanging: Answer = (_, { signal }) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });

/** Never answers, and no longer hears anything: a request of Workers whose caller has gone. */
export const dead: Answer = () => new Promise(() => {});

/** Answers when told to. */
export function held(): { answer: Answer; release: (response?: TokenResponse) => void } {
  let release: (response?: TokenResponse) => void = () => {};
  const gate = new Promise<TokenResponse>((resolve) => {
    release = (response) => resolve(response ?? ok());
  });
  return { answer: () => gate, release };
}

export interface World {
  readonly clock: VirtualClock;
  readonly endpoint: ScriptedEndpoint;
  readonly events: TokenManagerEvent[];
  readonly manager: TokenManager;
  /** What `random` gives. */
  random: number;
}

export function world(options: Partial<TokenManagerOptions> = {}): World {
  const clock = virtualClock();
  const endpoint: ScriptedEndpoint = {
    script: [],
    otherwise: granting(),
    requests: [],
    inFlight: 0,
    maxInFlight: 0,
  };
  const events: TokenManagerEvent[] = [];
  const made = { clock, endpoint, events, random: 0.5 };
  const manager = createTokenManager({
    grant: apiKeyGrant(apiKey),
    clock,
    random: () => made.random,
    onEvent: (event) => events.push(event),
    transport: async (request, { signal }) => {
      endpoint.requests.push(request);
      endpoint.inFlight++;
      endpoint.maxInFlight = Math.max(endpoint.maxInFlight, endpoint.inFlight);
      // A request that is aborted is no longer in flight, whether or not the far side notices.
      const left = () => {
        endpoint.inFlight--;
      };
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
      try {
        return await Promise.race([
          (endpoint.script.shift() ?? endpoint.otherwise)(request, { signal }),
          aborted,
        ]);
      } finally {
        left();
      }
    },
    ...options,
  });
  return Object.assign(made, { manager });
}

/** A promise's outcome, looked at without waiting. */
export function watch<T>(promise: Promise<T>): {
  state: "pending" | "resolved" | "rejected";
  value?: T;
  error?: unknown;
} {
  const seen: { state: "pending" | "resolved" | "rejected"; value?: T; error?: unknown } = {
    state: "pending",
  };
  promise.then(
    (value) => Object.assign(seen, { state: "resolved", value }),
    (error: unknown) => Object.assign(seen, { state: "rejected", error }),
  );
  return seen;
}

/** The rejection of a promise; fails when there is none. */
export async function failureOf(promise: Promise<Token>): Promise<Error & Record<string, unknown>> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(outcome instanceof Error)) throw new Error("a rejection was expected");
  return outcome as Error & Record<string, unknown>;
}
