import type { Fault } from "./faults.ts";
import { iamErrors } from "./iam-errors.ts";

/** Whether a member of a fault makes sense, and what it should be in words that end a sentence. */
interface Rule {
  readonly is: (value: unknown) => boolean;
  readonly words: string;
  /** Default: false. */
  readonly needed?: boolean;
}

/** What has to be there. */
const needed = (rule: Rule): Rule => ({ ...rule, needed: true });

const number = (from: number, to: number, words: string, whole = true): Rule => ({
  is: (value) =>
    typeof value === "number" && value >= from && value <= to && (!whole || Number.isInteger(value)),
  words,
});

const oneOf = (values: readonly unknown[]): Rule => ({
  is: (value) => values.includes(value),
  words: `one of ${values.join(", ")}`,
});

/** The flaws that a token can be given. */
export const tokenFlaws = ["line-break", "non-ascii", "space", "empty"] as const;

const longest = Number.MAX_SAFE_INTEGER;
/** The last moment that a Date can hold. */
const latestMs = 8.64e15;

const durationMs = number(0, longest, "milliseconds, 0 or more", false);
const status = number(200, 599, "a whole number from 200 to 599");
const bytes = number(0, longest, "a whole number, 0 or more");
const chunkBytes = number(1, longest, "a whole number, 1 or more");

/** Source: RFC 9110 section 5.5. */
const isHeaderText = (value: unknown): value is string =>
  typeof value === "string" && /^[\t\x20-\x7e\x80-\xff]*$/.test(value);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const text: Rule = { is: (value) => typeof value === "string", words: "a text" };
const headerText: Rule = { is: isHeaderText, words: "a text that fits into a header" };
const object: Rule = { is: isObject, words: "an object" };
const names: Rule = {
  is: (value) => Array.isArray(value) && value.every((each) => typeof each === "string"),
  words: "a list of names",
};
/** Source: RFC 9110 sections 5.1 and 5.5. */
const headers: Rule = {
  is: (value) =>
    isObject(value) &&
    Object.entries(value).every(([name, each]) => /^[\w!#$%&'*+.^`|~-]+$/.test(name) && isHeaderText(each)),
  words: "an object of header names and texts",
};
const retryAfter: Rule = {
  is: (value) =>
    typeof value === "number"
      ? Number.isFinite(value)
      : isObject(value)
        ? typeof value.dateInS === "number" && Math.abs(value.dateInS * 1000) < latestMs / 2
        : isHeaderText(value),
  words: "seconds, the text of the header, or { dateInS: seconds }",
};
const promise: Rule = {
  is: (value) => typeof (value as Partial<PromiseLike<unknown>> | null)?.then === "function",
  words: "a promise",
};
const next: Rule = { is: (value) => faultProblem(value) === undefined, words: "a fault" };

/** What each kind has besides its name. */
const members: Readonly<Record<Fault["kind"], Readonly<Record<string, Rule>>>> = {
  delay: { ms: needed(durationMs), next },
  hold: { until: needed(promise), next },
  hang: {},
  reset: {},
  "cut-body": { afterBytes: bytes },
  "slow-body": { everyMs: durationMs, chunkBytes },
  "endless-body": { everyMs: durationMs, chunkBytes },
  "huge-body": { bytes },
  "empty-body": { status },
  "broken-json": {},
  html: { status },
  status: { status: needed(status), retryAfter },
  refuse: { errorCode: needed(oneOf(Object.keys(iamErrors))), details: text },
  throttle: { retryAfter },
  redirect: { location: needed(headerText), status: oneOf([301, 302, 303, 307, 308]) },
  "opaque-token": {},
  "undated-token": {},
  "same-token": {},
  "bad-token": { flaw: needed(oneOf(tokenFlaws)) },
  "no-token": {},
  "error-in-200": {},
  fields: { set: object, omit: names },
  headers: { set: headers, omit: names },
  skew: { ms: needed(number(-latestMs / 2, latestMs / 2, "milliseconds within a Date's reach", false)) },
};

/** The names of all kinds of fault. */
export const faultKinds: readonly string[] = Object.keys(members);

/** What keeps a value that came from outside from being a fault, as a sentence without its end; undefined for a fault. */
export function faultProblem(value: unknown): string | undefined {
  if (!isObject(value)) return "a fault is an object with a kind";
  const { kind, ...given } = value;
  if (typeof kind !== "string" || !Object.hasOwn(members, kind))
    return `there is no fault "${String(kind)}", only ${faultKinds.join(", ")}`;
  const rules = members[kind as Fault["kind"]];
  for (const [name, rule] of Object.entries(rules)) {
    if (given[name] === undefined ? rule.needed : !rule.is(given[name]))
      return `${name} of "${kind}" is ${rule.words}`;
  }
  const stranger = Object.keys(given).find((name) => !Object.hasOwn(rules, name));
  if (stranger === undefined) return undefined;
  const known = Object.keys(rules).join(", ") || "nothing else";
  return `"${kind}" has no ${stranger}: it takes ${known}`;
}
