import type { Instant } from "./clock.ts";

/** Where a held token is in its life: these three words everywhere. */
export type Freshness = "fresh" | "expiring" | "expired";

/** The moments at which a token changes its state, each on both clocks: whichever says so first is right. */
export interface Lifetime {
  /** From here on the token is `expiring`: served, and refreshed beside it. */
  readonly refreshAt: Instant;
  /** From here on it is `expired`: never served. The expiry less the safety margin. */
  readonly unusableAt: Instant;
  /** When the server stops accepting it. */
  readonly expiresAt: Instant;
}

/**
 * The lifetime of a token out of its length, counted from the start of the request: the token cannot be younger.
 *
 * The safety margin is 10 s or a tenth, whichever is less. The refresh point is drawn once, uniformly between 70 % and
 * 85 % of the time until the margin begins, so that processes which started together do not refresh together.
 */
export function lifetimeFrom(start: Instant, lifetimeMs: number | undefined, random: () => number): Lifetime {
  if (lifetimeMs === undefined) {
    const never = { wall: Infinity, monotonic: Infinity };
    return { refreshAt: never, unusableAt: never, expiresAt: never };
  }
  const usableMs = lifetimeMs - Math.min(10_000, lifetimeMs / 10);
  return {
    refreshAt: after(start, usableMs * (0.7 + 0.15 * random())),
    unusableAt: after(start, usableMs),
    expiresAt: after(start, lifetimeMs),
  };
}

/** The same lifetime with its refresh point spent: the next exchange comes when the token is no longer usable. */
export function withoutRefresh(lifetime: Lifetime): Lifetime {
  return { ...lifetime, refreshAt: lifetime.unusableAt };
}

/** The lifetime that ends first on each clock, of two told for the same token. */
export function earlier(a: Lifetime, b: Lifetime): Lifetime {
  const min = (x: Instant, y: Instant) => ({
    wall: Math.min(x.wall, y.wall),
    monotonic: Math.min(x.monotonic, y.monotonic),
  });
  return {
    refreshAt: min(a.refreshAt, b.refreshAt),
    unusableAt: min(a.unusableAt, b.unusableAt),
    expiresAt: min(a.expiresAt, b.expiresAt),
  };
}

/** Where a token is in its life now. Expired as soon as either clock says so. */
export function freshness(lifetime: Lifetime, now: Instant): Freshness {
  if (reached(lifetime.unusableAt, now)) return "expired";
  return reached(lifetime.refreshAt, now) ? "expiring" : "fresh";
}

/** Milliseconds until a moment, by the clock that reaches it first; 0 when it has passed. */
export function untilMs(moment: Instant, now: Instant): number {
  return Math.max(0, Math.min(moment.wall - now.wall, moment.monotonic - now.monotonic));
}

function reached(moment: Instant, now: Instant): boolean {
  return now.monotonic >= moment.monotonic || now.wall >= moment.wall;
}

function after(start: Instant, ms: number): Instant {
  return { wall: start.wall + ms, monotonic: start.monotonic + ms };
}
