import { configError } from "./errors.ts";

/**
 * A frozen object whose `hidden` members are there to be read by name and show as `[redacted]` everywhere else: in
 * String, JSON, spread, `structuredClone` and `util.inspect` at any depth, hidden properties included.
 *
 * Only `inspect` with `customInspect: false` and `getters: true` reads them: whoever asks for that asks for secrets.
 *
 * @example
 * ```ts
 * import { conceal } from "@iam/core";
 * export const login = conceal({ user: "ada" }, { password: "her-password" });
 * console.log(login.password === "her-password", login); // true { user: 'ada', password: '[redacted]' }
 * ```
 */
export function conceal<Shown extends object, Hidden extends object>(
  shown: Shown,
  hidden: Hidden,
): Readonly<Shown & Hidden> {
  const redacted = { ...shown } as Record<string, unknown>;
  const show = { value: () => ({ ...redacted }) };
  const members: PropertyDescriptorMap = { toJSON: show, [Symbol.for("nodejs.util.inspect.custom")]: show };
  for (const [key, value] of Object.entries(hidden)) {
    if (value === undefined) continue;
    redacted[key] = "[redacted]";
    members[key] = { get: () => value };
  }
  return Object.freeze(Object.defineProperties({ ...shown }, members)) as Readonly<Shown & Hidden>;
}

/**
 * A secret as a user gives it: the value, or a function that is asked again for each exchange, so that a rotated
 * secret is seen without a restart. `undefined` is in the type because environment variables are: it is refused with
 * `ERR_IAM_CONFIG`.
 */
export type SecretSource = string | undefined | (() => string | Promise<string>);

/** What client secrets and passwords cannot have in them; the rest is up to whoever made them. */
export const controlCharacter: RegExp = /\p{Cc}/u;

/**
 * A reader of a secret. A value is checked at once, a function's answer each time it is read. An IamError of the function
 * is passed on as it is.
 *
 * Default: `unfit` is what keys and tokens cannot have in them, or around them.
 * Errors: `ERR_IAM_CONFIG` that names `what` and says what to change.
 */
export function secretReader(
  source: SecretSource,
  what: string,
  unfit: RegExp = /^[\s{<"'`“‘]|[\s}>"'`”’]$|[\p{Cc}\p{Cf}]/u,
): () => string | Promise<string> {
  // Says what is wrong with it, never what it is.
  const checked = (value: unknown) => {
    if (typeof value === "string" && value && !unfit.test(value)) return value;
    throw configError(
      `The ${what} ${(value ?? "") === "" ? "is missing or empty" : "is no string, or has control or invisible characters, or white space, quotes or brackets around it"}.`,
    );
  };
  if (typeof source === "function") return async () => checked(await source());
  const value = checked(source);
  return () => value;
}
