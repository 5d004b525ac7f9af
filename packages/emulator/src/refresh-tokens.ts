import { randomHex } from "./fingerprint.ts";
import { IamRefusal } from "./iam-errors.ts";
import type { Identity } from "./identity.ts";

/** What a refresh token stands for. */
export interface Refreshable {
  readonly identity: Identity;
  /** The client that may redeem it; several for a delegated one. */
  readonly clientIds: readonly string[];
  /** A delegated refresh token is for others, and can be redeemed again and again. */
  readonly delegated: boolean;
  /** The claims that tokens of the same session share. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly sessionId: string | undefined;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** The refresh tokens of one emulator. */
export interface RefreshTokens {
  issue(refreshable: Refreshable): string;
  /**
   * What a token stands for, if this client may redeem it now; `spend` uses up one that is not delegated.
   *
   * Errors: an IamRefusal with BXNIM0407E (unknown, spent, another client's), BXNIM0408E (expired) or BXNIM0439E.
   */
  redeem(
    value: string,
    by: { clientId: string; now: number; delegated: boolean; spend: boolean },
  ): Refreshable;
  /** Ends every session, as inactivity does: their refresh tokens are refused with BXNIM0439E. */
  endSessions(): void;
  reset(): void;
}

/** How long a refresh token lives, in seconds: three days, as IAM does it. */
export const refreshTokenLifetimeS = 259_200;

/** How long a delegated refresh token lives unless it is told otherwise, in seconds: six days. */
export const delegatedLifetimeS = 518_400;

/** The most refresh tokens that are remembered; the oldest are forgotten first. */
const keptTokens = 100_000;

/** Makes the registry of refresh tokens. */
export function createRefreshTokens(): RefreshTokens {
  const known = new Map<string, Refreshable>();
  const endedSessions = new Set<string>();
  return {
    issue(refreshable) {
      const value = `${refreshable.delegated ? "delegated" : "refresh"}-${randomHex(32)}`;
      known.set(value, refreshable);
      const [oldest = value] = known.keys();
      if (known.size > keptTokens) known.delete(oldest);
      return value;
    },
    redeem(value, { clientId, now, delegated, spend }) {
      const found = known.get(value);
      if (!found || found.delegated !== delegated || !found.clientIds.includes(clientId))
        throw new IamRefusal("BXNIM0407E");
      if (found.sessionId !== undefined && endedSessions.has(found.sessionId))
        throw new IamRefusal(
          "BXNIM0439E",
          undefined,
          `Session '${found.sessionId}' is invalidated due to inactivity.`,
        );
      if (found.expiresAt <= now) throw new IamRefusal("BXNIM0408E");
      if (spend && !delegated) known.delete(value);
      return found;
    },
    endSessions() {
      for (const { sessionId } of known.values()) if (sessionId !== undefined) endedSessions.add(sessionId);
    },
    reset() {
      known.clear();
      endedSessions.clear();
    },
  };
}
