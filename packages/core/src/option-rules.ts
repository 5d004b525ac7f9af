import { configError } from "./errors.ts";
import type { Grant } from "./grant.ts";
import { hasCredentials, parseUrl } from "./token-request.ts";

/**
 * Checks how many of some options are given; one that is undefined is not.
 *
 * Errors: `ERR_IAM_CONFIG` that names them.
 */
export function requireCount<Options extends object>(
  what: string,
  rule: "exactly one" | "at least one" | "at most one",
  options: Options,
  names: readonly (keyof Options & string)[],
): void {
  const given = names.filter((name) => options[name] !== undefined);
  const ok = given.length === 1 || (given.length === 0 ? rule === "at most one" : rule === "at least one");
  if (ok) return;
  const found = given.length === 0 ? "none is" : `${given.join(" and ")} are`;
  throw configError(`${what}: give ${rule} of ${names.join(", ")}; ${found} given.`);
}

/**
 * Checks options that are text: what is given has something in it, and no white space around it.
 *
 * Errors: `ERR_IAM_CONFIG` that names the option.
 */
export function requireText<Options extends object>(
  what: string,
  options: Options,
  {
    required = [],
    optional = [],
  }: Partial<Record<"required" | "optional", readonly (keyof Options & string)[]>>,
): void {
  for (const name of [...required, ...optional]) {
    const value: unknown = options[name];
    if (value === undefined && optional.includes(name)) continue;
    if (value === undefined) throw configError(`${what}: ${name} is missing.`);
    if (typeof value !== "string" || !/^\S([^\p{Cc}]*\S)?$/u.test(value))
      throw configError(
        `${what}: ${name} must be a string that is not empty, without white space around it and without control characters.`,
      );
  }
}

/**
 * The URL of a service without its trailing slashes.
 *
 * Errors: `ERR_IAM_CONFIG` for what is not an absolute http or https URL, or has credentials, a query or a fragment.
 */
export function serviceUrl(what: string, url: unknown): string {
  const parsed = parseUrl(url);
  if (
    parsed === undefined ||
    !/^https?:$/.test(parsed.protocol) ||
    hasCredentials(parsed) ||
    /[?#]/.test(`${url}`)
  )
    throw configError(
      `${what}: url must be an absolute URL such as https://host, without credentials, query and fragment.`,
    );
  return parsed.href.replace(/\/+$/, "");
}

/** Checks that there are options. Errors: `ERR_IAM_CONFIG` that says where they are missing. */
export function requireOptions(what: string, value: unknown): void {
  if (!value || typeof value !== "object") throw configError(`${what} needs an object of options.`);
}

/** Checks that a value is a grant. Errors: `ERR_IAM_CONFIG` that says where one is missing. */
export function requireGrant(what: string, value: unknown): void {
  const grant = value as Partial<Grant> | undefined;
  if (typeof grant?.exchange !== "function" || typeof grant.identity !== "function")
    throw configError(`${what} needs a grant to build on, such as apiKeyGrant(key).`);
}

/**
 * Checks that options have no other names than these: where a misspelled one would let in who should stay out, it is not
 * passed over.
 *
 * Errors: `ERR_IAM_CONFIG` that names the one that is not known, and those that are.
 *
 * @example
 * ```ts
 * import { requireKnownOptions } from "@iam/core";
 * export interface GuardOptions {
 *   accounts?: readonly string[];
 * }
 * export const check = (options: GuardOptions) => requireKnownOptions("myGuard", options, { accounts: true });
 * ```
 */
export function requireKnownOptions<Options extends object>(
  what: string,
  options: Options,
  known: Readonly<Record<keyof Options & string, true>>,
): void {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(known, name));
  if (unknown === undefined) return;
  throw configError(`${what} has no option ${unknown}; it has ${Object.keys(known).join(", ")}.`);
}
