import { configError, IamError } from "./errors.ts";

const inspectCustom = Symbol.for("nodejs.util.inspect.custom");

/**
 * A frozen object whose `hidden` members are there to be read by name and show as `[redacted]` everywhere else: in
 * String, JSON, spread, `structuredClone` and `util.inspect` at any depth, hidden properties included.
 *
 * Only `inspect` with `customInspect: false` and `getters: true` reads them: whoever asks for that asks for secrets.
 */
export function conceal<Shown extends object, Hidden extends object>(
  shown: Shown,
  hidden: Hidden,
): Readonly<Shown & Hidden> {
  const redacted = { ...shown } as Record<string, unknown>;
  const accessors: PropertyDescriptorMap = {};
  for (const [key, value] of Object.entries(hidden)) {
    if (value === undefined) continue;
    redacted[key] = "[redacted]";
    accessors[key] = { get: () => value };
  }
  const show = () => ({ ...redacted });
  const result = Object.defineProperties({ ...shown }, accessors);
  Object.defineProperty(result, "toJSON", { value: show });
  Object.defineProperty(result, inspectCustom, { value: show });
  return Object.freeze(result) as Readonly<Shown & Hidden>;
}

/**
 * A secret as a user gives it: the value, or a function that is asked again for each exchange, so that a rotated
 * secret is seen without a restart. `undefined` is in the type because environment variables are: it is refused with
 * `ERR_IAM_CONFIG`.
 */
export type SecretSource = string | undefined | (() => string | Promise<string>);

/**
 * A reader of a secret. A value is checked at once, a function's answer each time it is read.
 *
 * Errors: `ERR_IAM_CONFIG` that names `what` and says what to change.
 */
export function secretReader(source: SecretSource, what: string): () => string | Promise<string> {
  if (typeof source !== "function") {
    const value = checkSecret(source, what);
    return () => value;
  }
  return async () => {
    let value: unknown;
    try {
      value = await source();
    } catch (cause) {
      const message = `The function that gives ${what} threw. Its message is not shown, it may hold a secret: log it there.`;
      throw new IamError("ERR_IAM_CONFIG", message, { cause, retryable: true });
    }
    return checkSecret(value, what);
  };
}

/** The secret itself, when it is one that can be sent; says what is wrong with it otherwise, never what it is. */
function checkSecret(value: unknown, what: string): string {
  const problem = secretProblem(value);
  if (problem === undefined) return value as string;
  throw configError(`There is something wrong with ${what}: ${problem}.`);
}

function secretProblem(value: unknown): string | undefined {
  if (value === undefined || value === null) return "it is missing; is the environment variable set?";
  if (typeof value !== "string") return `it is no string but ${typeof value}`;
  if (value === "") return "it is empty";
  if (value.trim() !== value) return "it has white space around it; trim it";
  if (/^[{"'`]|[}"'`]$/.test(value)) return "it has braces or quotes around it; remove them";
  return /[\u0000-\u001f\u007f]/.test(value) ? "it has a control character in it" : undefined;
}
