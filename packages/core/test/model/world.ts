import { AssertionError } from "node:assert";
import { settle, type VirtualClock, virtualClock } from "../virtual-world.ts";
import { type Defer, type Sharing, type Subject, Tenant } from "./tenant.ts";

/** Two tenants on one clock, so that whatever they might share would show. */
export class World {
  readonly clock: VirtualClock = virtualClock();
  readonly tenants: readonly [Tenant, Tenant];
  private readonly unhandled: readonly unknown[];

  constructor(
    subject: Subject,
    defer: Defer,
    {
      unhandled,
      ...options
    }: { unhandled: readonly unknown[]; maxTokenRequestsPerMinute: number; sharing: Sharing },
  ) {
    this.unhandled = unhandled;
    const tenant = (name: string) => new Tenant(name, subject, this.clock, defer, options);
    this.tenants = [tenant("one"), tenant("two")];
  }

  /** Lets time pass; the reference is ahead of the manager at each instant. */
  async advance(ms: number): Promise<void> {
    const { clock, tenants } = this;
    const end = clock.monotonicNow() + ms;
    for (let more = true; more; ) {
      const now = clock.monotonicNow();
      const at = Math.max(now, Math.min(end, clock.pending[0]?.dueAt ?? end));
      const moment = { monotonic: at, wall: clock.wallNow() + (at - now) };
      for (const { reference } of tenants) reference.advanceTo(moment);
      await clock.advance(at - now);
      more = at < end || (clock.pending[0]?.dueAt ?? Number.POSITIVE_INFINITY) <= end;
    }
  }

  /** Both clocks go on, and no timer fires. */
  block(ms: number): void {
    this.clock.block(ms);
    this.look();
  }

  /** Somebody sets the date. */
  stepWall(ms: number): void {
    this.clock.stepWall(ms);
    this.look();
  }

  /** The machine is suspended: its wall clock goes on, and so does the clock of the store, which is another machine. */
  suspend(ms: number): void {
    this.clock.suspend(ms);
    for (const tenant of this.tenants) tenant.suspended(ms);
    this.look();
  }

  kill(context: number): void {
    this.clock.killTimers(context);
    for (const tenant of this.tenants) tenant.kill(context);
  }

  async check(): Promise<void> {
    await settle();
    for (const tenant of this.tenants) tenant.check();
    if (this.unhandled.length > 0)
      throw new AssertionError({ message: `I6: an unhandled rejection: ${this.unhandled[0]}` });
  }

  private look(): void {
    for (const { reference } of this.tenants) {
      reference.now = { monotonic: this.clock.monotonicNow(), wall: this.clock.wallNow() };
    }
  }
}
