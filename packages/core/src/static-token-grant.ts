import { type Clock, systemClock } from "./clock.ts";
import { configError, threw } from "./errors.ts";
import type { Grant } from "./grant.ts";
import { requireOptions } from "./option-rules.ts";
import { b64token, jwtClaims, tokenResponse } from "./token-response.ts";

/** A token as somebody else got it: alone, or as a token response (RFC 6749 section 5.1). */
export type GivenToken =
  | string
  | {
      readonly access_token: string;
      /** Seconds that it lives from now on. */
      readonly expires_in?: number | string | undefined;
      readonly token_type?: string | undefined;
      readonly scope?: string | undefined;
    };

/** Options of {@link staticTokenGrant}. */
export interface StaticTokenGrantOptions {
  /** Tells how much of its life a JWT has left. Default: `systemClock`. */
  clock?: Clock | undefined;
}

/**
 * The grant for a token that is already there: the token, or a function that gets one and is asked whenever a new one is
 * due.
 *
 * It lives as long as `expires_in` says, from now on. Without that a JWT lives until its `exp` by the local clock, and any
 * other token until a server rejects it. It is the grant for pages and service workers: the function asks your own server,
 * which keeps the secret.
 *
 * Errors: `ERR_IAM_CONFIG` for what is not a token, for a JWT that has expired, and for a function that throws.
 *
 * @example
 * ```ts
 * import { createTokenManager, staticTokenGrant } from "@iam/core";
 * // Your server answers { "access_token": "…", "expires_in": 1234 } to those who are logged in.
 * const grant = staticTokenGrant(() => fetch("/api/token", { method: "POST" }).then((answer) => answer.json()));
 * export const manager = createTokenManager({ grant });
 * ```
 */
export function staticTokenGrant(
  token: string | undefined | (() => GivenToken | Promise<GivenToken>),
  options: StaticTokenGrantOptions = {},
): Grant {
  requireOptions("staticTokenGrant", options);
  const { clock = systemClock } = options;
  const isFunction = typeof token === "function";
  const fixed = isFunction ? undefined : members(token, false);
  return {
    kind: "static",
    identity: () => ({}),
    retry: "safe",
    async exchange() {
      const given = fixed ?? members(await ask(token), true);
      const lifetime = lifetimeOf(given, clock, isFunction);
      return tokenResponse({ status: 200, body: JSON.stringify({ ...given, ...lifetime }) });
    },
  };
}

async function ask(token: unknown): Promise<unknown> {
  try {
    return await (token as () => unknown)();
  } catch (cause) {
    throw threw("The function that gives the token", cause);
  }
}

type Members = Readonly<Record<string, unknown>> & { readonly access_token: string };

/** The members of a token response, whichever form was given. A function may give something better the next time. */
function members(given: unknown, isAnswer: boolean): Members {
  const found: Record<string, unknown> =
    isAnswer && typeof given === "object" ? { ...given } : { access_token: given };
  const { access_token, expires_in = 1 } = found;
  const wrong = (what: string) => configError(`staticTokenGrant: ${what}`, { retryable: isAnswer });
  if ((access_token ?? "") === "")
    throw wrong(
      `there is no token. ${isAnswer ? "The function gave neither a string nor an object with access_token: did its request succeed?" : "Is the environment variable set?"}`,
    );
  if (typeof access_token !== "string" || !b64token.test(access_token))
    throw wrong(
      'this is no token (RFC 6750 section 2.1): give it alone, without "Bearer", quotes and white space.',
    );
  if (!/^0*[1-9]\d*$/.test(`${expires_in ?? 1}`))
    throw wrong("expires_in must be the whole seconds that the token has left, 1 or more.");
  return { ...found, access_token };
}

const longestS = 31_536_000;

/** What is left of the life of a JWT: a token that somebody holds may have spent a part of it. */
function lifetimeOf(
  { access_token, expires_in, expiration }: Members,
  clock: Clock,
  retryable: boolean,
): object {
  const { exp = expiration, iat } = jwtClaims(access_token);
  if ((expires_in ?? undefined) !== undefined || typeof exp !== "number") return {};
  const nowMs = clock.wallNow();
  const leftS = Math.floor(exp - nowMs / 1000);
  if (leftS < 1)
    throw configError(
      `staticTokenGrant: the token expired at ${iso(exp * 1000)}; the clock of this machine says ${iso(nowMs)}. Give a new one.`,
      { retryable },
    );
  // By a clock that is behind it would live longer than it was made for.
  const wholeS = typeof iat === "number" ? Math.floor(exp - iat) : longestS;
  return { expires_in: Math.min(leftS, wholeS, longestS) };
}

function iso(epochMs: number): string {
  // null beyond the dates that there are.
  return new Date(epochMs).toJSON() ?? "no date that there is";
}
