import { type Answer, bodyBytes, ConnectionReset, htmlAnswer, type Incoming } from "./answer.ts";
import type { Fault, RetryAfter } from "./faults.ts";
import { IamRefusal } from "./iam-errors.ts";
import { aborted, wait } from "./wait.ts";

/** How the proper answer is to differ from the usual one. */
export interface ServeOptions {
  /** What kind of token to issue. Default: a JWT. */
  readonly token?: "jwt" | "opaque" | "undated" | "same";
  /** How far the server's clock is off for this answer. Default: 0. */
  readonly skewMs?: number;
}

/** What a fault works on. */
export interface FaultScene {
  readonly incoming: Incoming;
  /** Gives the proper answer; called at most once. */
  serve(options?: ServeOptions): Promise<Answer>;
  /** The answer of that status by a server that is in trouble. */
  trouble(status: number): Answer;
  /** The answer of IAM when it refuses. */
  refuse(refusal: IamRefusal): Answer;
  /** The emulator's time. */
  now(): number;
}

/** Answers a request the way the fault wants it. */
export async function applyFault(fault: Fault, scene: FaultScene): Promise<Answer> {
  const { incoming, serve } = scene;
  switch (fault.kind) {
    case "delay":
      await wait(fault.ms, incoming.signal);
      return fault.next ? applyFault(fault.next, scene) : serve();
    case "hold":
      await Promise.race([fault.until, aborted(incoming.signal)]);
      return fault.next ? applyFault(fault.next, scene) : serve();
    case "hang":
      return aborted(incoming.signal);
    case "reset":
      throw new ConnectionReset();
    case "opaque-token":
      return serve({ token: "opaque" });
    case "undated-token":
      return serve({ token: "undated" });
    case "same-token":
      return serve({ token: "same" });
    case "skew":
      return serve({ skewMs: fault.ms });
    default:
      return insteadOf(fault, scene) ?? spoil(fault, await serve(), incoming.signal);
  }
}

/** The answers that need nothing of the proper one: IAM is not even asked. */
function insteadOf(fault: Fault, { trouble, refuse, now }: FaultScene): Answer | undefined {
  switch (fault.kind) {
    case "status":
      return withHeaders(trouble(fault.status), retryAfter(fault.retryAfter, now()));
    case "refuse":
      return refuse(new IamRefusal(fault.errorCode, fault.details));
    case "throttle":
      return withHeaders(trouble(429), retryAfter(fault.retryAfter, now()));
    case "html":
      return htmlAnswer(
        fault.status ?? 200,
        fault.status === 502 ? "502 Bad Gateway" : "Welcome to the network",
      );
    case "empty-body":
      return { status: fault.status ?? 200, headers: { "content-type": "application/json" }, body: "" };
    case "error-in-200":
      return { ...trouble(400), status: 200 };
    case "redirect":
      return { status: fault.status ?? 307, headers: { location: fault.location }, body: "" };
    default:
      return undefined;
  }
}

/** The proper answer, damaged. */
function spoil(fault: Fault, answer: Answer, signal: AbortSignal): Answer {
  const bytes =
    typeof answer.body === "string" || answer.body instanceof Uint8Array ? bodyBytes(answer.body) : none;
  switch (fault.kind) {
    case "cut-body":
      return { ...answer, body: cut(bytes.subarray(0, fault.afterBytes ?? 20)) };
    case "slow-body":
      return { ...answer, body: dribble(bytes, fault.chunkBytes ?? 16, fault.everyMs ?? 100, signal) };
    case "endless-body":
      return { ...answer, body: endless(fault.chunkBytes ?? 16 * 1024, fault.everyMs ?? 5, signal) };
    case "huge-body":
      return edit(answer, { set: { padding: "x".repeat(fault.bytes ?? 10 * 1024 * 1024) } });
    case "broken-json":
      return { ...answer, body: bytes.slice(0, Math.floor(bytes.length / 2)) };
    case "no-token":
      return edit(answer, { omit: ["access_token", "token"] });
    case "bad-token":
      return edit(answer, { set: spoiltToken(answer, flawed[fault.flaw]) });
    case "fields":
      return edit(answer, fault);
    case "headers":
      return withHeaders(answer, fault.set, fault.omit);
    default:
      return answer;
  }
}

const none = new Uint8Array();

const flawed = {
  "line-break": (token: string) => `${token.slice(0, 20)}\n${token.slice(20)}`,
  "non-ascii": (token: string) => `${token.slice(0, 20)}\u00e9\u{1F511}${token.slice(20)}`,
  space: (token: string) => `${token.slice(0, 20)} ${token.slice(20)}`,
  empty: () => "",
};

function retryAfter(value: RetryAfter | undefined, nowMs: number): Record<string, string> {
  if (value === undefined) return {};
  if (typeof value !== "object") return { "retry-after": String(value) };
  return { "retry-after": new Date(nowMs + value.dateInS * 1000).toUTCString() };
}

function withHeaders(
  answer: Answer,
  set: Readonly<Record<string, string>> = {},
  omit: readonly string[] = [],
): Answer {
  // An omitted header is set to nothing, so that a face does not add its own.
  const gone = Object.fromEntries(omit.map((name) => [name, ""]));
  return { ...answer, headers: { ...answer.headers, ...set, ...gone } };
}

function membersOf(answer: Answer): Record<string, unknown> {
  if (typeof answer.body !== "string") return {};
  try {
    const value: unknown = JSON.parse(answer.body);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** The member that holds the token, whatever it is called here, and its new value. */
function spoiltToken(answer: Answer, spoilt: (token: string) => string): Record<string, string> {
  const { access_token, token } = membersOf(answer);
  return typeof token === "string"
    ? { token: spoilt(token) }
    : { access_token: spoilt(String(access_token ?? "")) };
}

function edit(
  answer: Answer,
  { set = {}, omit = [] }: { set?: Readonly<Record<string, unknown>>; omit?: readonly string[] },
): Answer {
  const members = { ...membersOf(answer), ...set };
  for (const name of omit) delete members[name];
  return { ...answer, body: JSON.stringify(members) };
}

async function* cut(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
  throw new ConnectionReset();
}

async function* dribble(
  bytes: Uint8Array,
  chunkBytes: number,
  everyMs: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    await wait(everyMs, signal);
    yield bytes.subarray(at, at + chunkBytes);
  }
}

async function* endless(
  chunkBytes: number,
  everyMs: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode('{"access_token":"');
  const chunk = new TextEncoder().encode("x".repeat(chunkBytes));
  for (;;) {
    yield chunk;
    await wait(everyMs, signal);
  }
}
