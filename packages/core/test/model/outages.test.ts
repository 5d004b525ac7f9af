import { describe, expect, test } from "vitest";
import {
  clockTroubles,
  crossings,
  downs,
  grantsInTenHours,
  outageWithoutToken,
  outageWithToken,
  retryAfter30,
  year,
} from "./outages.ts";

const seeds = [1, 2, 3, 4, 5];

describe("a minute without a token endpoint", () => {
  test.for(Object.entries(downs))(
    "(%s) costs no request while the held token is valid, and at most 8 token requests",
    async ([, down]) => {
      for (const seed of seeds) {
        const { requests, failedRequests, tokenRequests, maxInFlight, longestWaitMs } = await outageWithToken(
          down,
          seed,
        );
        expect(requests).toBe(3000);
        expect({ failedRequests, longestWaitMs, maxInFlight }).toEqual({
          failedRequests: 0,
          longestWaitMs: 0,
          maxInFlight: 1,
        });
        expect(tokenRequests).toBeGreaterThan(0);
        expect(tokenRequests).toBeLessThanOrEqual(8);
      }
    },
  );

  test.for(Object.entries(downs))(
    "(%s) without a token costs at most 20 token requests at 50 requests a second, and is over 5 s after it ends",
    async ([, down]) => {
      for (const seed of seeds) {
        const { failedRequests, tokenRequests, recoveryMs, maxInFlight, longestWaitMs } =
          await outageWithoutToken(down, seed);
        expect(failedRequests).toBeGreaterThan(2000);
        expect(tokenRequests).toBeLessThanOrEqual(20);
        // One attempt may have begun when the endpoint was still down.
        expect(recoveryMs).toBeLessThanOrEqual(5_000 + 4_000);
        expect(longestWaitMs).toBeLessThanOrEqual(9_000);
        expect(maxInFlight).toBe(1);
      }
    },
  );
});

test("Retry-After: 30 is honoured to the millisecond by every caller, and each is told how long it still is", async () => {
  expect(await retryAfter30()).toEqual({ early: 0, wrongHints: 0, nextAfterMs: 30_000 });
});

test("nobody waits when tokens are replaced under 200 requests a second by an endpoint that takes 400 ms", async () => {
  const { requests, waited, grants } = await crossings();
  expect(requests).toBeGreaterThan(400_000);
  expect(waited).toBe(0);
  expect(grants).toBeGreaterThan(10);
});

describe("ten hours of requests cost", () => {
  test("as many grants with a wrong clock as with a right one, and one more for a leap at most", async () => {
    const grants = new Map<string, number>();
    for (const [name, trouble] of Object.entries(clockTroubles))
      grants.set(name, await grantsInTenHours(trouble));
    const right = grants.get("a right clock") ?? 0;
    expect(right).toBeGreaterThanOrEqual(10);
    expect(right).toBeLessThanOrEqual(14);
    for (const name of [
      "two hours ahead from the start",
      "two hours behind from the start",
      "stepped back by two hours",
    ])
      expect([name, grants.get(name)]).toEqual([name, right]);
    for (const name of ["stepped forward by two hours", "suspended for two hours"]) {
      expect(grants.get(name)).toBeGreaterThanOrEqual(right);
      expect(grants.get(name)).toBeLessThanOrEqual(right + 1);
    }
  });
});

test("a year of a million requests with a fault in one of fifty exchanges fails none", {
  timeout: 120_000,
}, async () => {
  const { failed, grants, faults } = await year({ requests: 1_000_000, lifetimes: 8_760, seed: 3 });
  expect(failed).toBe(0);
  expect(faults).toBeGreaterThan(100);
  expect(grants).toBeGreaterThan(8_760);
  expect(grants).toBeLessThanOrEqual(1.4 * 8_760);
});
