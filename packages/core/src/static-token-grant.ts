import { type Clock, systemClock } from "./clock.ts";
import { configError, threw } from "./errors.ts";
import type { Grant } from "./grant.ts";
import { jwtClaims, tokenResponse } from "./token-response.ts";

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
 * The grant for a token that is already there: a string, or a function that gets one, asked whenever a new one is due.
 *
 * It lives as long as `expires_in` says, from now on; without that a JWT lives until its `exp`, and any other token until
 * a server rejects it. It is the one grant for pages and service workers: the function asks your own server, which holds
 * the secret.
 *
 * Errors: `ERR_IAM_CONFIG` for what is not a token, and for a JWT that has expired.
 *
 * @example
 * ```ts
 * import { createTokenManager, staticTokenGrant } from "@iam/core";
 * // Your server answers { "access_token": "…", "expires_in": 1234 } to who is logged in.
 * const grant = staticTokenGrant(() => fetch("/api/token", { method: "POST" }).then((answer) => answer.json()));
 * export const manager = createTokenManager({ grant });
 * ```
 */
export function staticTokenGrant(
  token: GivenToken | undefined | (() => GivenToken | Promise<GivenToken>),
  options: StaticTokenGrantOptions = {},
): Grant {
  const { clock = systemClock } = options;
  const fixed = typeof token === "function" ? undefined : readGiven(token);
  const read = async () => fixed ?? readGiven(await ask(token as () => GivenToken));
  return {
    kind: "static",
    identity: () => ({}),
    retry: "safe",
    async exchange() {
      const given = await read();
      return tokenResponse({ status: 200, body: JSON.stringify({ ...given, ...lifetimeOf(given, clock) }) });
    },
  };
}

async function ask(get: () => GivenToken | Promise<GivenToken>): Promise<GivenToken> {
  try {
    return await get();
  } catch (cause) {
    throw threw("The function that gives the token", cause);
  }
}

type Members = Readonly<Record<string, unknown>> & { readonly access_token: string };

/** The members of a token response, whichever form was given. */
function readGiven(given: unknown): Members {
  const members = typeof given === "object" && given !== null ? { ...given } : { access_token: given };
  const { access_token } = members as Record<string, unknown>;
  if ((access_token ?? "") === "")
    throw configError("staticTokenGrant: there is no token: it is missing or empty, or not in access_token.");
  if (typeof access_token !== "string" || !/^[\w\-.~+/]+=*$/.test(access_token))
    throw configError(
      'staticTokenGrant: that is not a token (RFC 6750 section 2.1): give it alone, without "Bearer", quotes and white space.',
    );
  return { ...members, access_token };
}

/** What is left of the life of a JWT. Given without `expires_in` nothing else tells its age. */
function lifetimeOf(
  { access_token, expires_in, expiration }: Members,
  clock: Clock,
): { expires_in?: number } {
  if ((expires_in ?? undefined) !== undefined) return {};
  const { exp = expiration, iat } = jwtClaims(access_token);
  if (typeof exp !== "number") return {};
  const leftS = Math.floor(exp - clock.wallNow() / 1000);
  if (leftS <= 0)
    throw configError(
      `staticTokenGrant: the token expired at ${new Date(exp * 1000).toISOString()}, and this machine's clock says ${new Date(clock.wallNow()).toISOString()}. Give a new one.`,
    );
  // A clock that is behind must not make it live longer than it was made for.
  return { expires_in: typeof iat === "number" ? Math.min(leftS, exp - iat) : leftS };
}
