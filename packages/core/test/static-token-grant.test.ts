import { describe, expect, test } from "vitest";
import { IamError, staticTokenGrant } from "../src/index.ts";
import { failureOf, type World, world } from "./virtual-world.ts";

const startS = 1_800_000_000;
const canary = "canary-0123456789";

function jwt(claims: Record<string, unknown>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "RS256" })}.${part({ ...claims, jti: "1" })}.c2ln`;
}

/** A world whose grant shares its clock. */
function withToken(token: Parameters<typeof staticTokenGrant>[0]): World {
  const { clock } = world();
  return Object.assign(world({ grant: staticTokenGrant(token, { clock }), clock }), { clock });
}

async function lifetimeS(here: World): Promise<number> {
  const { expiresAt, obtainedAt } = await here.manager.getToken();
  return ((expiresAt ?? Infinity) - obtainedAt) / 1000;
}

describe("a token that is there", () => {
  test.for<[string, Record<string, unknown>, number]>([
    ["that is new", { iat: startS, exp: startS + 3600 }, 3600],
    ["that is half an hour old", { iat: startS - 1800, exp: startS + 1800 }, 1800],
    ["that is nearly over", { iat: startS - 3599, exp: startS + 1 }, 1],
    [
      "that is issued in the future, by a clock that is behind",
      { iat: startS + 7200, exp: startS + 10_800 },
      3600,
    ],
    ["without iat", { exp: startS + 600 }, 600],
    ["with a fraction", { iat: startS + 0.5, exp: startS + 600.5 }, 600],
    ["of ten years", { iat: startS, exp: startS + 315_360_000 }, 31_536_000],
    ["without exp", { iat: startS }, Infinity],
    ["with an exp in letters", { exp: "soon" }, Infinity],
  ])("as a JWT %s lives as long as it has left", async ([, claims, expected]) => {
    expect(await lifetimeS(withToken(jwt(claims)))).toBe(expected);
  });

  test("that is opaque lives until it is rejected", async () => {
    expect(await lifetimeS(withToken("opaque-token"))).toBe(Infinity);
  });

  test.for<[string, number, RegExp]>([
    [
      "now",
      startS,
      /expired at 2027-01-15T08:00:00\.000Z; the clock of this machine says 2027-01-15T08:00:00\.000Z\. Give a new one/,
    ],
    ["an hour ago", startS - 3600, /expired at 2027-01-15T07:00:00\.000Z/],
    ["beyond all dates", -1e20, /expired at no date that there is/],
  ])("as a JWT that expired %s is refused", async ([, exp, words]) => {
    const token = jwt({ exp, secret: canary });
    const error = await failureOf(withToken(token).manager.getToken());
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG", retryable: false });
    expect(error.message).toMatch(words);
    expect(error.message).not.toContain(token);
  });

  test("is refused once it has expired, and not before", async () => {
    const here = withToken(jwt({ iat: startS, exp: startS + 600 }));
    await here.manager.getToken();
    await here.clock.advance(589_999);
    await here.manager.getToken();
    await here.clock.advance(10_001);
    expect((await failureOf(here.manager.getToken())).message).toMatch(/expired at/);
  });

  test("costs no request", async () => {
    const here = withToken("opaque-token");
    await here.manager.getToken();
    expect(here.endpoint.requests).toHaveLength(0);
  });
});

describe("a function that gets a token", () => {
  test("is asked once for each token, and again when that is due", async () => {
    let asked = 0;
    const here = withToken(async () => ({ access_token: `t${++asked}`, expires_in: 600 }));
    expect(await lifetimeS(here)).toBe(600);
    await Promise.all(Array.from({ length: 50 }, () => here.manager.getToken()));
    expect(asked).toBe(1);
    await here.clock.advance(600_000);
    expect((await here.manager.getToken()).accessToken).toBe("t2");
  });

  test("is asked again when a server rejects its token", async () => {
    let asked = 0;
    const here = withToken(() => `t${++asked}`);
    const rejected = await here.manager.getToken();
    const next = await here.manager.getToken({ rejected, origin: "https://api.example.com" });
    expect([rejected.accessToken, next.accessToken]).toEqual(["t1", "t2"]);
  });

  test.for<[unknown, number]>([
    [{ access_token: "t", expires_in: 90 }, 90],
    [{ access_token: "t", expires_in: "90" }, 90],
    [{ access_token: "t", expires_in: null }, Infinity],
    [{ access_token: "t" }, Infinity],
    [{ access_token: jwt({ iat: startS - 10, exp: startS + 50 }) }, 50],
    [{ access_token: jwt({ iat: startS - 10, exp: startS + 50 }), expires_in: 40 }, 40],
    [{ access_token: "t", expiration: startS + 30 }, 30],
  ])("that gives %o says how long it lives", async ([given, expected]) => {
    expect(await lifetimeS(withToken(() => given as string))).toBe(expected);
  });

  test("may give a scope, and a token_type that is Bearer", async () => {
    const given = { access_token: "t", token_type: "bearer", scope: "read" };
    expect(await withToken(() => given).manager.getToken()).toMatchObject({
      scope: "read",
      tokenType: "Bearer",
    });
    const other = withToken(() => ({ ...given, token_type: "mac" }));
    expect((await failureOf(other.manager.getToken())).message).toMatch(/a token_type other than Bearer/);
  });

  test.for<[unknown, RegExp]>([
    [undefined, /neither a string nor an object with access_token: did its request succeed\?/],
    [null, /did its request succeed/],
    ["", /did its request succeed/],
    [{}, /did its request succeed/],
    [{ error: "login_required" }, /did its request succeed/],
    [{ access_token: "" }, /did its request succeed/],
    [{ access_token: `Bearer ${canary}` }, /this is no token.*without "Bearer"/],
    [{ access_token: `${canary}\n` }, /this is no token/],
    [7, /this is no token/],
    [[canary], /did its request succeed/],
    [{ access_token: canary, expires_in: 0 }, /expires_in must be the whole seconds/],
    [{ access_token: canary, expires_in: -1 }, /expires_in must be the whole seconds/],
    [{ access_token: canary, expires_in: 1.5 }, /expires_in must be the whole seconds/],
    [{ access_token: canary, expires_in: "soon" }, /expires_in must be the whole seconds/],
  ])("that gives %o fails with what is wrong, and may do better later", async ([given, words]) => {
    const error = await failureOf(withToken(() => given as string).manager.getToken());
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG", retryable: true });
    expect(error.message).toMatch(words);
    expect(error.message).not.toContain(canary);
  });

  test("that throws fails without a word of what was thrown", async () => {
    const here = withToken(() => {
      throw new Error(canary);
    });
    const error = await failureOf(here.manager.getToken());
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG", retryable: true });
    expect(error.message).toMatch(/function that gives the token threw/);
    expect(`${error.stack}${error.cause}`).not.toContain(canary);
  });

  test("that fails with an error of this project passes it on", async () => {
    const here = withToken(() => {
      throw new IamError("ERR_IAM_TOKEN_ENDPOINT_REFUSED", "not logged in");
    });
    expect(await failureOf(here.manager.getToken())).toMatchObject({
      code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
      message: "not logged in",
    });
  });

  test("that gives an expired JWT may give a better one later", async () => {
    let exp = startS - 1;
    const here = withToken(() => jwt({ exp }));
    expect(await failureOf(here.manager.getToken())).toMatchObject({ retryable: true });
    exp = startS + 3600;
    await here.clock.advance(1000);
    expect((await here.manager.getToken()).expiresAt).toBe((startS + 3600) * 1000);
  });
});
