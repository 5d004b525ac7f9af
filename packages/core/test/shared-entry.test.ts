import { describe, expect, test } from "vitest";
import { TokenEndpointError } from "../src/errors.ts";
import {
  issueTime,
  lifetimeInStore,
  lifetimeWithDraw,
  packRefusal,
  packToken,
  type SharedToken,
  unpackRefusal,
  unpackToken,
} from "../src/shared-entry.ts";

const said: SharedToken = {
  accessToken: "abc.def.ghi",
  scope: "ibm openid",
  lifetimeMs: 3_600_000,
  issuedAt: 1_800_000_000_000,
  draw: 0.5,
};
const readAt = { wall: 1_800_000_000_000, monotonic: 5_000 };
const none = { random: () => 0, wallClock: false };

describe("the age of a token from a store", () => {
  test("is what is missing of its lifetime in the store's own time, counted from the start of the read", () => {
    const life = lifetimeInStore(said, { entry: "", ttlMs: 3_000_000 }, readAt, none);
    expect(life).toMatchObject({
      start: { wall: readAt.wall - 600_000, monotonic: readAt.monotonic - 600_000 },
      lifetimeMs: 3_600_000,
      usableMs: 3_590_000,
      shared: true,
    });
  });

  test.for([
    ["more than the lifetime", 9_999_999_999, 0],
    ["the whole lifetime", 3_600_000, 0],
    ["a millisecond", 1, 3_599_999],
    ["nothing", 0, 3_600_000],
  ] as const)("with %s left: never younger than it is", ([, ttlMs, ageMs]) => {
    const life = lifetimeInStore(said, { entry: "", ttlMs }, readAt, none);
    expect(readAt.monotonic - (life?.start.monotonic ?? 0)).toBe(ageMs);
  });

  test("is not known without the store's word", () => {
    expect(lifetimeInStore(said, { entry: "" }, readAt, none)).toBeUndefined();
  });

  test.for([
    ["a minute is taken off for the difference of two clocks", 0, 60_000],
    ["ten minutes after it was issued", 600_000, 660_000],
    ["a clock that is behind makes it no younger than new", -600_000, 0],
    ["an hour after: nothing is left", 3_600_000, 3_660_000],
  ] as const)("by the wall clock: %s", ([, laterMs, ageMs]) => {
    const at = { wall: readAt.wall + laterMs, monotonic: 5_000 };
    const life = lifetimeInStore(said, { entry: "" }, at, { random: () => 0, wallClock: true });
    expect(at.wall - (life?.start.wall ?? 0)).toBe(ageMs);
  });

  test("by the wall clock and the store: the older of the two", () => {
    const both = { random: () => 0, wallClock: true };
    const life = (ttlMs: number) => lifetimeInStore(said, { entry: "", ttlMs }, readAt, both);
    expect(life(1_000_000)?.start.wall).toBe(readAt.wall - 2_600_000);
    expect(life(3_600_000)?.start.wall).toBe(readAt.wall - 60_000);
  });
});

test.for([
  [0, 0, 0.7],
  [0, 1, 0.75],
  [0.5, 0, 0.775],
  [1, 0, 0.85],
  [1, 1, 0.9],
] as const)(
  "a draw of %d and an own delay of %d refresh at %d of the time until the margin",
  ([draw, random, part]) => {
    const { refreshMs, usableMs } = lifetimeWithDraw(readAt, 3_600_000, draw, () => random);
    expect(refreshMs / usableMs).toBeCloseTo(part, 10);
  },
);

describe("what lies within the seal", () => {
  test("is the token as it was", () => {
    expect(unpackToken(packToken(said))).toEqual(said);
    expect(unpackToken(packToken({ ...said, scope: undefined }))).toEqual({ ...said, scope: undefined });
  });

  test.for([
    ["no text", undefined],
    ["no JSON", "{"],
    ["null", "null"],
    ["a number", "5"],
    ["no token", JSON.stringify({ ...said })],
    ["a token with a line break", packToken({ ...said, accessToken: "a\nb" })],
    ["no lifetime", packToken({ ...said, lifetimeMs: 0 })],
    ["an endless lifetime", packToken({ ...said, lifetimeMs: Infinity })],
    ["a draw beyond its limits", packToken({ ...said, draw: 1.1 })],
    ["a draw below its limits", packToken({ ...said, draw: -0.1 })],
  ] as const)("is not a token when it is %s", ([, text]) => {
    expect(unpackToken(text)).toBeUndefined();
  });

  test("is a failure as it was, without what is not told", () => {
    const error = new TokenEndpointError("ERR_IAM_TOKEN_ENDPOINT_REFUSED", "HTTP 400, BXNIM0415E.", {
      status: 400,
      errorCode: "BXNIM0415E",
      transactionId: "t-1",
      cause: new Error("x"),
    });
    const read = unpackRefusal(packRefusal({ error, pauseMs: 1000, keptMs: 16_000, failures: 2 }));
    expect(read).toMatchObject({ pauseMs: 1000, keptMs: 16_000, failures: 2 });
    expect(read?.error).toMatchObject({
      code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
      status: 400,
      errorCode: "BXNIM0415E",
      transactionId: "t-1",
      retryable: false,
    });
    expect(read?.error.message).toBe("HTTP 400, BXNIM0415E.");
    expect(read?.error.cause).toBeUndefined();
  });

  test.for([
    ["nothing", undefined],
    ["a token", packToken(said)],
    ["longer than half a minute", { pauseMs: 30_001, keptMs: 30_000, failures: 1 }],
    ["kept longer than half a minute", { pauseMs: 1, keptMs: 30_001, failures: 1 }],
    ["none", { pauseMs: 1, keptMs: 1, failures: 0 }],
  ] as const)("is not a failure when it is %s", ([, given]) => {
    const error = new TokenEndpointError("ERR_IAM_TOKEN_ENDPOINT_REFUSED", "x", {});
    expect(
      unpackRefusal(typeof given === "object" ? packRefusal({ error, ...given }) : given),
    ).toBeUndefined();
  });
});

test("a JWT tells when it was issued; anything else was issued when it was asked for", () => {
  const claims = Buffer.from(JSON.stringify({ iat: 1_799_999_999 })).toString("base64url");
  expect(issueTime(`h.${claims}.s`, 7)).toBe(1_799_999_999_000);
  expect(issueTime("opaque", 7)).toBe(7);
  expect(issueTime(`h.${Buffer.from('{"iat":"x"}').toString("base64url")}.s`, 7)).toBe(7);
});
