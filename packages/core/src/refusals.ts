/** What is remembered of a resource origin that refused a token. */
export interface Refusal {
  /** The generation of the token that replaced, or will replace, the one it refused. */
  replacement: number;
  /** How often it refused the replacement too; the hold grows with it. */
  level: number;
  /** Until when its 401s replace nothing; monotonic milliseconds. */
  until: number;
}

/**
 * The resource origins that refused a token and have accepted none since, so that an API which always answers 401 does
 * not cost an exchange for each request.
 */
export type Refusals = Map<string | undefined, Refusal>;

/** Wildcards allow any number of origins; a thousand that answer 401 are not worth remembering. */
const maxOrigins = 1000;

/** What is remembered of an origin. Without an origin nothing is. */
export function refusalBy(refusals: Refusals, origin: string | undefined): Refusal {
  const refusal = refusals.get(origin) ?? { replacement: 0, level: 0, until: -Infinity };
  if (refusals.size >= maxOrigins) refusals.delete(refusals.keys().next().value);
  if (origin !== undefined) refusals.set(origin, refusal);
  return refusal;
}

/**
 * Whether an origin that refuses the token of `generation` is on hold: its 401s replace nothing. One that refuses the
 * replacement too is for 30 s, then 60 s, up to 15 min, until it accepts a token.
 */
export function isOnHold(refusal: Refusal, generation: number, nowMs: number): boolean {
  if (nowMs >= refusal.until && refusal.replacement === generation) {
    refusal.until = nowMs + Math.min(30_000 * 2 ** refusal.level++, 900_000);
    // Once the hold is over the next refusal may try again, so the same token counts as a first one then.
    refusal.replacement = 0;
  }
  return nowMs < refusal.until;
}
