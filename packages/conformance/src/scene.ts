import { randomBytes } from "node:crypto";
import { type Counters, type Fault, type LogEntry, type RunningEmulator, startEmulator } from "@iam/emulator";
import type {
  AdapterAnswer,
  AdapterClient,
  AdapterRequest,
  AdapterSubject,
  ClientSettings,
  ManagerShape,
} from "./adapter-subject.ts";
import { findSecret } from "./canary.ts";
import { type Recorder, startRecorder } from "./recorder.ts";
import { createTestClock, type TestClock } from "./test-clock.ts";

/** How a case wants its token manager. */
export interface ManagerChoice {
  /** Default: the key that the emulator knows. */
  apiKey?: string;
  /** Default: the clock of the scene. */
  clock?: TestClock;
}

/** Everything one case plays with: an emulator, a clock, managers and clients of the subject. It ends with the case. */
export interface Scene {
  readonly subject: AdapterSubject;
  readonly emulator: RunningEmulator;
  /** The clock of the managers. */
  readonly clock: TestClock;
  /** The protected resource. */
  readonly resource: string;
  readonly manager: ManagerShape;
  readonly counters: Counters;
  /** Time passes, for the managers and for the emulator. */
  advance(ms: number): void;
  createManager(choice?: ManagerChoice): ManagerShape;
  /** A client of the subject; by default with the scene's manager, and for the emulator's origin only. */
  client(settings?: Partial<ClientSettings<ManagerShape>>): Promise<AdapterClient>;
  /** A client that is given a manager and nothing else. */
  clientWithDefaults(): Promise<AdapterClient>;
  /** Sends by a client of its own, the same each time. */
  send(request?: Partial<AdapterRequest>): Promise<AdapterAnswer>;
  /** One more origin of the same emulator. */
  anotherOrigin(): Promise<string>;
  recorder(): Promise<Recorder>;
  /** The next requests for a path of the protected resource meet a fault. */
  resourceFault(path: string, fault: Fault, times?: number): void;
  /** The requests for the protected resource so far. */
  resourceLog(): readonly LogEntry[];
  /** Resolves as soon as the emulator's counters satisfy the condition, rejects after a few seconds. */
  until(what: string, condition: (counters: Counters) => boolean): Promise<Counters>;
  /** What the promise is rejected with. */
  failure(promise: Promise<unknown>): Promise<unknown>;
}

/** How long anything may take that the contract waits for; long, because machines are busy. */
const patienceMs = 8000;

/** Plays one case, closes everything, and searches all that the caller has seen for secrets. */
export async function playScene(
  subject: AdapterSubject,
  play: (scene: Scene) => Promise<void>,
): Promise<void> {
  const apiKey = `canary/key+${randomBytes(24).toString("base64url")}`;
  const secrets = new Set([apiKey]);
  const seen: unknown[] = [];
  const reading: Promise<void>[] = [];
  const closing: (() => Promise<unknown>)[] = [];
  const emulator = await startEmulator({ apiKeys: [apiKey] });
  closing.push(() => emulator.close());
  // Tokens are dated in whole seconds.
  emulator.clock.freeze(Math.floor(Date.now() / 1000) * 1000);
  const clock = createTestClock();

  async function readSecrets(response: Response): Promise<void> {
    const text = await response.text().catch(() => "");
    for (const name of ["access_token", "refresh_token"]) {
      const value = new RegExp(`"${name}":"([^"]{9,})"`).exec(text)?.[1];
      if (value !== undefined) secrets.add(value);
    }
  }

  const watchingFetch: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    reading.push(readSecrets(response.clone()));
    return response;
  };

  function createManager(choice: ManagerChoice = {}): ManagerShape {
    if (choice.apiKey !== undefined) secrets.add(choice.apiKey);
    const manager = subject.core.createTokenManager({
      grant: subject.core.apiKeyGrant(choice.apiKey ?? apiKey),
      tokenEndpoint: emulator.url,
      clock: choice.clock ?? clock,
      random: () => 0,
      fetch: watchingFetch,
      onEvent: (event) => void seen.push(event),
    });
    closing.push(() => manager[Symbol.asyncDispose]());
    return manager;
  }

  const manager = createManager();

  async function createClient(settings: ClientSettings<ManagerShape>): Promise<AdapterClient> {
    const made = await subject.createClient(settings);
    closing.push(async () => made.close?.());
    return {
      send: (request) => watch(within(`${request.method ?? "GET"} ${request.url}`, made.send(request))),
    };
  }

  const client = (settings: Partial<ClientSettings<ManagerShape>> = {}) =>
    createClient({ manager, origins: [emulator.url], ...settings });

  async function watch(sending: Promise<AdapterAnswer>): Promise<AdapterAnswer> {
    try {
      const answer = await sending;
      seen.push(answer, answer.response);
      return answer;
    } catch (error) {
      seen.push(error);
      throw error;
    }
  }

  let usual: Promise<AdapterClient> | undefined;
  const scene: Scene = {
    subject,
    emulator,
    clock,
    manager,
    resource: `${emulator.url}/resource`,
    get counters() {
      return emulator.counters;
    },
    advance(ms) {
      clock.advance(ms);
      emulator.clock.advance(ms);
    },
    createManager,
    client,
    clientWithDefaults: () => createClient({ manager }),
    async send(request = {}) {
      usual ??= client();
      return (await usual).send({ url: scene.resource, ...request });
    },
    anotherOrigin: async () => (await emulator.listen()).url,
    async recorder() {
      const recorder = await startRecorder();
      closing.push(() => recorder.close());
      return recorder;
    },
    resourceFault(path, fault, times = 1) {
      emulator.fault(fault, { target: "resource", path, times });
    },
    resourceLog: () => emulator.log.filter(({ target }) => target === "resource"),
    until: (what, condition) => {
      const ending = new AbortController();
      const waiting = emulator.until(condition, { signal: ending.signal });
      return within(what, waiting).catch((error) => {
        ending.abort(error);
        waiting.catch(() => {});
        throw error;
      });
    },
    async failure(promise) {
      let value: unknown;
      try {
        value = await promise;
      } catch (error) {
        seen.push(error);
        return error;
      }
      throw new Error(`It should have failed, but gave ${JSON.stringify(value)?.slice(0, 200)}`);
    },
  };

  try {
    await play(scene);
    await Promise.all(reading);
    for (const value of new Set(seen)) {
      const found = findSecret(value, secrets);
      if (found !== undefined) throw new Error(`What the caller has seen shows ${found}`);
    }
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

/** Rejects when it takes too long: a case that hangs says where. */
async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    const error = new Error(`Waited ${patienceMs} ms in vain: ${what}`);
    timer = setTimeout(() => reject(error), patienceMs);
  });
  try {
    return await Promise.race([promise, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
