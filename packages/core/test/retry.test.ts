import { afterEach, describe, expect, test, vi } from "vitest";
import { coolDownMs, httpDateMs, retryAfterMs, retryDelayMs } from "../src/retry.ts";

const almostOne = 0.999;
const anyDraw = () => 0.5;

afterEach(() => {
  vi.unstubAllEnvs();
});

describe("the delay before the next attempt", () => {
  const failure = { retryable: true, retryAfterMs: undefined };

  test.for<[number, number, number]>([
    [1, 0, 0],
    [1, almostOne, 499.5],
    [2, 0, 0],
    [2, 0.5, 500],
    [2, almostOne, 999],
  ])("after attempt %d at the draw %d is %d ms", ([attempt, draw, delayMs]) => {
    expect(retryDelayMs(failure, attempt, 9000, () => draw)).toBeCloseTo(delayMs, 9);
  });

  test("is none after what will not pass", () => {
    expect(retryDelayMs({ ...failure, retryable: false }, 1, 9000, anyDraw)).toBeUndefined();
  });

  test.for<[number, number, number | undefined]>([
    [3000, 9000, 3000],
    [8999, 9000, 8999],
    [9000, 9000, undefined],
    [9001, 9000, undefined],
    [Infinity, 9000, undefined],
    [100, 9000, 250],
    [0, 9000, 250],
    [0, 250, undefined],
    [0, 251, 250],
    [0, 0, undefined],
    [0, -1, undefined],
  ])("with a Retry-After of %d ms and %d ms left is %s", ([floorMs, remainingMs, delayMs]) => {
    const random = () => 0.5;
    expect(retryDelayMs({ ...failure, retryAfterMs: floorMs }, 1, remainingMs, random)).toBe(delayMs);
  });
});

describe("the cool-down", () => {
  const unavailable = { retryable: true, retryAfterMs: undefined };

  test.for<[number, number, number]>([
    [1, almostOne, 1000],
    [2, almostOne, 2000],
    [3, 0, 3500],
    [3, almostOne, 4998.5],
    [4, 0, 3500],
    [1000, 0, 3500],
    [1000, almostOne, 4998.5],
  ])("without a usable token after %d failures at the draw %d is %d ms", ([failures, draw, ms]) => {
    expect(coolDownMs(unavailable, failures, undefined, () => draw)).toBeCloseTo(ms, 9);
  });

  test.for<[number, number, number]>([
    [1, 3_600_000, 2000],
    [2, 3_600_000, 4000],
    [3, 3_600_000, 8000],
    [4, 3_600_000, 16_000],
    [5, 3_600_000, 30_000],
    [6, 3_600_000, 30_000],
    [2000, 3_600_000, 30_000],
    [5, Infinity, 30_000],
    [1, 8000, 2000],
    [1, 7999, 1999.75],
    [5, 120_000, 30_000],
    [5, 119_996, 29_999],
    [5, 4000, 1000],
    [1, 200, 50],
    [1, 199, 50],
    [1, 0, 50],
  ])("with a usable token after %d failures and %d ms of life left is %d ms", ([failures, usableMs, ms]) => {
    expect(coolDownMs(unavailable, failures, usableMs, anyDraw)).toBe(ms);
  });

  test.for([1, 2, 50])("after refusal %d is 30 s, usable token or not", (failures) => {
    for (const usableMs of [undefined, 4000, Infinity])
      expect(coolDownMs({ ...unavailable, retryable: false }, failures, usableMs, anyDraw)).toBe(30_000);
  });

  test.for<[number, number]>([
    [0, 1000],
    [999, 1000],
    [1001, 1001],
    [30_000, 30_000],
    [3_600_000, 3_600_000],
    [3_600_001, 3_600_000],
    [Infinity, 3_600_000],
  ])("is no shorter than a Retry-After, up to an hour: %d ms gives %d ms", ([floorMs, ms]) => {
    expect(coolDownMs({ ...unavailable, retryAfterMs: floorMs }, 1, undefined, anyDraw)).toBe(ms);
  });

  test("is no shorter than a Retry-After with a usable token and after a refusal", () => {
    const failure = { ...unavailable, retryAfterMs: 60_000 };
    expect(coolDownMs(failure, 1, 4000, anyDraw)).toBe(60_000);
    expect(coolDownMs({ ...failure, retryable: false }, 1, undefined, anyDraw)).toBe(60_000);
    expect(coolDownMs({ retryable: false, retryAfterMs: 1 }, 1, undefined, anyDraw)).toBe(30_000);
  });
});

const nowMs = 784_111_777_000;

describe("Retry-After", () => {
  test.for<[string | undefined, number | undefined]>([
    ["0", 0],
    ["1", 1000],
    ["120", 120_000],
    ["007", 7000],
    [" 5 ", 5000],
    ["2147483", 2_147_483_000],
    ["2147484", 2_147_483_647],
    ["9".repeat(400), 2_147_483_647],
    ["-1", undefined],
    ["+1", undefined],
    ["1.5", undefined],
    ["1e3", undefined],
    ["0x10", undefined],
    ["5s", undefined],
    ["5, 5", undefined],
    ["５", undefined],
    ["", undefined],
    ["   ", undefined],
    [undefined, undefined],
    ["soon", undefined],
    ["Infinity", undefined],
    ["NaN", undefined],
    ["null", undefined],
  ])("of %j is %j ms", ([header, ms]) => {
    expect(retryAfterMs(header, undefined, nowMs)).toBe(ms);
  });

  test.for(["UTC", "America/New_York", "Asia/Kolkata"])(
    "in each form of a date is the same in %s",
    (zone) => {
      vi.stubEnv("TZ", zone);
      for (const header of [
        "Sun, 06 Nov 1994 08:49:47 GMT",
        "Sunday, 06-Nov-94 08:49:47 GMT",
        "Sun Nov  6 08:49:47 1994",
      ]) {
        expect(retryAfterMs(header, undefined, nowMs)).toBe(10_000);
        expect(retryAfterMs(header, "Sun, 06 Nov 1994 08:49:46 GMT", 0)).toBe(1000);
      }
      expect(httpDateMs("Wed Nov 16 08:49:37 1994")).toBe(nowMs + 10 * 86_400_000);
    },
  );

  const header = "Sun, 06 Nov 1994 08:49:47 GMT";
  test.for<[string, string | undefined, number]>([
    ["the answer's own date, whatever the local clock says", "Sun, 06 Nov 1994 08:49:44 GMT", 3000],
    ["the local clock without a date", undefined, 10_000],
    ["the local clock when the date is none", "yesterday", 10_000],
    ["the local clock when the date is empty", "", 10_000],
    ["the local clock when the date is not one of HTTP", "1994-11-06T08:49:44Z", 10_000],
  ])("as a date counts from %s", ([, date, ms]) => {
    expect(retryAfterMs(header, date, nowMs)).toBe(ms);
  });

  test("as a date of the far future is no longer than a timer can wait", () => {
    expect(retryAfterMs("Sun, 06 Nov 2094 08:49:47 GMT", undefined, nowMs)).toBe(2_147_483_647);
  });

  test("as a date that has passed is now", () => {
    expect(retryAfterMs(header, header, 0)).toBe(0);
    expect(retryAfterMs(header, "Mon, 07 Nov 1994 08:49:47 GMT", 0)).toBe(0);
  });

  test.for([
    "Mon 1",
    "Sunday",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 06 Nov 1994 08:49:37 +0100",
    "Sun, 06 Nov 1994 08:49:37 GMT+1",
    "Sun, 06 Nov 1994 08:49 GMT",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun,06 Nov 1994 08:49:37 GMT",
    "Sun, 06 nov 1994 08:49:37 GMT",
    "sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 25:49:37 GMT",
    "Sun, 99 Nov 1994 08:49:37 GMT",
    "Sun, 06 Foo 1994 08:49:37 GMT",
    "Xyz, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37",
    "Sun Nov 06 1994 08:49:37 GMT+0000",
    "Sun Nov  6 08:49:37 1994 GMT",
    "Sun Nov 6 08:49:37 1994",
    "06 Nov 1994 08:49:37 GMT",
    "1994-11-06T08:49:37Z",
    "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
  ])("does not take %j for a date", (text) => {
    expect(retryAfterMs(text, undefined, nowMs)).toBeUndefined();
    expect(httpDateMs(text)).toBeNaN();
  });
});
