import { TokenEndpointError, type TokenManagerEvent } from "@iam/core";
import { duration, type Screen } from "./screen.ts";

/** What is known of the token from the events of its manager. */
export interface TokenWatch {
  /** The listener for `createTokenManager`. */
  readonly hear: (event: TokenManagerEvent) => void;
  /** Exchanges that gave no token. */
  readonly failedExchanges: number;
  /** When the held token expires, epoch milliseconds; undefined while none is held. */
  readonly expiresAt: number | undefined;
  /**
   * Resolves with the next exchange that ends that way. Errors: one that names `what` when it takes longer than
   * `withinMs`.
   */
  next<Type extends Ending["type"]>(
    type: Type,
    wait: { withinMs: number; what: string },
  ): Promise<Extract<Ending, { type: Type }> & { readonly before: number | undefined }>;
}

type Ending = Extract<TokenManagerEvent, { type: "exchange_succeeded" | "exchange_failed" }>;

/** Makes the watch; failed exchanges are shown as they happen. */
export function createTokenWatch(screen: Screen): TokenWatch {
  const listeners = new Set<(event: Ending, before: number | undefined) => void>();
  let expiresAt: number | undefined;
  let failedExchanges = 0;

  function hear(event: TokenManagerEvent): void {
    if (event.type === "exchange_started" || event.type === "store_failed") return;
    if (event.type === "token_rejected") {
      if (event.outcome === "replacing") expiresAt = undefined;
      return;
    }
    const before = expiresAt;
    if (event.type === "exchange_succeeded") expiresAt = event.expiresAt;
    else {
      failedExchanges++;
      screen.note(failure(event, expiresAt));
    }
    for (const listener of [...listeners]) listener(event, before);
  }

  return {
    hear,
    get failedExchanges() {
      return failedExchanges;
    },
    get expiresAt() {
      return expiresAt;
    },
    next(type, { withinMs, what }) {
      return new Promise((resolve, reject) => {
        const listener = (event: Ending, before: number | undefined) => {
          if (!isOfType(event, type)) return;
          clearTimeout(timer);
          listeners.delete(listener);
          resolve({ ...event, before });
        };
        const timer = setTimeout(() => {
          listeners.delete(listener);
          reject(new Error(`Not as it should be: ${what} did not happen within ${duration(withinMs)}.`));
        }, withinMs);
        listeners.add(listener);
      });
    },
  };
}

function isOfType<Type extends Ending["type"]>(
  event: Ending,
  type: Type,
): event is Extract<Ending, { type: Type }> {
  return event.type === type;
}

function failure(event: Extract<Ending, { type: "exchange_failed" }>, expiresAt: number | undefined): string {
  const { error, held, coolDownMs } = event;
  const status = error instanceof TokenEndpointError ? error.status : undefined;
  const answer = status === undefined ? "no answer from IAM" : `IAM answered ${status}`;
  const leftMs = Math.max(0, (expiresAt ?? 0) - Date.now());
  const rest = held
    ? `the token in hand serves on, it has ${duration(leftMs)} left`
    : "there is no token in hand";
  return `${answer}; ${rest}. Next try in ${duration(coolDownMs)} at the earliest.`;
}
