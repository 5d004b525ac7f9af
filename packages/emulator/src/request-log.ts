import type { Fault, FaultTarget } from "./faults.ts";
import type { LoggedAuthorization } from "./redact.ts";

/** The part of the emulator that a request was for; `none` is an unknown path. */
export type LoggedTarget = Exclude<FaultTarget, "any"> | "none";

/** One request that the emulator has received. It holds no secret. */
export interface LogEntry {
  /** Counts from 1. */
  readonly id: number;
  /** When it came, by the emulator's clock; epoch milliseconds. */
  readonly at: number;
  readonly target: LoggedTarget;
  readonly method: string;
  /** Without the query, whose parameters are in `fields`. */
  readonly path: string;
  /** The origin that was asked. */
  readonly origin: string;
  /** Parameters of query and form; all but the public ones as `[redacted] <fingerprint>`. */
  readonly fields: Readonly<Record<string, string>>;
  /** What the `Authorization` header held, undefined when there was none. */
  readonly authorization: LoggedAuthorization | undefined;
  readonly userAgent: string;
  readonly bodyBytes: number;
  /** The status answered; undefined while there is none, or when there never will be. */
  readonly status: number | undefined;
  /** How it ended; undefined while it has not. */
  readonly outcome: "answered" | "cut" | "abandoned" | undefined;
  /** Why IAM refused, such as BXNIM0415E. */
  readonly errorCode: string | undefined;
  readonly fault: Fault["kind"] | undefined;
}

/** What the emulator has counted since it started or was reset. */
export interface Counters {
  readonly requests: number;
  /** Requests for any token endpoint (also of the metadata service, MCSP and CP4D), whatever became of them. */
  readonly tokenRequests: number;
  /** Requests that were granted there, lost on the way or not. */
  readonly grants: number;
  /** Requests that the service itself refused there; faults are not refusals. */
  readonly refusals: number;
  /** Requests that met a fault. */
  readonly faults: number;
  readonly tokenRequestsInFlight: number;
  readonly maxConcurrentTokenRequests: number;
  /** Requests for protected resources, the OpenAI-shaped ones too. */
  readonly resourceRequests: number;
  readonly resourceRequestsByStatus: Readonly<Record<number, number>>;
  readonly jwksRequests: number;
  readonly discoveryRequests: number;
  readonly introspections: number;
  /** Requests for an identity token of the metadata service, the first of its two legs. */
  readonly metadataIdentityRequests: number;
}

/** What happens to requests, told to {@link RequestLog.subscribe}. */
export interface RequestEvent {
  /** `changed` when it meets a fault, is granted, refused or answered; then it goes on. */
  readonly type: "received" | "changed" | "ended";
  readonly entry: LogEntry;
}

/** What the log notes about a request when it comes. */
type Received = Omit<LogEntry, "id" | "status" | "outcome" | "errorCode" | "fault">;

/** A request that is being answered. */
export interface OpenEntry {
  met(fault: Fault["kind"]): void;
  granted(): void;
  refused(errorCode: string): void;
  /** Notes the status; the exchange goes on until `ended`. */
  answered(status: number): void;
  ended(outcome: NonNullable<LogEntry["outcome"]>): void;
}

/** The memory of one emulator: its last requests, and numbers about all. */
export interface RequestLog {
  entries(): readonly LogEntry[];
  counters(): Counters;
  receive(received: Received): OpenEntry;
  subscribe(listener: (event: RequestEvent) => void): () => void;
  reset(): void;
}

/** Makes the log; it keeps the last `limit` requests. */
export function createRequestLog(limit: number): RequestLog {
  const listeners = new Set<(event: RequestEvent) => void>();
  let entries: LogEntry[] = [];
  let counters = emptyCounters();
  let era = 0;
  let lastId = 0;

  const add = (edit: Partial<Record<NumberNames, number>>) => {
    counters = { ...counters };
    for (const [name, by] of Object.entries(edit)) if (isNumberName(name)) counters[name] += by;
  };

  function receive(received: Received): OpenEntry {
    const born = era;
    const isToken = tokenTargets.has(received.target);
    const isResource = received.target === "resource" || received.target === "openai";
    let entry: LogEntry = { id: ++lastId, ...received, status: undefined, outcome: undefined, ...nothingYet };
    const change = (edit: Partial<LogEntry>) => {
      entry = Object.freeze({ ...entry, ...edit });
      const at = entry.id - (entries[0]?.id ?? Number.POSITIVE_INFINITY);
      if (at >= 0 && born === era) entries[at] = entry;
    };
    const count = (edit: Partial<Record<NumberNames, number>>) => {
      if (born === era) add(edit);
    };
    const countStatus = (status: number) => {
      const before = counters.resourceRequestsByStatus;
      const resourceRequestsByStatus = { ...before, [status]: (before[status] ?? 0) + 1 };
      if (born === era) counters = { ...counters, resourceRequestsByStatus };
    };
    const tell = (type: RequestEvent["type"]) => {
      for (const listener of listeners) listener({ type, entry });
    };
    entries.push(entry);
    if (entries.length > limit) entries.shift();
    count({ requests: 1, ...countedAs[received.target], ...(isToken ? { tokenRequestsInFlight: 1 } : {}) });
    const { tokenRequestsInFlight, maxConcurrentTokenRequests } = counters;
    if (tokenRequestsInFlight > maxConcurrentTokenRequests)
      count({ maxConcurrentTokenRequests: tokenRequestsInFlight - maxConcurrentTokenRequests });
    tell("received");

    return {
      met(fault) {
        change({ fault });
        count({ faults: 1 });
        tell("changed");
      },
      granted() {
        count({ grants: 1 });
        tell("changed");
      },
      refused(errorCode) {
        change({ errorCode });
        if (isToken) count({ refusals: 1 });
        tell("changed");
      },
      answered(status) {
        change({ status });
        if (isResource) countStatus(status);
        tell("changed");
      },
      ended(outcome) {
        if (entry.outcome !== undefined) return;
        change({ outcome });
        if (isToken) count({ tokenRequestsInFlight: -1 });
        tell("ended");
      },
    };
  }

  return {
    entries: () => entries.slice(),
    counters: () => counters,
    receive,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    reset() {
      era++;
      entries = [];
      counters = emptyCounters();
    },
  };
}

const nothingYet = { errorCode: undefined, fault: undefined } as const;

/** Where access tokens are granted. */
const tokenTargets: ReadonlySet<LoggedTarget> = new Set(["token", "metadata-token", "mcsp", "cp4d"]);

type NumberNames = Exclude<keyof Counters, "resourceRequestsByStatus">;

const countedAs: Readonly<Record<LoggedTarget, Partial<Record<NumberNames, number>>>> = {
  token: { tokenRequests: 1 },
  resource: { resourceRequests: 1 },
  openai: { resourceRequests: 1 },
  keys: { jwksRequests: 1 },
  discovery: { discoveryRequests: 1 },
  introspect: { introspections: 1 },
  userinfo: {},
  passcode: {},
  profiles: {},
  "metadata-identity": { metadataIdentityRequests: 1 },
  "metadata-token": { tokenRequests: 1 },
  mcsp: { tokenRequests: 1 },
  cp4d: { tokenRequests: 1 },
  none: {},
};

function emptyCounters(): { -readonly [name in keyof Counters]: Counters[name] } {
  return {
    requests: 0,
    tokenRequests: 0,
    grants: 0,
    refusals: 0,
    faults: 0,
    tokenRequestsInFlight: 0,
    maxConcurrentTokenRequests: 0,
    resourceRequests: 0,
    resourceRequestsByStatus: {},
    jwksRequests: 0,
    discoveryRequests: 0,
    introspections: 0,
    metadataIdentityRequests: 0,
  };
}

function isNumberName(name: string): name is NumberNames {
  return name !== "resourceRequestsByStatus";
}
