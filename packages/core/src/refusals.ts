/** What is remembered of a resource origin that refused a token. */
export interface Refusal {
  /** The generation of the token that replaced, or will replace, the one it refused. */
  replacement: number;
  /** How often it refused the replacement too; the hold grows with it. */
  level: number;
  /** Until when its 401s replace nothing; monotonic milliseconds. */
  until: number;
  /** When it last accepted a token and was forgiven for it; monotonic milliseconds. */
  forgivenAt: number;
}

const maxHoldMs = 900_000;

/**
 * The resource origins that refused a token, so that an API which always answers 401 does
 * not cost an exchange for each request.
 */
export type Refusals = Map<string | undefined, Refusal>;

/** Wildcards allow any number of origins; a thousand that answer 401 are not worth remembering. */
const maxOrigins = 1000;

/** Nothing is held against an origin yet, or any more. */
const clean = (forgivenAt: number): Refusal => ({ replacement: 0, level: 0, until: -Infinity, forgivenAt });

/** What is remembered of an origin. Without an origin nothing is. */
export function refusalBy(refusals: Refusals, origin: string | undefined): Refusal {
  const refusal = refusals.get(origin) ?? clean(-Infinity);
  if (refusals.size >= maxOrigins) refusals.delete(refusals.keys().next().value);
  if (origin !== undefined) refusals.set(origin, refusal);
  return refusal;
}

/**
 * Whether an origin that refuses the token of `generation` is on hold: its 401s replace nothing. One that refuses the
 * replacement too is for 30 s, then 60 s, up to 15 min.
 */
export function isOnHold(refusal: Refusal, generation: number, nowMs: number): boolean {
  if (nowMs >= refusal.until && refusal.replacement === generation) {
    refusal.until = nowMs + Math.min(30_000 * 2 ** refusal.level++, maxHoldMs);
    // Once the hold is over the next refusal may try again, so the same token counts as a first one then.
    refusal.replacement = 0;
  }
  return nowMs < refusal.until;
}

/**
 * An origin accepted the token that is held: nothing is held against it any more. Once in 15 min: where one path accepts
 * every token and another none, the first must not buy an exchange for each refusal of the second.
 */
export function forgive(refusals: Refusals, origin: string, nowMs: number): void {
  const refusal = refusals.get(origin);
  if (refusal && nowMs - refusal.forgivenAt >= maxHoldMs) refusals.set(origin, clean(nowMs));
}
