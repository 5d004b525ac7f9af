import { type Clock, IamError, isSecure, requireKnownOptions, systemClock } from "@iam/core";
import type { ClaimRules, SubjectType } from "./iam-claims.ts";
import type { IntrospectionOptions } from "./introspection.ts";
import { type ExportedKeys, publishedKeys } from "./published-keys.ts";
import { createVerifiedTokens, type VerifiedTokens } from "./verified-tokens.ts";

/** Algorithms of RFC 7518 section 3.1 whose key can be published. */
export type SignatureAlgorithm =
  | "RS256"
  | "RS384"
  | "RS512"
  | "PS256"
  | "PS384"
  | "PS512"
  | "ES256"
  | "ES384"
  | "ES512";

/** Options of `createVerifier`. Read once. */
export interface VerifierOptions {
  /**
   * The exact `iss` of the tokens. Default: `https://iam.cloud.ibm.com/identity`, which holds for private and regional endpoints
   * too; staging has `https://iam.test.cloud.ibm.com/identity`.
   */
  issuer?: string | undefined;
  /** Where the issuer publishes its keys. Default: the issuer and `/keys`. */
  jwksUrl?: string | URL | undefined;
  /** Who this service is, one or more. Default: none, as IAM's tokens name none; then a token that names one is refused. */
  audience?: string | readonly string[] | undefined;
  /** The account ids whose tokens are good. Default: every account of IBM Cloud, so that anybody gets in who has one. */
  accounts?: readonly string[] | undefined;
  /** What may call. Default: users, service IDs, trusted profiles and CRNs. */
  subjectTypes?: readonly SubjectType[] | undefined;
  /** How many seconds the clocks of the issuer and of this machine may differ. Default: 5. */
  clockToleranceS?: number | undefined;
  /** The longest life of a token that is believed, in seconds. Default: 86,400; IAM gives an hour at most. */
  maxLifetimeS?: number | undefined;
  /** Default: RS256 alone. */
  algorithms?: readonly SignatureAlgorithm[] | undefined;
  /** Keys from `exportKeys`, for a start without a request. */
  keys?: ExportedKeys | undefined;
  /** Asks the issuer about each token too, for one that was revoked. Default: false; true for IAM's own endpoint. */
  introspection?: boolean | IntrospectionOptions | undefined;
  /** Verified tokens are remembered here for up to five minutes. Default: `createVerifiedTokens()`; false for no memory. */
  cache?: VerifiedTokens | false | undefined;
  /** Default: `globalThis.fetch`, looked up for each request. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Accepts `jwksUrl` and introspection over plain http beyond loopback, where anybody on the way can forge. Default: false. */
  allowInsecure?: boolean | undefined;
  /** Where time comes from. Default: `systemClock`. */
  clock?: Clock | undefined;
}

/** The options with their defaults, checked. */
export interface VerifierConfig extends ClaimRules {
  readonly jwksUrl: string;
  readonly algorithms: readonly SignatureAlgorithm[];
  readonly keys: ExportedKeys | undefined;
  readonly introspection: (IntrospectionOptions & { readonly url: string }) | undefined;
  readonly cache: VerifiedTokens | undefined;
  readonly fetch: typeof globalThis.fetch | undefined;
  readonly clock: Clock;
  /** All that decides about a token, as text: the same for verifiers that decide alike. */
  readonly fingerprint: string;
}

/** With `account` for `accounts` every account would be let in. */
const optionNames: Readonly<Record<keyof VerifierOptions, true>> = {
  issuer: true,
  jwksUrl: true,
  audience: true,
  accounts: true,
  subjectTypes: true,
  clockToleranceS: true,
  maxLifetimeS: true,
  algorithms: true,
  keys: true,
  introspection: true,
  cache: true,
  fetch: true,
  allowInsecure: true,
  clock: true,
};

/** Reads the options of a verifier. Errors: `ERR_IAM_CONFIG` that names the option and says what to change. */
export function readVerifierOptions(options: VerifierOptions = {}): VerifierConfig {
  if (typeof options !== "object" || options === null)
    throw config('createVerifier takes an object of options, such as { accounts: ["…"] }.');
  requireKnownOptions("createVerifier", options, optionNames);
  const {
    issuer = "https://iam.cloud.ibm.com/identity",
    audience,
    keys,
    cache,
    clock = systemClock,
    allowInsecure = false,
  } = options;
  // A text such as "false", out of an environment, would accept keys that anybody on the way can forge.
  if (typeof allowInsecure !== "boolean") throw config("allowInsecure must be true or false.");
  // Without it every key would look like a bad one, and every token with it.
  if (globalThis.crypto?.subtle === undefined)
    throw config("createVerifier needs Web Crypto, which pages have on https and localhost only.");
  if (options.fetch !== undefined && typeof options.fetch !== "function")
    throw config("fetch must be a function, such as globalThis.fetch.");
  for (const member of ["wallNow", "monotonicNow", "setTimer"] as const) {
    if (typeof clock?.[member] !== "function")
      throw config(`clock must have the members of Clock: there is no ${member}.`);
  }
  if (typeof issuer !== "string" || issuer === "")
    throw config("issuer must be the exact iss of the tokens.");
  const rules: ClaimRules = {
    issuer,
    audience: textList(typeof audience === "string" ? [audience] : audience, "audience"),
    accounts: textList(options.accounts, "accounts"),
    subjectTypes: listOf(options.subjectTypes, "subjectTypes", ["user", "ServiceId", "Profile", "CRN"]),
    clockToleranceS: seconds(options.clockToleranceS ?? 5, "clockToleranceS", 300),
    maxLifetimeS: seconds(options.maxLifetimeS ?? 86_400, "maxLifetimeS", 31_622_400),
  };
  const algorithms = listOf(options.algorithms ?? ["RS256"], "algorithms", signatureAlgorithms) ?? [];
  const jwksUrl = endpoint(options.jwksUrl ?? `${issuer}/keys`, "jwksUrl", options);
  if (keys !== undefined && publishedKeys(keys, algorithms).size === 0)
    throw config("keys must be what exportKeys() gave: it holds no usable key.");
  return {
    ...rules,
    jwksUrl,
    algorithms,
    keys,
    introspection: introspectionOf(options, issuer),
    cache: cacheOf(cache),
    fetch: options.fetch,
    clock,
    fingerprint: JSON.stringify([rules, algorithms, jwksUrl]),
  };
}

const signatureAlgorithms: readonly SignatureAlgorithm[] = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
];

function introspectionOf(options: VerifierOptions, issuer: string): VerifierConfig["introspection"] {
  const { introspection = false } = options;
  if (introspection === false) return undefined;
  if (introspection !== true && (typeof introspection !== "object" || introspection === null))
    throw config("introspection must be true, false or { url, clientId, clientSecret }.");
  const given = introspection === true ? {} : introspection;
  if ((given.clientId === undefined) !== (given.clientSecret === undefined))
    throw config("introspection.clientId and clientSecret belong together: give both or neither.");
  return { ...given, url: endpoint(given.url ?? `${issuer}/introspect`, "introspection.url", options) };
}

/** One without its methods would fail at each token, and middleware would call the token bad. */
function cacheOf(cache: VerifierOptions["cache"]): VerifiedTokens | undefined {
  if (cache === false) return undefined;
  const kept = cache ?? createVerifiedTokens();
  for (const method of ["get", "set", "delete", "clear"] as const) {
    if (typeof kept[method] !== "function")
      throw config("cache must be what createVerifiedTokens() gives, or false.");
  }
  return kept;
}

function endpoint(
  value: string | URL,
  name: string,
  { allowInsecure }: { allowInsecure?: boolean | undefined },
): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || url.username !== "" || url.password !== "")
    throw config(`${name} must be an absolute URL without credentials.`);
  if (!isSecure(url) && !(allowInsecure && url.protocol === "http:"))
    throw config(
      `${name} must be https, or http to localhost, 127.0.0.1 and [::1]: others could forge its answer.`,
    );
  return url.href;
}

function textList(value: readonly string[] | undefined, name: string): readonly string[] | undefined {
  if (value === undefined) return undefined;
  // An empty list lets in nobody, or everybody: it is not to be guessed which was meant.
  if (!Array.isArray(value) || value.length === 0 || !value.every((text) => typeof text === "string" && text))
    throw config(`${name} must be a list of at least one text; leave it out for no limit.`);
  return [...value].sort();
}

function listOf<T extends string>(
  value: readonly T[] | undefined,
  name: string,
  allowed: readonly T[],
): readonly T[] | undefined {
  const list = textList(value, name);
  if (list === undefined) return undefined;
  const known = allowed.filter((text) => list.includes(text));
  if (known.length < new Set(list).size) throw config(`${name} can only hold ${allowed.join(", ")}.`);
  return known;
}

function seconds(value: number, name: string, max: number): number {
  if (!(typeof value === "number" && value >= 0 && value <= max))
    throw config(`${name} must be a number of seconds from 0 to ${max}.`);
  return value;
}

function config(message: string): IamError {
  return new IamError("ERR_IAM_CONFIG", message);
}
