import { describe, expect, test } from "vitest";
import { createFleet, failing, unreachable } from "./fleet.ts";
import { settle } from "./settle-ciphering.ts";

describe("failures are shared", () => {
  test("a refused key is asked about once in half a minute by the whole fleet", async () => {
    const fleet = createFleet();
    fleet.answer = failing(400);
    for (let s = 0; s < 25; s += 5) {
      const { error } = await fleet.within(100, fleet.process().getToken());
      expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED", errorCode: "BXNIM0415E" });
      await fleet.clock.advance(4_900);
    }
    expect(fleet.requests).toHaveLength(1);
    await fleet.clock.advance(10_000);
    await fleet.within(100, fleet.process().getToken());
    expect(fleet.requests).toHaveLength(2);
  });

  test("what was told of a failure ends with its own half minute, not half a minute after it was heard", async () => {
    const fleet = createFleet();
    fleet.answer = failing(400);
    await fleet.within(100, fleet.process().getToken());
    await fleet.clock.advance(25_000);
    const manager = fleet.process();
    await fleet.within(100, manager.getToken());
    fleet.answer = fleet.granting;
    await fleet.clock.advance(6_000);
    expect((await manager.getToken()).accessToken).toBe("token-1");
  });

  test("Retry-After is kept by all, up to half a minute", async () => {
    const fleet = createFleet();
    fleet.answer = failing(429, { retryAfter: "20" });
    const { error } = await fleet.within(10_000, fleet.process().getToken());
    expect(error).toMatchObject({ status: 429 });
    const from = fleet.requests.length;
    await fleet.clock.advance(17_000);
    const other = await fleet.within(100, fleet.process().getToken());
    expect(other.error).toMatchObject({ status: 429, retryAfterMs: 3000 });
    expect(fleet.requests).toHaveLength(from);
    fleet.answer = fleet.granting;
    await fleet.clock.advance(3_001);
    expect((await fleet.process().getToken()).accessToken).toBe("token-1");
  });

  test("they never stand in place of a held token", async () => {
    const fleet = createFleet();
    const manager = fleet.process();
    await manager.getToken();
    fleet.answer = failing(400);
    await fleet.clock.advance(2_900_000);
    await manager.getToken();
    await settle();
    expect((await manager.getToken()).accessToken).toBe("token-1");
    expect((await fleet.process().getToken()).accessToken).toBe("token-1");
  });

  test("one machine without a network delays the others by a second at most", async () => {
    const fleet = createFleet();
    fleet.answer = unreachable;
    for (let failures = 0; failures < 4; failures++) {
      await fleet.within(9_000, fleet.process().getToken());
      await fleet.clock.advance(1_001);
    }
    fleet.answer = fleet.granting;
    const { value, tookMs } = await fleet.within(100, fleet.process().getToken());
    expect(value?.accessToken).toBe("token-1");
    expect(tookMs).toBe(0);
  });

  test("a pause that was heard of with a token in hand holds nobody back when that has expired", async () => {
    const fleet = createFleet({ expiresIn: 3 });
    const [one, two] = [fleet.process(), fleet.process()];
    await one.getToken();
    await two.getToken();
    await fleet.clock.advance(2_500);
    fleet.answer = failing(503);
    await one.getToken();
    await settle();
    await two.getToken();
    await settle();
    await fleet.clock.advance(300);
    fleet.answer = fleet.granting;
    expect((await fleet.within(2_000, two.getToken())).value?.accessToken).toBe("token-2");
  });

  test("a caller without a token waits for a pause of two seconds at most, and then makes the next attempt", async () => {
    const fleet = createFleet();
    fleet.answer = failing(503);
    await fleet.within(5_000, fleet.process().getToken());
    fleet.answer = fleet.granting;
    const from = fleet.requests.length;
    const waiting = Array.from({ length: 20 }, () => fleet.within(3_000, fleet.process().getToken()));
    for (const { value, tookMs } of await Promise.all(waiting)) {
      expect(value?.accessToken).toBe("token-1");
      expect(tookMs).toBeGreaterThan(0);
      expect(tookMs).toBeLessThanOrEqual(1_500);
    }
    expect(fleet.requests).toHaveLength(from + 1);
  });

  test("success takes back what was said of failures", async () => {
    const fleet = createFleet({ expiresIn: 5 });
    fleet.answer = failing(503);
    await fleet.within(5_000, fleet.process().getToken());
    fleet.answer = fleet.granting;
    await fleet.clock.advance(2_000);
    await fleet.within(100, fleet.process().getToken());
    expect(fleet.broken.calls.delete).toBe(1);
  });

  test("what is this process's own affair is not told: a budget spent", async () => {
    const fleet = createFleet();
    const manager = fleet.process({ maxTokenRequestsPerMinute: 1 });
    const rejected = await manager.getToken();
    const { value } = await fleet.within(100, manager.getToken({ rejected }));
    expect(value?.accessToken).toBe("token-1");
    expect(fleet.events).toContainEqual(
      expect.objectContaining({
        type: "exchange_failed",
        error: expect.objectContaining({ code: "ERR_IAM_TOKEN_REQUEST_BUDGET" }),
      }),
    );
    expect(fleet.broken.entries).toHaveLength(1);
  });
});
