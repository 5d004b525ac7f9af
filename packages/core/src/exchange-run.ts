import type { Clock, Instant } from "./clock.ts";
import type { Scope } from "./deadline.ts";
import type { ExchangeReason, TokenManagerEvent } from "./events.ts";
import type { Lifetime } from "./expiry.ts";
import type { Grant } from "./grant.ts";
import type { Token } from "./token.ts";
import type { ParsedTokenResponse } from "./token-response.ts";

/** A token that is held. */
export interface Lease extends Lifetime {
  readonly token: Token;
}

/** One exchange: what it runs in, and what it leaves behind besides its result. */
export interface ExchangeRun extends Scope {
  readonly reason: ExchangeReason;
  readonly start: Instant;
  /** The token that a server refused, when that is the reason. */
  readonly rejected: string | undefined;
  /** How many attempts it may make with a grant that allows more than one. */
  readonly attempts: number;
  /** The most that this may be; a store lowers it when other processes have been asked in vain. */
  maxAttempts: number;
  /** The secret that it sends: a refusal is remembered for that one only. */
  secret?: string;
  /** The secret has been asked for and is not there, or could not be read: the token endpoint is not to blame. */
  lacksSecret?: boolean;
  /** What is left of the overall deadline, when some of it was spent before; milliseconds. */
  deadlineMs?: number;
  /** How long to leave the token endpoint alone after the failure, when a store knows; milliseconds. */
  pauseMs?: number;
}

/** What an exchange gives: a checked token response, and the life of the token when a store keeps it. */
export type Exchanged = ParsedTokenResponse & { readonly life?: Lifetime };

/** Runs one exchange to its end, or rejects with an IamError. */
export type Exchange = (run: ExchangeRun, held: Lease | undefined) => Promise<Exchanged>;

/** What of a manager's options a shared store works with. */
export interface SharingContext {
  readonly grant: Grant;
  readonly tokenEndpoint: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onEvent: (event: TokenManagerEvent) => unknown;
  readonly deadlineMs: number;
}

/** What `sharedStore` makes, and the option `store` takes. What is in it is between the two. */
export interface SharedStore {
  /** Puts the store before a manager's exchanges. */
  share(exchange: Exchange, context: SharingContext): Exchange;
  /** What a manager begins with, when it has been here before. */
  readonly kept?: Lease | undefined;
  /** Hears of each token that the manager holds from now on. */
  keep?(lease: Lease): void;
}
