import type { Clock, Instant } from "./clock.ts";

/** Where a held token is in its life: these three words everywhere. */
export type Freshness = "fresh" | "expiring" | "expired";

/** The life of a token, as ages in milliseconds; Infinity when the server told none. */
export interface Lifetime {
  /** The start of the request: the token cannot be older. */
  readonly start: Instant;
  /** From this age on the token is `expiring`: served, and refreshed beside it. */
  readonly refreshMs: number;
  /** From this age on it is `expired`: never served. The lifetime less the safety margin. */
  readonly usableMs: number;
  /** At this age the server stops accepting it. */
  readonly lifetimeMs: number;
  /** It came from a shared store, or stays for the sake of one: no token request was made for it. */
  readonly shared?: boolean;
}

/**
 * The life of a token out of its length.
 *
 * The safety margin is 10 s or a tenth, whichever is less. The refresh point is drawn once, uniformly between 70 % and
 * 85 % of the time until the margin begins, so that processes which started together do not refresh together.
 */
export function lifetimeFrom(start: Instant, lifetimeMs: number, random: () => number): Lifetime {
  const usableMs = lifetimeMs - Math.min(10_000, lifetimeMs / 10);
  return { start, lifetimeMs, usableMs, refreshMs: usableMs * (0.7 + 0.15 * random()) };
}

/** How old something is by the clock that says it is older: clocks are stepped back, and stand still in a suspend. */
export function ageMs(start: Instant, clock: Clock): number {
  return Math.max(clock.monotonicNow() - start.monotonic, clock.wallNow() - start.wall);
}

/** Where a token is in its life now. */
export function freshness({ start, refreshMs, usableMs }: Lifetime, clock: Clock): Freshness {
  const age = ageMs(start, clock);
  return age >= usableMs ? "expired" : age >= refreshMs ? "expiring" : "fresh";
}

/** Milliseconds until the server stops accepting a token. */
export function remainingMs({ start, lifetimeMs }: Lifetime, clock: Clock): number {
  return lifetimeMs - ageMs(start, clock);
}
