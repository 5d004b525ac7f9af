import { type Call, judge } from "./iam.ts";
import { IamRefusal } from "./iam-errors.ts";
import type { Identity } from "./identity.ts";

/** An access token that came as a parameter, to be exchanged for another. */
export interface SourceToken {
  readonly identity: Identity;
  readonly claims: Readonly<Record<string, unknown>>;
  /** The whole seconds that it has left; Infinity when it does not expire. */
  readonly leftS: number;
}

/**
 * Reads an access token that came as a parameter.
 *
 * Errors: an IamRefusal with BXNIM0401E (no token at all), BXNIM0405E (expired) or BXNIM0407E (not ours, revoked).
 */
export async function sourceToken(call: Call, value: string): Promise<SourceToken> {
  const verdict = await judge(call.iam, value);
  if (verdict.active) {
    const { identity, claims } = verdict;
    const { exp } = claims;
    const leftS = typeof exp === "number" ? exp - Math.floor(call.now / 1000) : Number.POSITIVE_INFINITY;
    return { identity, claims, leftS };
  }
  if (verdict.flaw === "expired") throw new IamRefusal("BXNIM0405E", verdict.reason);
  const looksLikeToken = /^[\w-]+\.[\w-]+\.[\w-]+$|^opaque-/.test(value);
  throw new IamRefusal(looksLikeToken ? "BXNIM0407E" : "BXNIM0401E", verdict.reason);
}
