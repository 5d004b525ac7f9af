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
  if (typeof source === "function") {
    return async () => {
      let value: unknown;
      try {
        value = await source();
      } catch (cause) {
        throw new IamError(
          "ERR_IAM_CONFIG",
          `The function that gives ${what} threw. Its own message is not shown here, because it may hold a secret: log it there.`,
          { cause, retryable: true },
        );
      }
      return checkSecret(value, what);
    };
  }
  const value = checkSecret(source, what);
  return () => value;
}

/** The secret itself, when it is one that can be sent; says what is wrong with it otherwise, never what it is. */
function checkSecret(value: unknown, what: string): string {
  const problem = secretProblem(value);
  if (problem !== undefined) throw configError(`${what[0]?.toUpperCase()}${what.slice(1)} ${problem}`);
  return value as string;
}

function secretProblem(value: unknown): string | undefined {
  if (value === undefined || value === null || value === "") {
    return `is ${value === "" ? "empty" : "missing"}. Is the environment variable or file that should hold it set?`;
  }
  if (typeof value !== "string") return `must be a string or a function that gives one, not ${typeof value}.`;
  if (value.trim() !== value) {
    return "has white space or a line break around it. Trim it: it was probably read from a file or pasted.";
  }
  if (/^[{"'`]|[}"'`]$/.test(value)) {
    return "starts or ends with a brace or a quote. Remove it: it is probably left over from JSON or a shell.";
  }
  if (/[\u0000-\u001f\u007f]/.test(value)) return "has a line break or another control character in it.";
  return undefined;
}
