/** A resource origin that refused a token. */
interface Refusal {
  /** The generation of the token that replaced, or will replace, the one it refused. */
  replacement: number;
  /** How often it refused the replacement too; the hold grows with it. */
  level: number;
  /** Until when its 401s replace nothing; monotonic milliseconds. */
  until: number;
}

/** Who answered 401, and whether that may cost another exchange. Without an origin nothing is remembered. */
export interface Refusals {
  /** The origin refused a token that is no longer held: what replaces it is `generation`. */
  late(origin: string | undefined, generation: number): void;
  /** The origin refused the held token of `generation`. Whether it is on hold: its 401s replace nothing. */
  onHold(origin: string | undefined, generation: number, nowMs: number): boolean;
  /** The held token of `generation` is being replaced because of this origin. */
  replaced(origin: string | undefined, generation: number): void;
  /** The origin accepted the held token: whatever was held against it is forgotten. */
  accepted(origin: string): void;
  readonly size: number;
}

/** Wildcards allow any number of origins; a thousand that answer 401 are not worth remembering. */
const maxOrigins = 1000;

/**
 * Remembers which resource origins refuse even fresh tokens, so that an API which always answers 401 does not cost an
 * exchange for each request: 30 s on hold, then 60 s, up to 15 min, until it accepts a token.
 */
export function createRefusals(): Refusals {
  const refusals = new Map<string | undefined, Refusal>();

  function of(origin: string | undefined): Refusal {
    let refusal = refusals.get(origin);
    if (refusal === undefined) {
      refusal = { replacement: 0, level: 0, until: -Infinity };
      if (refusals.size >= maxOrigins) refusals.delete(refusals.keys().next().value);
      if (origin !== undefined) refusals.set(origin, refusal);
    }
    return refusal;
  }

  return {
    late(origin, generation) {
      of(origin).replacement = generation;
    },
    onHold(origin, generation, nowMs) {
      const refusal = of(origin);
      if (nowMs >= refusal.until && refusal.replacement === generation) {
        refusal.until = nowMs + Math.min(30_000 * 2 ** refusal.level++, 900_000);
        // Once the hold is over the next refusal may try again, so the same token counts as a first one then.
        refusal.replacement = 0;
      }
      return nowMs < refusal.until;
    },
    replaced(origin, generation) {
      of(origin).replacement = generation + 1;
    },
    accepted(origin) {
      refusals.delete(origin);
    },
    get size() {
      return refusals.size;
    },
  };
}
