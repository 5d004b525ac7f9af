import type { StoreMood } from "./faulty-store.ts";
import type { Lying, SharedFailure, SharedToken } from "./other-processes.ts";
import type { Due, Life, Moment } from "./reference-clock.ts";

/** Why there is no token. */
export interface Failure {
  readonly code: string;
  readonly status?: number | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs?: number | undefined;
}

/** A token as the manager has it. */
export interface Held extends Life {
  readonly token: string;
}

/** One that may make token requests. */
export interface Exchange {
  readonly number: number;
  readonly reason: string;
  readonly start: Moment;
  readonly context: number;
  made: number;
  phase: "secret" | "store" | "watching" | "asking" | "pausing" | "keeping";
  /** The end of the attempt, of the pause, or of the wait for others. */
  due: Due | undefined;
  ends: Due | undefined;
  /** When the life of its token begins. */
  from: Moment;
  readonly held: Held | undefined;
  /** How much longer it may take for the sake of the store. */
  storeMs: number;
  locked: boolean;
  /** The name of the lock that it was given. */
  lock?: string | undefined;
  /** How the store was inclined to a release when it was asked for the lock. */
  release?: StoreMood;
  /** What comes of it is for the store as well: what was there at the last look. */
  keeps: Found | undefined;
  /** How often an exchange without a token may ask. */
  maxAttempts: number;
  /** How often it has looked whether others are done. */
  polls: number;
  /** Who had the lock at the last look, since when, how many it were, and whether one of them let go too early for nothing. */
  owner: string | undefined;
  ownerSince: number;
  owners: number;
  letGo: boolean;
  /** It has told that what is in the store does not open. */
  rubbishTold: boolean;
  /** How long others say to leave the token endpoint alone. */
  pauseMs?: number | undefined;
  /** What waits for the store to have taken what came of it: the lock is not let go before. */
  writing?: { release?: () => void } | undefined;
  beat: Due;
  beats: number;
  secret?: string | undefined;
  dead: boolean;
}

/** A token and when the wall clock said that it was issued. */
export type DatedToken = SharedToken & { readonly issuedAt: number };

/** What a look showed. What does not open is there, and is nothing. */
export interface Found {
  readonly token: Lying<DatedToken> | "what does not open" | undefined;
  /** The life of the token, from the moment of the look. */
  readonly life: Life | undefined;
  readonly failure: Lying<SharedFailure> | undefined;
  readonly failureLeftMs: number;
}

/** The numbers of design items 3, 5, 9, 13 and 16, in milliseconds. */
export const rules = {
  attemptMs: 4000,
  exchangeMs: 9000,
  joinMs: 2000,
  forcedMs: 5000,
  secretCheckMs: 1000,
  storeMs: 150,
  lockMs: 2000,
  waitMs: 5000,
  bridgeMs: 2000,
  pastMs: 300_000,
  forgivenMs: 900_000,
} as const;

export const noSecret: Failure = { code: "ERR_IAM_CONFIG", retryable: true };
export const unreachable: Failure = { code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", retryable: true };
