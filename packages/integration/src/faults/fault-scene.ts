import { setImmediate, setTimeout } from "node:timers/promises";
import {
  apiKeyGrant,
  createTokenManager,
  isIamError,
  type TokenManager,
  type TokenManagerEvent,
} from "@iam/core";
import { type RunningEmulator, startEmulator } from "@iam/emulator";
import { createDrivenClock, type DrivenClock } from "./driven-clock.ts";
import type { FaultCase } from "./fault-cases.ts";
import { type ClientAnswer, type FaultClient, faultClients } from "./fault-clients.ts";
import { type TokenTraffic, watchTokenTraffic } from "./token-traffic.ts";

/**
 * Which token is held when the fault begins. `none, once`: none is held, and the fault meets one token request only; else
 * it lasts until the request has been answered.
 */
export type HeldToken = (typeof heldTokens)[number];

export const heldTokens = ["none, once", "none", "expired", "expiring", "fresh", "revoked"] as const;

/** What one client shows of one fault with one kind of token. Units: milliseconds, with jitter at its middle. */
export interface Observation {
  /** The status that the caller gets, or `fails`. */
  readonly result: number | "fails";
  /** How long the caller waited. */
  readonly waitedMs: number;
  /** Token requests until everything had ended, background work included. */
  readonly tokenRequests: number;
  /** From then on, with the fault gone, until there is a good token again; undefined when there is one. */
  readonly recoveredAfterMs: number | undefined;
  /** What the failed exchange said: to the caller, or in the background by an event. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
  /** What Express tells its own caller, in seconds. */
  readonly retryAfterS: number | undefined;
}

/** Where faults are played: one emulator for all, with one more origin to be redirected to. */
export interface Stage extends AsyncDisposable {
  play(faultCase: FaultCase, held: HeldToken, client: string): Promise<Observation>;
}

const startAt = Date.UTC(2026, 0, 1);
const lifetimeMs = 3_600_000;

/** Who is shown everything that a caller can look at. */
export interface Onlooker {
  /** The API key that is used. */
  readonly apiKey: string;
  saw(value: unknown): void;
  /** A token that was issued. */
  token(accessToken: string): void;
}

export async function createStage(onlooker?: Onlooker): Promise<Stage> {
  const emulator = await startEmulator(onlooker && { apiKeys: [onlooker.apiKey] });
  const elsewhere = await emulator.listen();
  return {
    async play(faultCase, held, clientName) {
      emulator.reset();
      emulator.clock.freeze(startAt);
      await using scene = await createScene(emulator, faultCase, clientName, onlooker);
      await hold(scene, held);
      plant(scene, faultCase, held, elsewhere.url);
      return await observe(scene);
    },
    [Symbol.asyncDispose]: () => emulator.close(),
  };
}

interface Scene extends AsyncDisposable {
  readonly emulator: RunningEmulator;
  readonly clock: DrivenClock;
  readonly manager: TokenManager;
  readonly traffic: TokenTraffic;
  readonly events: readonly TokenManagerEvent[];
  /** Settles when the first request that meets the fault has waited a second. */
  readonly aSecondLater: Promise<void>;
  /** A request to the API, by the client. */
  ask(): Promise<ClientAnswer>;
  /** Until no exchange is under way: the answer can come before a refresh in the background has ended. */
  settle(): Promise<void>;
}

async function createScene(
  emulator: RunningEmulator,
  { fault, stalls = false, wallOffsetMs }: FaultCase,
  clientName: string,
  onlooker: Onlooker | undefined,
): Promise<Scene> {
  const clock = createDrivenClock(startAt, (ms) => emulator.clock.advance(ms), wallOffsetMs);
  const events: TokenManagerEvent[] = [];
  let finish = () => {};
  const aSecondLater = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const traffic = watchTokenTraffic(emulator, stalls, {
    met() {
      if (fault === "held for a second") clock.setTimer(letGo, 1000, { background: false });
    },
    token: (accessToken) => onlooker?.token(accessToken),
  });
  const manager = createTokenManager({
    grant: apiKeyGrant(emulator.apiKey),
    tokenEndpoint: emulator.url,
    clock,
    random: () => 0.5,
    onEvent(event) {
      events.push(event);
      onlooker?.saw(event);
    },
    transport: traffic.transport,
  });
  /** Calls of the client that wait for a token, and calls of the client. */
  const open = { forToken: 0, forAnswer: 0 };
  const client = await createClient(clientName, {
    ...manager,
    getToken: (options) => counting(open, "forToken", () => manager.getToken(options)),
  });

  function letGo(): void {
    traffic.release();
    finish();
  }

  /** Lets time pass only when nothing else can happen: not while the client talks with the API. */
  async function drive(isOver: () => boolean): Promise<void> {
    const givenUpAt = performance.now() + 20_000;
    let idleTurns = 0;
    while (!isOver()) {
      if (performance.now() > givenUpAt) throw new Error(`It hangs: ${clientName}`);
      const idle = clock.isAwaited && traffic.isSilent && (open.forAnswer === 0 || open.forToken > 0);
      idleTurns = idle ? idleTurns + 1 : 0;
      if (!idle) await setTimeout(1);
      else if (idleTurns < 4) await setImmediate();
      else {
        clock.fireNext();
        idleTurns = 0;
      }
    }
  }

  return {
    emulator,
    clock,
    manager,
    traffic,
    events,
    aSecondLater,
    async ask() {
      const asking = counting(open, "forAnswer", () => client.ask(`${emulator.url}/resource`));
      asking.catch(() => {});
      await drive(() => open.forAnswer === 0);
      const answer = await asking;
      for (const value of answer.shown) onlooker?.saw(value);
      return answer;
    },
    settle() {
      const count = (...types: string[]) => events.filter(({ type }) => types.includes(type)).length;
      const exchanges = () =>
        count("exchange_started") - count("exchange_succeeded") - count("exchange_failed");
      return drive(() => exchanges() === 0 && !clock.isAwaited);
    },
    async [Symbol.asyncDispose]() {
      traffic[Symbol.dispose]();
      await client.close?.();
      await manager[Symbol.asyncDispose]();
    },
  };

  function createClient(name: string, shown: TokenManager): Promise<FaultClient> {
    const make = faultClients[name];
    if (make === undefined) throw new Error(`There is no client ${name}`);
    return make({ manager: shown, origins: [emulator.url] });
  }
}

async function counting<Key extends string, T>(
  open: Record<Key, number>,
  key: Key,
  run: () => Promise<T>,
): Promise<T> {
  open[key]++;
  try {
    return await run();
  } finally {
    open[key]--;
  }
}

async function hold({ emulator, clock, manager, settle }: Scene, held: HeldToken): Promise<void> {
  if (held === "none" || held === "none, once") return;
  await manager.getToken();
  await settle();
  if (held === "expiring") clock.advance(lifetimeMs * 0.87);
  if (held === "expired") clock.advance(lifetimeMs);
  if (held === "revoked") emulator.revokeAll();
}

function plant(
  { emulator, aSecondLater }: Scene,
  { fault }: FaultCase,
  held: HeldToken,
  elsewhere: string,
): void {
  const times = held === "none, once" ? 1 : "forever";
  if (fault === "to another origin")
    emulator.fault({ kind: "redirect", location: `${elsewhere}/identity/token` }, { times });
  else if (fault === "held for a second") emulator.fault({ kind: "hold", until: aSecondLater }, { times });
  else emulator.fault(fault, { times });
}

async function observe(scene: Scene): Promise<Observation> {
  const { emulator, clock, traffic, ask, settle } = scene;
  const before = { sent: traffic.sent, atMs: clock.elapsedMs };
  const { status, error, retryAfterS } = await ask();
  const waitedMs = clock.elapsedMs - before.atMs;
  await settle();
  if (error !== undefined && !isIamError(error)) throw error;
  const said = error ?? lastFailure(scene)?.error;
  const seen = {
    result: status ?? ("fails" as const),
    waitedMs,
    tokenRequests: traffic.sent - before.sent,
    error: said && { code: said.code, message: neutral(said.message, emulator.url) },
    retryAfterS,
  };
  emulator.clearFaults();
  return { ...seen, recoveredAfterMs: await timeToRecovery(scene) };
}

/** Asks just before and at each moment at which the manager could ask again. */
async function timeToRecovery(scene: Scene): Promise<number | undefined> {
  const { clock, manager } = scene;
  if (manager.peek() !== undefined && (await isWell(scene))) return undefined;
  const from = clock.elapsedMs;
  const moments = [0, lastFailure(scene)?.coolDownMs ?? 0, 5_000, 30_000, 60_000];
  for (const moment of moments.sort((a, b) => a - b).flatMap((at) => [at - 1, at])) {
    const restMs = moment - (clock.elapsedMs - from);
    if (restMs < 0) continue;
    clock.advance(restMs);
    if (await isWell(scene)) return moment;
  }
  throw new Error("It does not recover within a minute.");
}

/** Whether a request has left a token that is good and need not be replaced at once; it may itself have come too early. */
async function isWell({ ask, settle, manager }: Scene): Promise<boolean> {
  await ask();
  await settle();
  return manager.peek() !== undefined && (await ask()).status === 200;
}

function lastFailure({ events }: Scene) {
  return events.findLast((event) => event.type === "exchange_failed");
}

/** Without what differs from run to run, or is in the name of the fault. */
function neutral(message: string, url: string): string {
  return message
    .replaceAll(url, "https://iam.example.com")
    .replace(/answered HTTP \d{3}(, [\w.-]+){0,2}:/, "answered HTTP {status, code, transaction}:");
}
