import { randomBytes } from "node:crypto";
import { type Fault, type RunningEmulator, startEmulator } from "@iam/emulator";
import { findSecret } from "./canary.ts";
import { startRecorder } from "./recorder.ts";
import type { TransportAnswer, TransportShape, TransportSubject } from "./transport-subject.ts";

/** One rule of the contract of a transport, as data. */
export interface TransportCase {
  /** A sentence; the same for every transport. */
  readonly name: string;
  /** Rejects when the subject breaks the rule. */
  run(subject: TransportSubject): Promise<void>;
}

interface TransportScene {
  readonly emulator: RunningEmulator;
  readonly apiKey: string;
  readonly subject: TransportSubject;
  readonly transport: TransportShape;
  /** Sends a token request, with a signal that nobody aborts unless one is given. */
  ask(more?: { apiKey?: string; signal?: AbortSignal }): Promise<TransportAnswer>;
  /** What asking fails with. */
  failure(more?: { signal?: AbortSignal }): Promise<unknown>;
}

/** How long anything may take that is to end at once; long, because machines are busy. */
const patienceMs = 8000;
const cases: TransportCase[] = [];

/** The rules that every transport keeps. */
export const transportContract: readonly TransportCase[] = cases;

function add(name: string, play: (scene: TransportScene) => Promise<void>): void {
  cases.push({ name, run: (subject) => playScene(subject, play) });
}

async function playScene(
  subject: TransportSubject,
  play: (scene: TransportScene) => Promise<void>,
): Promise<void> {
  const apiKey = `canary/key+${randomBytes(24).toString("base64url")}`;
  const emulator = await startEmulator({ apiKeys: [apiKey, "another-api-key"] });
  try {
    const transport = await subject.createTransport({ tokenEndpoint: `${emulator.url}/identity/token` });
    const ask: TransportScene["ask"] = ({
      apiKey: key = apiKey,
      signal = new AbortController().signal,
    } = {}) => within(transport(apiKeyRequest(emulator.url, key), { signal }));
    const failure: TransportScene["failure"] = async (more) => {
      const error = await ask(more).then(
        ({ status }) => fail(`It should have failed, but answered ${status}`),
        (thrown: unknown) => thrown,
      );
      expectThat(subject.isIamError(error), "What a transport fails with is an IamError");
      expectNoSecret(error, [apiKey]);
      return error;
    };
    await play({ emulator, apiKey, subject, transport, ask, failure });
  } finally {
    await emulator.close();
  }
}

function apiKeyRequest(url: string, apikey: string) {
  const grant_type = "urn:ibm:params:oauth:grant-type:apikey";
  return {
    method: "POST",
    url: `${url}/identity/token`,
    headers: { accept: "application/json", "content-type": "application/x-www-form-urlencoded" },
    body: `${new URLSearchParams({ grant_type, apikey, scope: "ibm openid" })}`,
  };
}

add("brings the request to the token endpoint, and the answer back", async ({ ask, emulator }) => {
  const { status, body } = await ask();
  expectEqual(status, 200);
  const { access_token, token_type, refresh_token } = JSON.parse(body);
  expectThat(typeof access_token === "string", "The body is the one that was sent");
  expectEqual([token_type, refresh_token], ["Bearer", "not_supported"]);
  const [request] = asked(emulator);
  expectEqual(
    [request?.method, request?.path, request?.fields.scope],
    ["POST", "/identity/token", "ibm openid"],
  );
  expectEqual(request?.fields.grant_type, "urn:ibm:params:oauth:grant-type:apikey");
  expectEqual(request?.authorization, undefined);
});

add("brings back Date, Retry-After and transaction-id as they were sent", async ({ ask, emulator }) => {
  emulator.clock.set(Date.UTC(2031, 0, 2, 3, 4, 5));
  const good = await ask();
  expectEqual(good.date, "Thu, 02 Jan 2031 03:04:05 GMT");
  expectThat(/^[\w.-]{20,}$/.test(good.transactionId ?? ""), "There is a transaction-id");
  expectEqual(good.retryAfter, undefined);
  emulator.fault({ kind: "throttle", retryAfter: 7 });
  expectEqual((await ask()).retryAfter, "7");
});

for (const status of [400, 401, 403, 404, 408, 429, 500, 501, 502, 503, 504]) {
  add(`takes ${status} for an answer, and asks once`, async ({ ask, emulator }) => {
    emulator.fault({ kind: "status", status });
    const answer = await ask();
    expectEqual(answer.status, status);
    expectThat(answer.body.length > 0, "The body of a refusal is there to be read");
    expectEqual(asked(emulator).length, 1);
  });
}

add("brings IAM's own refusal with its code", async ({ ask }) => {
  const { status, body } = await ask({ apiKey: "nobody-has-this-key" });
  expectEqual([status, JSON.parse(body).errorCode], [400, "BXNIM0415E"]);
});

const oddities: [string, Fault, (body: string) => boolean][] = [
  ["an error with status 200", { kind: "error-in-200" }, (body) => /"errorCode":"BXNIM/.test(body)],
  ["a web page with status 200", { kind: "html" }, (body) => /<html/i.test(body)],
  ["an empty body", { kind: "empty-body" }, (body) => body === ""],
  ["half a JSON text", { kind: "broken-json" }, (body) => body.startsWith("{") && !body.endsWith("}")],
  ["an answer without a token", { kind: "no-token" }, (body) => !("access_token" in JSON.parse(body))],
  [
    "a token_type in another case",
    { kind: "fields", set: { token_type: "BEARER" } },
    (body) => body.includes("BEARER"),
  ],
  [
    "a token_type that is not Bearer",
    { kind: "fields", set: { token_type: "mac" } },
    (body) => body.includes("mac"),
  ],
  ["an opaque token", { kind: "opaque-token" }, (body) => body.includes("opaque-")],
  [
    "letters of any alphabet",
    { kind: "fields", set: { scope: "ключ 鍵 🔑" } },
    (body) => body.includes("ключ 鍵 🔑"),
  ],
];
for (const [name, fault, isThere] of oddities) {
  add(`leaves it to core to judge ${name}`, async ({ ask, emulator }) => {
    emulator.fault(fault);
    const { status, body } = await ask();
    expectEqual(status, 200);
    expectThat(isThere(body), "The body is the one that was sent");
  });
}

add("puts a body together that comes in pieces", async ({ ask, emulator }) => {
  emulator.fault({ kind: "slow-body", everyMs: 1, chunkBytes: 7 });
  expectThat("access_token" in JSON.parse((await ask()).body), "The body is whole");
});

for (const status of [301, 302, 303, 307, 308] as const) {
  add(`follows no ${status}: no secret goes to a second origin`, async ({ ask, emulator }) => {
    const recorder = await startRecorder();
    try {
      emulator.fault({ kind: "redirect", location: `${recorder.origin}/stolen`, status });
      const answer = await ask();
      expectThat(answer.status === status || answer.status === 0, "A redirect is an answer, or opaque");
      expectEqual(recorder.requests.length, 0);
      expectEqual(asked(emulator).length, 1);
    } finally {
      await recorder.close();
    }
  });
}

add("fails when the connection is cut", async ({ failure, emulator }) => {
  emulator.fault({ kind: "reset" });
  expectEqual(codeOf(await failure()), "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE");
  expectEqual(asked(emulator).length, 1);
});

add("fails when the body is cut", async ({ failure, emulator }) => {
  emulator.fault({ kind: "cut-body" });
  expectEqual(codeOf(await failure()), "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE");
});

add("fails when nobody listens", async ({ failure, emulator }) => {
  await emulator.close();
  expectEqual(codeOf(await failure()), "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE");
});

for (const kind of ["huge-body", "endless-body"] as const) {
  add(`stops reading at 1 MiB: ${kind}`, async ({ failure, emulator }) => {
    emulator.fault({ kind, ...(kind === "endless-body" && { everyMs: 0, chunkBytes: 65_536 }) });
    expectEqual(codeOf(await failure()), "ERR_IAM_TOKEN_RESPONSE_INVALID");
  });
}

const waits: [string, Fault][] = [
  ["for an answer", { kind: "hang" }],
  ["for the end of a body", { kind: "slow-body", everyMs: 200, chunkBytes: 1 }],
];
for (const [what, fault] of waits) {
  add(`ends its wait ${what} when the signal says so`, async ({ failure, emulator }) => {
    emulator.fault(fault);
    const ending = new AbortController();
    const failing = failure({ signal: ending.signal });
    await emulator.until(({ faults }) => faults === 1);
    ending.abort(new DOMException("The deadline is over.", "TimeoutError"));
    await failing;
  });
}

add("asks nobody when the signal has said so before", async ({ failure, emulator }) => {
  await failure({ signal: AbortSignal.abort() });
  expectEqual(asked(emulator).length, 0);
});

add("keeps answers apart that are under way at once", async ({ ask, emulator }) => {
  const keys = Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? undefined : "nobody-has-this-key"));
  const answers = await Promise.all(keys.map((apiKey) => ask(apiKey === undefined ? {} : { apiKey })));
  expectEqual(
    answers.map(({ status }) => status),
    keys.map((apiKey) => (apiKey === undefined ? 200 : 400)),
  );
  const tokens = answers
    .filter(({ status }) => status === 200)
    .map(({ body }) => JSON.parse(body).access_token);
  expectEqual(new Set(tokens).size, 10);
  expectEqual(asked(emulator).length, 20);
});

add("remembers nothing: two requests, two tokens", async ({ ask }) => {
  const [first, second] = [await ask(), await ask()];
  expectThat(first.body !== second.body, "Each request has an answer of its own");
});

add("shows nothing of the body in its answer", async ({ ask, apiKey }) => {
  const answer = await ask();
  expectNoSecret(answer, [apiKey, JSON.parse(answer.body).access_token]);
});

/** The token requests so far; a transport may ask for other things before, such as where the token endpoint is. */
function asked({ log }: RunningEmulator): RunningEmulator["log"] {
  return log.filter(({ target }) => target === "token");
}

function codeOf(error: unknown): unknown {
  return Object(error).code;
}

function expectNoSecret(value: unknown, secrets: string[]): void {
  const found = findSecret(value, secrets);
  if (found !== undefined) fail(`What a transport gives shows ${found}`);
}

function expectEqual(actual: unknown, expected: unknown): void {
  const [is, shall] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== shall) fail(`It should be ${shall}, but is ${is}`);
}

function expectThat(holds: boolean, what: string): void {
  if (!holds) fail(`This does not hold: ${what}`);
}

function fail(message: string): never {
  throw new Error(message);
}

/** Rejects when it takes too long: a case that hangs says so. */
async function within<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${patienceMs} ms in vain`)), patienceMs);
  });
  try {
    return await Promise.race([promise, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
