import type { Fault, IamErrorCode } from "@iam/emulator";

/** One way in which a token endpoint goes wrong, as a row of the table. */
export interface FaultCase {
  /** What the token endpoint does, as the end of the sentence "The token endpoint …". */
  readonly does: string;
  readonly fault: Fault | "held for a second" | "to another origin";
  /** Whether nothing more comes, so that only time helps. */
  readonly stalls?: boolean;
  /** How far the date of this machine is off; milliseconds. Default: 0. */
  readonly wallOffsetMs?: number;
}

const hourMs = 3_600_000;
const aMinute = 60_000;

const refused = (errorCode: IamErrorCode, what: string): FaultCase => ({
  does: `refuses: ${what} (${errorCode})`,
  fault: { kind: "refuse", errorCode },
});

const answers = (status: number): FaultCase => ({
  does: `answers ${status}`,
  fault: { kind: "status", status },
});

const tells = (does: string, set: Record<string, unknown>, omit: readonly string[] = []): FaultCase => ({
  does,
  fault: { kind: "fields", set, omit },
});

/** Every kind of fault that the emulator knows: one that is missing here does not compile. */
export const faultCases = {
  hang: [{ does: "never answers", fault: { kind: "hang" }, stalls: true }],
  delay: [
    { does: "answers 20 ms late", fault: { kind: "delay", ms: 20 } },
    { does: "answers after a minute", fault: { kind: "delay", ms: aMinute }, stalls: true },
    {
      does: "answers 503 20 ms late",
      fault: { kind: "delay", ms: 20, next: { kind: "status", status: 503 } },
    },
  ],
  hold: [{ does: "answers after a second", fault: "held for a second", stalls: true }],
  reset: [{ does: "cuts the connection", fault: { kind: "reset" } }],
  "cut-body": [{ does: "cuts the connection within the body", fault: { kind: "cut-body" } }],
  "slow-body": [
    { does: "sends the body piece by piece", fault: { kind: "slow-body", everyMs: 1, chunkBytes: 400 } },
    {
      does: "sends the headers, and the body too slowly",
      fault: { kind: "slow-body", everyMs: aMinute },
      stalls: true,
    },
  ],
  "endless-body": [
    { does: "sends a body without end", fault: { kind: "endless-body", everyMs: 1, chunkBytes: 65_536 } },
    {
      does: "sends a body without end, slowly",
      fault: { kind: "endless-body", everyMs: aMinute },
      stalls: true,
    },
  ],
  "huge-body": [{ does: "sends ten megabytes", fault: { kind: "huge-body" } }],
  status: [400, 401, 403, 404, 408, 500, 501, 502, 503, 504].map(answers),
  throttle: [
    { does: "answers 429", fault: { kind: "throttle" } },
    { does: "answers 429, Retry-After: 2", fault: { kind: "throttle", retryAfter: 2 } },
    { does: "answers 429, Retry-After: 30", fault: { kind: "throttle", retryAfter: 30 } },
    {
      does: "answers 429, Retry-After in 30 s as a date",
      fault: { kind: "throttle", retryAfter: { dateInS: 30 } },
    },
    { does: "answers 429, Retry-After: 86400", fault: { kind: "throttle", retryAfter: 86_400 } },
  ],
  refuse: [
    refused("BXNIM0415E", "the API key is not known"),
    refused("BXNIM0462E", "the API key is disabled"),
    refused("BXNIM0310E", "the client is not known"),
    refused("BXNIM0513E", "not authorized"),
  ],
  redirect: [
    { does: "redirects to another origin (307)", fault: "to another origin" },
    {
      does: "redirects to itself (303)",
      fault: { kind: "redirect", location: "/identity/token", status: 303 },
    },
  ],
  html: [
    { does: "answers 200 with a web page", fault: { kind: "html" } },
    { does: "answers 502 with a web page", fault: { kind: "html", status: 502 } },
  ],
  "empty-body": [
    { does: "answers 200 with nothing", fault: { kind: "empty-body" } },
    { does: "answers 204", fault: { kind: "empty-body", status: 204 } },
  ],
  "broken-json": [{ does: "sends half of the JSON", fault: { kind: "broken-json" } }],
  "no-token": [{ does: "leaves the token out", fault: { kind: "no-token" } }],
  "error-in-200": [{ does: "answers 200 with an error body", fault: { kind: "error-in-200" } }],
  "bad-token": [
    { does: "sends a token with a line break", fault: { kind: "bad-token", flaw: "line-break" } },
    { does: "sends a token with an umlaut", fault: { kind: "bad-token", flaw: "non-ascii" } },
    { does: "sends a token with a space", fault: { kind: "bad-token", flaw: "space" } },
    { does: "sends an empty token", fault: { kind: "bad-token", flaw: "empty" } },
  ],
  fields: [
    tells("says expires_in: -1", { expires_in: -1 }),
    tells("says expires_in: 0", { expires_in: 0 }),
    tells("says expires_in in milliseconds", { expires_in: 3_600_000_000 }),
    tells('says expires_in: "3600"', { expires_in: "3600" }),
    tells("says expires_in: 1", { expires_in: 1 }),
    tells("leaves expires_in out", {}, ["expires_in"]),
    tells("leaves expires_in and expiration out", {}, ["expires_in", "expiration"]),
    tells("says token_type: mac", { token_type: "mac" }),
    tells("says token_type: bearer", { token_type: "bearer" }),
    tells("answers a number as the token", { access_token: 42 }),
  ],
  "opaque-token": [{ does: "issues a token that is no JWT", fault: { kind: "opaque-token" } }],
  "undated-token": [{ does: "issues a JWT without dates", fault: { kind: "undated-token" } }],
  "same-token": [{ does: "answers the same token again", fault: { kind: "same-token" } }],
  headers: [
    { does: "leaves the Date out", fault: { kind: "headers", omit: ["date"] } },
    { does: "calls its JSON text/html", fault: { kind: "headers", set: { "content-type": "text/html" } } },
  ],
  skew: [
    { does: "issues tokens by a clock two hours ahead", fault: { kind: "skew", ms: 2 * hourMs } },
    { does: "issues tokens by a clock two hours behind", fault: { kind: "skew", ms: -2 * hourMs } },
    {
      does: "is right, and the date of this machine two hours ahead",
      fault: { kind: "skew", ms: 0 },
      wallOffsetMs: 2 * hourMs,
    },
    {
      does: "is right, and the date of this machine two hours behind",
      fault: { kind: "skew", ms: 0 },
      wallOffsetMs: -2 * hourMs,
    },
  ],
} satisfies Record<Fault["kind"], readonly FaultCase[]>;

/** The kinds of fault under the headings of the table. */
export const faultChapters: readonly {
  readonly heading: string;
  readonly kinds: readonly (keyof typeof faultCases)[];
}[] = [
  {
    heading: "No answer, a late one, or not the whole of it",
    kinds: ["hang", "delay", "hold", "reset", "cut-body", "slow-body", "endless-body", "huge-body"],
  },
  { heading: "Refusals, trouble and redirects", kinds: ["status", "throttle", "refuse", "redirect"] },
  {
    heading: "A 200 without a usable token",
    kinds: ["html", "empty-body", "broken-json", "no-token", "error-in-200", "bad-token"],
  },
  {
    heading: "Odd lifetimes, tokens, headers and clocks",
    kinds: ["fields", "opaque-token", "undated-token", "same-token", "headers", "skew"],
  },
];
