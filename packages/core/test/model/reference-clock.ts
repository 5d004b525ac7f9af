/** One moment on two clocks, in milliseconds. */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/** When something happens by itself; of what is due together the first that was set comes first. */
export interface Due {
  readonly at: number;
  readonly order: number;
}

/** How a token ages. */
export interface Life {
  readonly start: Moment;
  readonly lifetimeMs: number;
  readonly usableMs: number;
  refreshMs: number;
  /** Nobody was asked for it: it is out of a store, or is the held one, which stays for the sake of one. */
  readonly shared?: boolean;
}

/** A moment that never was. */
export const none = Number.NEGATIVE_INFINITY;

/** The time of a reference: what it is, and in which order things are due. */
export class ReferenceClock {
  now: Moment;
  private timersSet = 0;

  constructor(now: Moment) {
    this.now = now;
  }

  in(ms: number): Due {
    return { at: this.now.monotonic + ms, order: this.timersSet++ };
  }

  /** Lets time pass without anything happening. */
  pass(ms: number) {
    this.now = { monotonic: this.now.monotonic + ms, wall: this.now.wall + ms };
  }

  /** By the clock that says more. */
  age({ start }: Life): number {
    return Math.max(this.now.monotonic - start.monotonic, this.now.wall - start.wall);
  }
}
