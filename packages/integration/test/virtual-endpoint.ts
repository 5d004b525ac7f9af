import {
  apiKeyGrant,
  type Clock,
  createTokenManager,
  type TokenManager,
  type TokenManagerEvent,
  type TokenManagerOptions,
  type TokenResponse,
  type TokenTransport,
  tokenResponse,
} from "@iam/core";

/** Time in the hand of a test: nothing sleeps. Units: milliseconds. */
interface VirtualTime extends Clock {
  /** Lets time pass on both clocks; timers fire in order, and promises settle after each. */
  pass(ms: number): Promise<void>;
  /** Sets the date, forward or back. */
  stepWall(ms: number): void;
  /** The timers set until now never fire: the request that set them has ended, as on Workers. */
  killTimers(): void;
  readonly timers: number;
}

/** One manager, a token endpoint without a network, and time. */
interface VirtualEndpoint {
  readonly time: VirtualTime;
  readonly manager: TokenManager;
  readonly events: readonly TokenManagerEvent[];
  /** What the next token requests meet, one each; then a new token. */
  readonly answers: TokenTransport[];
  readonly requests: number;
}

/** Makes them. The lifetime of the tokens is in seconds. Default: 3600. */
export function virtualEndpoint({
  expiresInS = 3600,
  ...options
}: Partial<TokenManagerOptions> & { expiresInS?: number } = {}): VirtualEndpoint {
  const time = virtualTime();
  const answers: TokenTransport[] = [];
  const events: TokenManagerEvent[] = [];
  let requests = 0;
  const manager = createTokenManager({
    grant: apiKeyGrant("the-api-key"),
    clock: time,
    random: () => 0.5,
    onEvent: (event) => events.push(event),
    async transport(request, { signal }) {
      requests++;
      const answer = answers.shift();
      return answer ? answer(request, { signal }) : granted({ expires_in: expiresInS });
    },
    ...options,
  });
  return {
    time,
    manager,
    events,
    answers,
    get requests() {
      return requests;
    },
  };
}

let issued = 0;

/** A token response with a token that nobody else has. */
export function granted(members: Readonly<Record<string, unknown>> = {}): TokenResponse {
  const body = { access_token: `token-${++issued}`, token_type: "Bearer", expires_in: 3600, ...members };
  return tokenResponse({ status: 200, body: JSON.stringify(body) });
}

/** An answer of that status. */
export function answering(status: number, body = "{}", retryAfter?: string): TokenTransport {
  return async () => tokenResponse({ status, body, retryAfter });
}

/** Never answers, and heeds its signal. */
export const hanging: TokenTransport = (_request, { signal }) =>
  new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });

/** Never answers and hears nothing: a request of Workers whose caller has gone. */
export const dead: TokenTransport = () => new Promise(() => {});

/** Lets every promise settle that can. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function virtualTime(): VirtualTime {
  let wall = Date.UTC(2026, 0, 1);
  let monotonic = 1000;
  const timers = new Set<{ dueAt: number; run: () => void }>();
  const next = () => [...timers].sort((a, b) => a.dueAt - b.dueAt)[0];
  return {
    wallNow: () => wall,
    monotonicNow: () => monotonic,
    setTimer(run, delayMs) {
      const timer = { dueAt: monotonic + delayMs, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async pass(ms) {
      const end = monotonic + ms;
      const moveTo = (at: number) => {
        wall += at - monotonic;
        monotonic = at;
      };
      await settled();
      for (let timer = next(); timer !== undefined && timer.dueAt <= end; timer = next()) {
        timers.delete(timer);
        moveTo(timer.dueAt);
        timer.run();
        await settled();
      }
      moveTo(end);
    },
    stepWall(ms) {
      wall += ms;
    },
    killTimers() {
      timers.clear();
    },
    get timers() {
      return timers.size;
    },
  };
}
