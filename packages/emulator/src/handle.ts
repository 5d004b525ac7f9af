import { type Answer, ConnectionReset, type Incoming, jsonAnswer, type ReceivedBody } from "./answer.ts";
import { applyFault, type ServeOptions } from "./apply-fault.ts";
import type { Faults } from "./faults.ts";
import type { Iam } from "./iam.ts";
import { errorAnswer, IamRefusal, type RequestContext, troubleAnswer, wrongMethod } from "./iam-errors.ts";
import { jsonObject } from "./json-body.ts";
import { metadataTrouble } from "./metadata.ts";
import { redactAuthorization, redactFields } from "./redact.ts";
import type { OpenEntry, RequestLog } from "./request-log.ts";
import { findRoute, type Route, type Service } from "./routes.ts";
import { transactionIdOf } from "./transaction-id.ts";

/** What answering a request takes. */
export interface Machine {
  readonly iam: Iam;
  readonly faults: Faults;
  readonly log: RequestLog;
}

/**
 * Answers one request, as the faults in the queue want it, and notes it in the log.
 *
 * Errors: a ConnectionReset when the connection is to be cut, the signal's reason when the client has gone.
 */
export async function handle(machine: Machine, incoming: Incoming, service: Service): Promise<Answer> {
  const { iam, faults, log } = machine;
  const body = await incoming.body();
  const fields = fieldsOf(incoming, body);
  const { url, headers, method } = incoming;
  const route = findRoute(service, url.pathname);
  const startedAt = iam.clock.now();
  const entry = log.receive({
    at: startedAt,
    target: route?.target ?? "none",
    method,
    path: url.pathname,
    origin: url.origin,
    fields: await redactFields(loggedFields(fields, headers, body)),
    authorization: await redactAuthorization(headers.get("authorization"), iam.tokens.jtiOf),
    userAgent: headers.get("user-agent") ?? "",
    bodyBytes: body.length,
  });
  try {
    const work = { iam, incoming, body, fields, startedAt, entry };
    const fault = route && faults.take(route.target, url.pathname);
    if (fault) entry.met(fault.kind);
    const answer = !route
      ? unknownPath(service)
      : fault
        ? await applyFault(fault, scene(work, route))
        : await serve(work, route);
    entry.answered(answer.status);
    return { ...dated(answer, iam.clock.now()), body: watched(answer.body, entry, incoming.signal) };
  } catch (error) {
    entry.ended(error instanceof ConnectionReset ? "cut" : "abandoned");
    throw error;
  }
}

interface Work {
  readonly iam: Iam;
  readonly incoming: Incoming;
  readonly body: ReceivedBody;
  readonly fields: URLSearchParams;
  readonly startedAt: number;
  readonly entry: OpenEntry;
}

async function serve(work: Work, route: Route, options: ServeOptions = {}): Promise<Answer> {
  const { iam, incoming, body, fields, entry } = work;
  const { skewMs = 0, token = "jwt" } = options;
  const { method, url, headers, signal } = incoming;
  const context = contextOf(work, route, skewMs);
  const { transactionId } = context;
  const now = iam.clock.now() + skewMs;
  const { granted, refused } = entry;
  try {
    if (!takes(route, method)) {
      if (!route.trouble) throw wrongMethod();
      const answer = route.trouble(405);
      return { ...answer, headers: { ...answer.headers, allow: route.method ?? "GET" } };
    }
    const answer = await route.answer({
      ...{ iam, method, url, headers, fields, body, transactionId, now, token, signal, granted, refused },
    });
    return skewMs === 0 ? answer : dated(answer, now);
  } catch (error) {
    if (!(error instanceof IamRefusal)) throw error;
    entry.refused(error.errorCode);
    const answer = errorAnswer(error, incoming, { ...context, endedAt: iam.clock.now() + skewMs });
    const allow = error.errorCode === "BXNIM0060E" ? { allow: route.method ?? "GET" } : {};
    return dated({ ...answer, headers: { ...answer.headers, ...allow } }, now);
  }
}

function scene(work: Work, route: Route) {
  const { iam, incoming } = work;
  const context = () => contextOf(work, route, 0);
  return {
    incoming,
    serve: (options?: ServeOptions) => serve(work, route, options),
    trouble: (status: number) => route.trouble?.(status) ?? troubleAnswer(status, incoming, context()),
    refuse: (refusal: IamRefusal) => errorAnswer(refusal, incoming, context()),
    now: iam.clock.now,
  };
}

function contextOf({ iam, incoming, startedAt }: Work, route: Route, skewMs: number): RequestContext {
  return {
    transactionId: transactionIdOf(incoming.headers.get("transaction-id"), iam.instanceId),
    requestType: route.requestType,
    instanceId: iam.instanceId,
    startedAt: startedAt + skewMs,
    endedAt: iam.clock.now() + skewMs,
  };
}

function takes({ method }: Route, asked: string): boolean {
  return method === undefined || asked === method || (method === "GET" && asked === "HEAD");
}

/** Query and form together; IAM reads a form only if it says so and has a length. */
function fieldsOf({ url, headers }: Incoming, { bytes }: ReceivedBody): URLSearchParams {
  const fields = new URLSearchParams(url.search);
  const isForm = /^application\/x-www-form-urlencoded *(;|$)/i.test(headers.get("content-type") ?? "");
  if (!isForm || headers.get("transfer-encoding") !== null) return fields;
  const form = new Map(new URLSearchParams(new TextDecoder().decode(bytes)));
  // Not by `set`, which looks through all of them each time: a form of a megabyte would take minutes.
  return new URLSearchParams([...[...fields].filter(([name]) => !form.has(name)), ...form]);
}

/** What the log shows of the parameters: the members of a small JSON body too. */
function loggedFields(
  fields: URLSearchParams,
  headers: Headers,
  { bytes, length }: ReceivedBody,
): URLSearchParams {
  const isJson = /^application\/json *(;|$)/i.test(headers.get("content-type") ?? "");
  if (!isJson || length > 16 * 1024) return fields;
  const all = new URLSearchParams(fields);
  for (const [name, value] of Object.entries(jsonObject(bytes) ?? {}))
    all.set(name, typeof value === "string" ? value : JSON.stringify(value));
  return all;
}

function unknownPath(service: Service): Answer {
  if (service === "metadata") return metadataTrouble(404, "not_found");
  return jsonAnswer(404, { errorCode: "BXNIM0102E", errorMessage: "HTTP 404 Not Found" });
}

function dated(answer: Answer, epochMs: number): Answer {
  const date = new Date(epochMs).toUTCString();
  return { ...answer, headers: { date, ...answer.headers } };
}

/** Tells the log when the body has been sent, or could not be. */
function watched(body: Answer["body"], entry: OpenEntry, signal: AbortSignal): Answer["body"] {
  if (typeof body === "string" || body instanceof Uint8Array) {
    entry.ended("answered");
    return body;
  }
  // A generator that was never started does not run its finally block.
  signal.addEventListener("abort", () => entry.ended("abandoned"), { once: true });
  return observe(body, entry);
}

async function* observe(chunks: AsyncIterable<Uint8Array>, entry: OpenEntry): AsyncGenerator<Uint8Array> {
  let outcome: "answered" | "cut" | "abandoned" = "abandoned";
  try {
    yield* chunks;
    outcome = "answered";
  } catch (error) {
    if (error instanceof ConnectionReset) outcome = "cut";
    throw error;
  } finally {
    entry.ended(outcome);
  }
}
