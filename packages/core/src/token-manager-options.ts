import { type Clock, systemClock } from "./clock.ts";
import { configError } from "./errors.ts";
import type { TokenManagerEvent } from "./events.ts";
import type { SharedStore } from "./exchange-run.ts";
import type { Grant } from "./grant.ts";
import { isBrowser } from "./runtime.ts";
import { resolveTokenEndpoint } from "./token-request.ts";
import { fetchTransport, platformFetch, type TokenTransport } from "./transport.ts";

/** Keeps a runtime awake for a promise after the response has been sent, as Workers and edge runtimes offer it. */
export type WaitUntil = (promise: Promise<unknown>) => void;

/** Options of {@link createTokenManager}. Read once; durations in milliseconds. */
export interface TokenManagerOptions {
  /** What to ask for. */
  grant: Grant;
  /**
   * The token endpoint: a full URL, or an origin, which gets IAM's path `/identity/token`.
   * Default: `https://iam.cloud.ibm.com/identity/token`.
   */
  tokenEndpoint?: string | URL | undefined;
  /** Carries the exchanges. Default: `fetchTransport({ fetch })`. */
  transport?: TokenTransport | undefined;
  /** The fetch of the default transport. Default: `globalThis.fetch`, looked up for each request. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Shares tokens with other processes: `sharedStore(redisStore({ client }))`. Default: none, each process asks for itself. */
  store?: SharedStore | undefined;
  /** Hears what happens. What it throws is ignored. */
  onEvent?: ((event: TokenManagerEvent) => unknown) | undefined;
  /** Keeps the runtime awake for a background refresh; can also be given to each `getToken`. */
  waitUntil?: WaitUntil | undefined;
  /** How long one attempt may take, the reading of the body included. Default: 4,000. */
  attemptDeadlineMs?: number | undefined;
  /** How long an exchange may take with all its attempts. Default: 9,000, less than the ten seconds of clients such as ky. */
  deadlineMs?: number | undefined;
  /**
   * After how long without a sign of life of an exchange that another caller began a waiting caller begins its own. On
   * Workers an exchange dies silently with the request that began it. Default: 2,000.
   */
  joinTimeoutMs?: number | undefined;
  /** A ceiling against bugs: token requests in any 60 s. Default: 120. */
  maxTokenRequestsPerMinute?: number | undefined;
  /** Accepts a token endpoint over plain http beyond loopback. Default: false. */
  allowInsecure?: boolean | undefined;
  /** Accepts a secret in a page or a browser's worker, where anybody can read it. Default: false. */
  allowBrowser?: boolean | undefined;
  /** Where time comes from. Default: `systemClock`. */
  clock?: Clock | undefined;
  /** Numbers in [0, 1) for jitter. Default: `Math.random`. */
  random?: (() => number) | undefined;
}

/** The options with their defaults, checked. */
export type TokenManagerConfig = TokenManagerOptions & {
  readonly [K in
    | "attemptDeadlineMs"
    | "deadlineMs"
    | "joinTimeoutMs"
    | "maxTokenRequestsPerMinute"
    | "clock"
    | "random"
    | "onEvent"
    | "waitUntil"
    | "transport"]-?: Exclude<TokenManagerOptions[K], undefined>;
} & { readonly tokenEndpoint: string };

/** Reads the options of a token manager. Errors: `ERR_IAM_CONFIG` that names the option and says what to change. */
export function readTokenManagerOptions(options: TokenManagerOptions): TokenManagerConfig {
  const { grant, store } = options ?? {};
  if (typeof grant?.exchange !== "function") throw configError("createTokenManager needs a grant.");
  if (store && !store.share) throw configError("store must be made with sharedStore.");
  const defaults = {
    attemptDeadlineMs: 4000,
    deadlineMs: 9000,
    joinTimeoutMs: 2000,
    maxTokenRequestsPerMinute: 120,
    allowInsecure: false,
    allowBrowser: false,
    clock: systemClock,
    random: Math.random,
    fetch: platformFetch,
    transport: fetchTransport(options),
    onEvent: () => {},
    waitUntil: () => {},
  };
  const config: Record<string, unknown> = { ...options };
  for (const [name, fallback] of Object.entries(defaults)) {
    if (config[name] === undefined) config[name] = fallback;
    const value = config[name];
    const kind = typeof fallback;
    // Above 2^31-1 ms a timer fires at once.
    if (typeof value !== kind || (typeof value === "number" && !(value >= 1 && value < 2 ** 31)))
      throw configError(`${name} is no ${kind}${kind === "number" ? " from 1 to 2^31-1" : ""}.`);
  }
  if (grant.secret && !config.allowBrowser && isBrowser()) {
    throw configError("A secret is public in a browser: get tokens from your server, or set allowBrowser.");
  }
  config.tokenEndpoint = resolveTokenEndpoint(config.tokenEndpoint, config);
  return config as unknown as TokenManagerConfig;
}
