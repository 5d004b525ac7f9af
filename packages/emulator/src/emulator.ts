import type { Answer, Incoming } from "./answer.ts";
import { type ApiKeyOptions, type ApiKeys, createApiKeys } from "./api-keys.ts";
import { type Client, wellKnownClients } from "./clients.ts";
import { createClock, type EmulatorClock } from "./clock.ts";
import { answerControl, isControlPath } from "./control.ts";
import { answerPreflight, permissive } from "./cors.ts";
import { createDirectory, type Directory, type DirectoryOptions } from "./directory.ts";
import { EmulatorError } from "./emulator-error.ts";
import { createFaults, type Fault, type FaultHandle, type FaultOptions, type FaultTarget } from "./faults.ts";
import { type FetchHandler, fetchFace } from "./fetch-face.ts";
import { handle } from "./handle.ts";
import type { Iam, Settings } from "./iam.ts";
import { defaultAccountId, defaultUser, type Identity } from "./identity.ts";
import type { MetadataOptions } from "./metadata.ts";
import { createRefreshTokens } from "./refresh-tokens.ts";
import { type Counters, createRequestLog, type LogEntry, type RequestEvent } from "./request-log.ts";
import type { Service } from "./routes.ts";
import { createSigningKeys, type SigningKeyPair } from "./signing-keys.ts";
import { createTokens, type IssuedToken } from "./tokens.ts";
import { createInstanceId } from "./transaction-id.ts";

/** How an emulator is made. */
export interface EmulatorOptions {
  /** The API keys it knows. Default: one of a user and one of a service ID. */
  readonly apiKeys?: readonly ApiKeyOptions[];
  /** OAuth clients besides the well-known `bx`, `kube`, `ce` and `cf`. Default: none. */
  readonly clients?: readonly Client[];
  /** Users, trusted profiles and compute resources. Default: one of each. */
  readonly directory?: DirectoryOptions;
  /** The metadata service of an instance. */
  readonly metadata?: MetadataOptions;
  /** The lifetime of access tokens in seconds. Default: 3600, as IAM does it. */
  readonly expiresInS?: number;
  /** The account of all tokens, 32 hex digits. */
  readonly accountId?: string;
  /** The `iss` claim, or what makes it of the origin asked. Default: IAM's own, whatever the origin. */
  readonly issuer?: string | ((origin: string) => string);
  /** The origin in discovery's `token_endpoint`. Default: the origin asked. */
  readonly tokenEndpointOrigin?: string;
  /** The first signing key, to save the time of making one. Default: a new one. */
  readonly signingKey?: SigningKeyPair;
  /** How many requests the log keeps. Default: 10,000. */
  readonly logLimit?: number;
  /** Allows control over HTTP, below `/_emulator`. Default: false. */
  readonly control?: boolean;
  /** Adds permissive CORS headers, so that pages can call it; IAM has none. Default: false. */
  readonly cors?: boolean;
  /** The time that the emulator's clock starts from, in epoch milliseconds. Default: `Date.now`. */
  readonly now?: () => number;
}

/** What {@link Emulator.issueToken} makes; every member has a default. */
export interface IssueOptions {
  /** Default: the default user. */
  readonly identity?: Identity;
  /** Default: the emulator's setting. Negative for a token that is expired already. */
  readonly lifetimeS?: number;
  /** Claims that replace or join the usual ones; undefined leaves one out. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** The origin that issuers are made of. Default: `https://iam.cloud.ibm.com`. */
  readonly origin?: string;
}

/** A local IAM and everything that a test wants to do with it. */
export interface Emulator {
  /** The web-standard handler: takes a Request, gives a Response. */
  readonly fetch: FetchHandler;
  /** The first API key that it was made with. */
  readonly apiKey: string;
  /** The same for the metadata service of an instance, which has an origin of its own. */
  readonly metadataFetch: FetchHandler;
  readonly apiKeys: ApiKeys;
  readonly directory: Directory;
  readonly clock: EmulatorClock;
  /** The last requests, oldest first. */
  readonly log: readonly LogEntry[];
  readonly counters: Counters;
  readonly settings: Settings;
  /** Changes settings from now on. */
  configure(settings: Partial<Settings>): void;
  /** Queues a fault, for the next request to the token endpoint unless told otherwise. */
  fault(fault: Fault, options?: FaultOptions): FaultHandle;
  /** Empties the queue of faults, or takes out those for one target. */
  clearFaults(target?: FaultTarget): void;
  /** Revokes one token, by value or `jti`; false when it is not known. */
  revoke(tokenOrJti: string): boolean;
  /** Revokes all tokens issued so far, and says how many they were. */
  revokeAll(): number;
  /** Ends all sessions of people, as inactivity does; their refresh tokens are refused with BXNIM0439E. */
  endSessions(): void;
  /** Signs with a new key from now on and gives its `kid`; old keys stay published unless `dropOld`. */
  rotateKeys(options?: { dropOld?: boolean }): Promise<string>;
  /** Makes an access token without a request, with any claims. */
  issueToken(options?: IssueOptions): Promise<IssuedToken>;
  /** Resolves as soon as the counters satisfy the condition; rejects when `signal` aborts. */
  until(condition: (counters: Counters) => boolean, options?: { signal?: AbortSignal }): Promise<Counters>;
  /** Calls the listener for each request that comes and ends; gives the function that stops it. */
  onRequest(listener: (event: RequestEvent) => void): () => void;
  /** Forgets everything but the signing keys: faults, log, tokens, changed keys, settings and time. */
  reset(): void;
}

/** An emulator together with the function that both of its faces call. */
export interface EmulatorCore {
  readonly emulator: Emulator;
  readonly answer: (incoming: Incoming, service: Service) => Promise<Answer>;
}

/**
 * Makes a local IAM that lives in this process and is asked through its `fetch`.
 *
 * Errors: ERR_EMULATOR_OPTION for options that make no sense.
 *
 * @example
 * ```ts
 * import { createEmulator } from "@iam/emulator";
 * const emulator = createEmulator({ expiresInS: 90 });
 * const grant_type = "urn:ibm:params:oauth:grant-type:apikey";
 * const body = new URLSearchParams({ grant_type, apikey: emulator.apiKey });
 * export const response = await emulator.fetch("https://iam.test/identity/token", { method: "POST", body });
 * ```
 */
export function createEmulator(options: EmulatorOptions = {}): Emulator {
  return createCore(options).emulator;
}

/** Makes an emulator for a face of its own. */
export function createCore(options: EmulatorOptions): EmulatorCore {
  const { issuer = "https://iam.cloud.ibm.com/identity", tokenEndpointOrigin, logLimit = 10_000 } = options;
  const initial: Settings = { expiresInS: lifetime(options.expiresInS ?? 3600), accountValid: true };
  const clock = createClock(options.now ?? (() => Date.now()));
  const keys = createSigningKeys(clock.now, options.signingKey);
  const accountId = options.accountId ?? defaultAccountId;
  let instanceId: string | undefined;
  const iam: Iam = {
    clock,
    keys,
    tokens: createTokens(keys),
    apiKeys: createApiKeys(options.apiKeys),
    clients: [...(options.clients ?? []), ...wellKnownClients],
    directory: createDirectory(options.directory ?? {}, accountId),
    refreshTokens: createRefreshTokens(),
    metadata: options.metadata ?? {},
    accountId,
    // Late, because some runtimes have no random numbers while modules are being loaded.
    get instanceId() {
      instanceId ??= createInstanceId();
      return instanceId;
    },
    settings: initial,
    issuer: (origin) => (typeof issuer === "string" ? issuer : issuer(origin)),
    tokenEndpoint: (origin) => `${tokenEndpointOrigin ?? origin}/identity/token`,
  };
  const machine = { iam, faults: createFaults(), log: createRequestLog(logLimit) };

  async function answer(incoming: Incoming, service: Service): Promise<Answer> {
    if (!options.cors) return route(incoming, service);
    return permissive(answerPreflight(incoming) ?? (await route(incoming, service)));
  }

  function route(incoming: Incoming, service: Service): Promise<Answer> {
    if (options.control && isControlPath(incoming.url.pathname)) return answerControl(emulator, incoming);
    return handle(machine, incoming, service);
  }

  const emulator: Emulator = {
    ...stateOf(iam, machine, initial),
    fetch: fetchFace((incoming) => answer(incoming, "iam")),
    metadataFetch: fetchFace((incoming) => answer(incoming, "metadata")),
    apiKey: iam.apiKeys.list()[0]?.key ?? "",
    get log() {
      return machine.log.entries();
    },
    get counters() {
      return machine.log.counters();
    },
    get settings() {
      return iam.settings;
    },
  };
  return { emulator, answer };
}

type Getters = "fetch" | "metadataFetch" | "apiKey" | "log" | "counters" | "settings";

function stateOf(
  iam: Iam,
  { faults, log }: Parameters<typeof handle>[0],
  initial: Settings,
): Omit<Emulator, Getters> {
  return {
    apiKeys: iam.apiKeys,
    directory: iam.directory,
    clock: iam.clock,
    configure(settings) {
      if (settings.expiresInS !== undefined) lifetime(settings.expiresInS);
      iam.settings = { ...iam.settings, ...settings };
    },
    fault: (fault, faultOptions) => faults.add(fault, faultOptions),
    clearFaults: (target) => faults.clear(target),
    revoke: (tokenOrJti) => iam.tokens.revoke(tokenOrJti),
    revokeAll: () => iam.tokens.revokeAll(),
    endSessions: () => iam.refreshTokens.endSessions(),
    rotateKeys: async (rotation) => (await iam.keys.rotate(rotation)).kid,
    issueToken: ({ identity = defaultUser, lifetimeS, claims = {}, origin } = {}) =>
      iam.tokens.issue({
        identity,
        account: { id: iam.accountId, valid: iam.settings.accountValid },
        issuer: iam.issuer(origin ?? "https://iam.cloud.ibm.com"),
        grantType: "urn:ibm:params:oauth:grant-type:apikey",
        clientId: "default",
        issuedAt: iam.clock.now(),
        lifetimeS: lifetimeS ?? iam.settings.expiresInS,
        claims,
      }),
    until(condition, { signal } = {}) {
      return new Promise((resolve, reject) => {
        const check = () => {
          if (!condition(log.counters())) return;
          stop();
          resolve(log.counters());
        };
        const abort = () => {
          stop();
          reject(signal?.reason);
        };
        const unsubscribe = log.subscribe(check);
        const stop = () => {
          unsubscribe();
          signal?.removeEventListener("abort", abort);
        };
        signal?.addEventListener("abort", abort, { once: true });
        if (signal?.aborted) abort();
        else check();
      });
    },
    onRequest: (listener) => log.subscribe(listener),
    reset() {
      faults.clear();
      log.reset();
      iam.tokens.reset();
      iam.apiKeys.reset();
      iam.directory.reset();
      iam.refreshTokens.reset();
      iam.clock.reset();
      iam.settings = initial;
    },
  };
}

function lifetime(seconds: number): number {
  if (Number.isFinite(seconds)) return seconds;
  throw new EmulatorError("ERR_EMULATOR_OPTION", `expiresInS is a number of seconds, not ${seconds}.`);
}
