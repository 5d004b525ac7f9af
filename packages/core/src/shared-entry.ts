import type { Clock, Instant } from "./clock.ts";
import { type IamErrorCode, TokenEndpointError } from "./errors.ts";
import { type Lifetime, lifetimeFrom } from "./expiry.ts";
import type { StoredEntry } from "./token-store.ts";

/** A token as it lies in a store, within the seal. A refresh token never does. */
export interface SharedToken {
  readonly accessToken: string;
  readonly scope: string | undefined;
  readonly lifetimeMs: number;
  /** When the server issued it, in epoch milliseconds; for stores that do not tell how long an entry has to live. */
  readonly issuedAt: number;
  /** Where between its limits the refresh point lies, from 0 to 1: the same for every process. */
  readonly draw: number;
}

/** A failure as it lies in a store, within the seal. */
export interface SharedRefusal {
  readonly error: TokenEndpointError;
  /** How long nobody should ask. */
  readonly pauseMs: number;
  /** For how long it was stored: what is missing from that has passed. */
  readonly keptMs: number;
  /** How many exchanges of anybody have failed in a row. */
  readonly failures: number;
}

/** The clocks of two machines differ; without a store's own word on an entry's age this much is taken off. */
const wallClockToleranceMs = 60_000;
/** Each process refreshes up to so much later than the first, as a part of the lifetime less the margin. */
const ownDelay = 0.05;
/** The part of the lifetime over which refresh points are drawn; see `lifetimeFrom`. */
const drawnRange = 0.15;

/** Packs a token for the seal. */
export function packToken({ accessToken, scope, lifetimeMs, issuedAt, draw }: SharedToken): string {
  return JSON.stringify({ token: accessToken, scope, lifetimeMs, issuedAt, draw });
}

/** Reads what `packToken` wrote; undefined for anything else. */
export function unpackToken(text: string | undefined): SharedToken | undefined {
  const { token, scope, lifetimeMs, issuedAt, draw } = members(text);
  if (typeof token !== "string" || !/^[\w\-.~+/]+=*$/.test(token)) return undefined;
  if (!isWithin(lifetimeMs, 1, Infinity) || !isWithin(issuedAt, 0, Infinity) || !isWithin(draw, 0, 1))
    return undefined;
  return {
    accessToken: token,
    scope: typeof scope === "string" ? scope : undefined,
    lifetimeMs,
    issuedAt,
    draw,
  };
}

/** Packs a failure for the seal. */
export function packRefusal({ error, pauseMs, keptMs, failures }: SharedRefusal): string {
  const { code, message, status, errorCode, transactionId, retryable } = error;
  return JSON.stringify({
    error: { code, message, status, errorCode, transactionId, retryable },
    pauseMs,
    keptMs,
    failures,
  });
}

/** Reads what `packRefusal` wrote; undefined for anything else. */
export function unpackRefusal(text: string | undefined): SharedRefusal | undefined {
  const { error, pauseMs, keptMs, failures } = members(text);
  const { code, message, ...said } = (error ?? {}) as Record<string, unknown>;
  if (typeof code !== "string" || typeof message !== "string") return undefined;
  if (!isWithin(pauseMs, 0, 30_000) || !isWithin(keptMs, 0, 30_000) || !isWithin(failures, 1, Infinity))
    return undefined;
  return { error: new TokenEndpointError(code as IamErrorCode, message, said), pauseMs, keptMs, failures };
}

/**
 * The life of a shared token for this process, counted from the start of the read: the entry cannot have been read before
 * that. Undefined when nothing tells how old it is.
 */
export function lifetimeInStore(
  { lifetimeMs, issuedAt, draw }: SharedToken,
  { ttlMs = Infinity }: StoredEntry,
  readAt: Instant,
  { random, wallClock }: { random: () => number; wallClock: boolean },
): Lifetime | undefined {
  const byClockMs = wallClock ? issuedAt + lifetimeMs - wallClockToleranceMs - readAt.wall : Infinity;
  const remainingMs = Math.min(ttlMs, byClockMs);
  if (remainingMs === Infinity) return undefined;
  const ageMs = lifetimeMs - Math.min(lifetimeMs, remainingMs);
  const start = { wall: readAt.wall - ageMs, monotonic: readAt.monotonic - ageMs };
  return { ...lifetimeWithDraw(start, lifetimeMs, draw, random), shared: true };
}

/** A life whose refresh point everybody has drawn alike, but for the delay that is this process's own. */
export function lifetimeWithDraw(
  start: Instant,
  lifetimeMs: number,
  draw: number,
  random: () => number,
): Lifetime {
  return lifetimeFrom(start, lifetimeMs, () => draw + (ownDelay * random()) / drawnRange);
}

/** When a token was issued: what it says itself if it is a JWT, else when it was asked for. */
export function issueTime(accessToken: string, askedAt: number): number {
  const claims = members(() =>
    atob((accessToken.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/")),
  );
  return isWithin(claims.iat, 1, Infinity) ? claims.iat * 1000 : askedAt;
}

/** Now, on both clocks. */
export function instantOf(clock: Clock): Instant {
  return { wall: clock.wallNow(), monotonic: clock.monotonicNow() };
}

function members(text: string | undefined | (() => string)): Record<string, unknown> {
  try {
    return JSON.parse((typeof text === "function" ? text() : text) ?? "{}") ?? {};
  } catch {
    return {};
  }
}

function isWithin(value: unknown, least: number, most: number): value is number {
  return typeof value === "number" && value >= least && value <= most;
}
