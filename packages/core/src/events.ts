import type { IamError } from "./errors.ts";

/** Why an exchange was begun. */
export type ExchangeReason =
  /** No token was held, or the held one had expired. */
  | "absent"
  /** The held token is past its refresh point; it is served meanwhile. */
  | "expiring"
  /** A caller wants more remaining life than the held token has. */
  | "validity"
  /** A server rejected the held token. */
  | "rejected";

/** What was asked of a token store. */
export type StoreOperation = "get" | "set" | "delete" | "lock" | "release";

/**
 * What a token manager tells about its work. No event holds a secret.
 *
 * Units: milliseconds.
 */
export type TokenManagerEvent =
  /** An exchange begins: with a look into the store, when there is one, and with the token endpoint. */
  | { readonly type: "exchange_started"; readonly reason: ExchangeReason }
  /**
   * It gave a token. `committed` is false when a newer token or a rejection came first. `shared` is true when no token
   * request was made for it: it came from the store, or the held one stays because another process is asking.
   */
  | {
      readonly type: "exchange_succeeded";
      readonly reason: ExchangeReason;
      readonly durationMs: number;
      readonly expiresAt: number | undefined;
      readonly committed: boolean;
      readonly shared: boolean;
    }
  /** It failed. `held` tells whether a usable token is still there; nobody asks again for `coolDownMs`. */
  | {
      readonly type: "exchange_failed";
      readonly reason: ExchangeReason;
      readonly durationMs: number;
      readonly error: IamError;
      readonly held: boolean;
      readonly coolDownMs: number;
    }
  /**
   * A resource answered 401. `outcome`: the token is being replaced; it had been replaced already; or its replacement
   * has to wait, because this origin refused the last replacement too, because the last forced exchange is less than
   * 5 s ago, or because the token endpoint is being left alone.
   */
  | {
      readonly type: "token_rejected";
      readonly origin: string | undefined;
      readonly outcome: "replacing" | "already_replaced" | "origin_on_hold" | "too_soon" | "cooling_down";
    }
  /**
   * The store that processes share did not work, and is left alone for `pauseMs`: tokens are asked for without it. `problem`
   * is `timeout`, `garbage` for an answer or an entry that is not one of ours, or the code or name of what it threw.
   */
  | {
      readonly type: "store_failed";
      readonly operation: StoreOperation;
      readonly problem: string;
      readonly pauseMs: number;
    };

/** Calls a listener at once, so that neither its exception nor its rejected promise reaches us. */
export async function tell<Event>(
  listener: ((event: Event) => unknown) | undefined,
  event: Event,
): Promise<void> {
  try {
    await listener?.(event);
  } catch {
    // The listener's own problem.
  }
}

/** Lets a promise run on by itself: its failure is nobody's, and a runtime that can is kept awake for it. */
export function inBackground(
  promise: Promise<unknown>,
  waitUntil: ((promise: Promise<unknown>) => void) | undefined,
): void {
  // One that takes no more work throws: what dies with the request is begun again by another.
  tell(
    waitUntil,
    promise.catch(() => {}),
  );
}
