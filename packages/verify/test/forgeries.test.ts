import { inspect } from "node:util";
import { BearerError, isIamError } from "@iam/core";
import { beforeEach, describe, expect, test } from "vitest";
import { createVerifiedTokens, createVerifier } from "../src/index.ts";
import { forgeries, type Materials } from "./forgeries.ts";
import { accountId, failureOf, playing, signed } from "./scene.ts";

const cache = createVerifiedTokens();
let materials: Materials;
let verify: (token: string) => Promise<unknown>;

beforeEach(async () => {
  cache.clear();
  const scene = await playing({ cache, accounts: [accountId], subjectTypes: ["user", "ServiceId"] });
  const token = await scene.good();
  const [header, claims] = token
    .split(".", 2)
    .map((part) => JSON.parse(Buffer.from(part, "base64url").toString()));
  materials = { scene, token, header, claims };
  verify = createVerifier(scene.options).verify;
});

test("what the forgeries are made of is good before it is forged", async () => {
  const { header, claims, token } = materials;
  expect(await verify(token)).toEqual(claims);
  expect(await verify(signed(header, claims))).toEqual(claims);
  expect(await verify(signed({ ...header, typ: "JWT" }, claims))).toEqual(claims);
  expect(await verify(signed({ ...header, typ: "application/at+jwt" }, claims))).toEqual(claims);
});

test("there are at least sixty forgeries, each with a name of its own", () => {
  const names = new Set(forgeries.map(({ name }) => name));
  expect(names.size).toBe(forgeries.length);
  expect(names.size).toBeGreaterThanOrEqual(60);
});

describe("a forged token is refused", () => {
  test.each(forgeries)("$reason: $name", async ({ make, reason, says }) => {
    const forged = await make(materials);
    await verify(materials.token);
    const error = await failureOf(verify(forged as string));
    expect(error).toBeInstanceOf(BearerError);
    expect(isIamError(error)).toBe(true);
    expect(error).toMatchObject({ code: "ERR_IAM_BEARER", status: 401, error: "invalid_token", reason });
    expect((error as BearerError).message).toMatch(says);
    // Nothing of the token in what is logged.
    const shown = inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true });
    for (const part of String(forged)
      .split(".")
      .filter((text) => text.length > 20))
      expect(shown).not.toContain(part.slice(0, 40));
    expect(shown).not.toMatch(/mallory/i);
    // It is not remembered, and does not spoil what is.
    expect(cache.size).toBe(1);
    expect(await verify(materials.token)).toEqual(materials.claims);
  });
});
