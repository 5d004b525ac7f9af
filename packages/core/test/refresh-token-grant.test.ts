import { describe, expect, test } from "vitest";
import { apiKeyGrant, delegatingGrant, passcodeGrant, refreshTokenGrant } from "../src/index.ts";
import { failing, failureOf, hanging, ok, unreachable, type World, world } from "./virtual-world.ts";

const client = { clientId: "bx", clientSecret: "bx" };
const refused = (errorCode: string) => failing(400, { body: { errorCode } });
const giving = (refresh_token: string | undefined) => () => ok({ refresh_token });

/** What was sent, in short. */
function sent({ endpoint }: World): string[] {
  return endpoint.requests.map(({ body }) => {
    const form = new URLSearchParams(body);
    return form.get("refresh_token") ?? form.get("apikey") ?? form.get("passcode") ?? "";
  });
}

const hour = 3_600_000;

describe("a refresh token", () => {
  test("gives way to the one that the answer brings, hour after hour", async () => {
    const here = world({ grant: refreshTokenGrant({ ...client, refreshToken: "r1" }) });
    here.endpoint.script.push(giving("r2"), giving("r3"), giving("r4"));
    for (let at = 0; at < 3; at++) {
      await here.manager.getToken();
      await here.clock.advance(hour);
    }
    expect(sent(here)).toEqual(["r1", "r2", "r3"]);
  });

  test("is the refreshToken of the token, for who wants to keep it", async () => {
    const here = world({ grant: refreshTokenGrant({ ...client, refreshToken: "r1" }) });
    here.endpoint.script.push(giving("r2"));
    expect((await here.manager.getToken()).refreshToken).toBe("r2");
  });

  test("survives a rejection of the access token, which costs the held one", async () => {
    const here = world({ grant: refreshTokenGrant({ ...client, refreshToken: "r1" }) });
    here.endpoint.script.push(giving("r2"), giving("r3"));
    const rejected = await here.manager.getToken();
    await here.manager.getToken({ rejected, origin: "https://api.example.com" });
    expect(sent(here)).toEqual(["r1", "r2"]);
  });

  test.for([undefined, "", "not_supported"])(
    "that the answer does not replace (%s) stays good",
    async (answered) => {
      const here = world({ grant: refreshTokenGrant({ ...client, refreshToken: "r1" }) });
      here.endpoint.script.push(giving(answered), giving("r2"));
      await here.manager.getToken();
      await here.clock.advance(hour);
      await here.manager.getToken();
      expect(sent(here)).toEqual(["r1", "r1"]);
    },
  );

  test.for([
    ["BXNIM0407E", /invalid, has been used, or is another client's; log in again/],
    ["BXNIM0408E", /has expired; log in again/],
    ["BXNIM0439E", /session has ended because it was not used; log in again/],
  ] as const)(
    "that is refused with %s without a primary grant says to log in again",
    async ([code, words]) => {
      const here = world({ grant: refreshTokenGrant({ ...client, refreshToken: "r1" }) });
      here.endpoint.script.push(refused(code));
      const error = await failureOf(here.manager.getToken());
      expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED", errorCode: code, status: 400 });
      expect(error.message).toMatch(words);
      await here.clock.advance(1000);
      const next = await failureOf(here.manager.getToken());
      expect(next.message).toMatch(/no refresh token to send: .*Log in again, or give a primary grant/);
      expect(sent(here)).toEqual(["r1"]);
    },
  );

  test.for([
    ["no answer", hanging],
    ["a 503", failing(503)],
    ["another refusal", refused("BXNIM0310E")],
  ] as const)("is never sent twice, not after %s either", async ([, answer]) => {
    const here = world({ grant: refreshTokenGrant({ ...client, refreshToken: "r1" }) });
    here.endpoint.script.push(answer);
    const first = failureOf(here.manager.getToken());
    await here.clock.advance(4000);
    await first;
    await here.clock.advance(31_000);
    expect((await failureOf(here.manager.getToken())).message).toMatch(/no refresh token to send/);
    expect(sent(here)).toEqual(["r1"]);
  });

  test("that never arrived is sent by the next call", async () => {
    const here = world({ grant: refreshTokenGrant({ ...client, refreshToken: "r1" }) });
    here.endpoint.script.push(unreachable);
    await failureOf(here.manager.getToken());
    await here.clock.advance(1000);
    await here.manager.getToken();
    expect(sent(here)).toEqual(["r1", "r1"]);
  });

  test("is not lost when its client's secret comes too late for the exchange", async () => {
    let give: (value: string) => void = () => {};
    const late = new Promise<string>((resolve) => {
      give = resolve;
    });
    const grant = refreshTokenGrant({ clientId: "bx", clientSecret: () => late, refreshToken: "r1" });
    const here = world({ grant });
    const first = failureOf(here.manager.getToken());
    await here.clock.advance(9000);
    await first;
    give("bx");
    await here.clock.advance(1000);
    expect(sent(here)).toEqual([]);
    await here.manager.getToken();
    expect(sent(here)).toEqual(["r1"]);
  });

  test("is not sent by two managers of one grant at the same time", async () => {
    const grant = refreshTokenGrant({ ...client, refreshToken: "r1" });
    const [one, other] = [world({ grant }), world({ grant })];
    const outcomes = await Promise.allSettled([one.manager.getToken(), other.manager.getToken()]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect([...sent(one), ...sent(other)]).toEqual(["r1"]);
  });
});

describe("a refresh token that a function gives", () => {
  test("is asked for each exchange, and counts when it is new", async () => {
    let stored = "r1";
    const here = world({ grant: refreshTokenGrant({ ...client, refreshToken: () => stored }) });
    here.endpoint.script.push(giving("r2"), giving("r3"), giving("n2"));
    await here.manager.getToken();
    await here.clock.advance(hour);
    await here.manager.getToken();
    stored = "n1";
    await here.clock.advance(hour);
    await here.manager.getToken();
    expect(sent(here)).toEqual(["r1", "r2", "n1"]);
  });

  test("does not bring back one that was sent, when the store lags behind", async () => {
    const stored = ["r1", "r2", "r2", "r3"];
    const here = world({
      grant: refreshTokenGrant({ ...client, refreshToken: () => stored.shift() ?? "r4" }),
    });
    here.endpoint.script.push(giving("r2"), giving("r3"), giving("r4"), giving("r5"));
    for (let at = 0; at < 4; at++) {
      await here.manager.getToken();
      await here.clock.advance(hour);
    }
    expect(sent(here)).toEqual(["r1", "r2", "r3", "r4"]);
  });

  test("that never changes is not sent again after any number of others", async () => {
    const here = world({ grant: refreshTokenGrant({ ...client, refreshToken: () => "r0" }) });
    for (let at = 1; at <= 130; at++) here.endpoint.script.push(giving(`r${at}`));
    for (let at = 0; at < 130; at++) {
      await here.manager.getToken();
      await here.clock.advance(hour);
    }
    expect(new Set(sent(here)).size).toBe(130);
  });

  test("and is new ends the cool-down of the refused one within a second", async () => {
    let stored = "r1";
    const here = world({ grant: refreshTokenGrant({ ...client, refreshToken: () => stored }) });
    here.endpoint.script.push(refused("BXNIM0408E"), giving("n2"));
    await failureOf(here.manager.getToken());
    stored = "n1";
    await here.clock.advance(1000);
    await here.manager.getToken();
    expect(sent(here)).toEqual(["r1", "n1"]);
  });
});

describe("the primary grant of a refresh token", () => {
  const both = () =>
    refreshTokenGrant({ ...client, refreshToken: "r1", primary: apiKeyGrant("key", client) });

  test.for(["BXNIM0407E", "BXNIM0408E", "BXNIM0439E"])(
    "takes over in the same exchange after %s, and gives the next refresh token",
    async (code) => {
      const here = world({ grant: both() });
      here.endpoint.script.push(refused(code), giving("p2"), giving("p3"));
      expect((await here.manager.getToken()).refreshToken).toBe("p2");
      await here.clock.advance(hour);
      await here.manager.getToken();
      expect(sent(here)).toEqual(["r1", "key", "p2"]);
      expect(here.events.filter(({ type }) => type === "exchange_failed")).toEqual([]);
    },
  );

  test("does not take over after any other refusal, whose error is told, but by the next exchange", async () => {
    const here = world({ grant: both() });
    here.endpoint.script.push(refused("BXNIM0310E"), giving("p2"));
    const error = await failureOf(here.manager.getToken());
    expect(error).toMatchObject({ errorCode: "BXNIM0310E" });
    expect(error.message).toMatch(
      /client is unknown or its secret is wrong; check clientId and clientSecret/,
    );
    expect(sent(here)).toEqual(["r1"]);
    await here.clock.advance(1000);
    await here.manager.getToken();
    expect(sent(here)).toEqual(["r1", "key"]);
  });

  test("takes over by the next exchange when no answer came", async () => {
    const here = world({ grant: both() });
    here.endpoint.script.push(failing(503), giving("p2"));
    await failureOf(here.manager.getToken());
    await here.clock.advance(1000);
    expect((await here.manager.getToken()).refreshToken).toBe("p2");
    expect(sent(here)).toEqual(["r1", "key"]);
  });

  test("begins when there is no refresh token, with as many attempts as it may make", async () => {
    const here = world({ grant: refreshTokenGrant({ ...client, primary: apiKeyGrant("key", client) }) });
    here.endpoint.script.push(failing(503), giving("r1"), giving("r2"));
    const first = here.manager.getToken();
    await here.clock.advance(1000);
    await first;
    await here.clock.advance(hour);
    await here.manager.getToken();
    expect(sent(here)).toEqual(["key", "key", "r1"]);
  });

  test("makes one attempt when it is good for one time itself", async () => {
    const here = world({ grant: refreshTokenGrant({ ...client, primary: passcodeGrant("code") }) });
    here.endpoint.script.push(failing(503));
    const first = failureOf(here.manager.getToken());
    await here.clock.advance(9000);
    await first;
    expect((await failureOf(here.manager.getToken())).message).toMatch(/passcode has been sent before/);
    expect(sent(here)).toEqual(["code"]);
  });

  test("keeps a login by passcode going", async () => {
    const here = world({ grant: refreshTokenGrant({ ...client, primary: passcodeGrant("code") }) });
    here.endpoint.script.push(giving("r1"), giving("r2"), giving("r3"));
    for (let at = 0; at < 3; at++) {
      await here.manager.getToken();
      await here.clock.advance(hour);
    }
    expect(sent(here)).toEqual(["code", "r1", "r2"]);
  });

  test("that gets no refresh token is asked every time", async () => {
    const here = world({ grant: refreshTokenGrant({ ...client, primary: apiKeyGrant("key") }) });
    await here.manager.getToken();
    await here.clock.advance(hour);
    await here.manager.getToken();
    expect(sent(here)).toEqual(["key", "key"]);
  });

  test("reads its secret once for each exchange, and not while refresh tokens do", async () => {
    let asked = 0;
    const key = () => `key-${++asked}`;
    const here = world({ grant: refreshTokenGrant({ ...client, primary: apiKeyGrant(key, client) }) });
    here.endpoint.script.push(giving("r1"), giving("r2"), refused("BXNIM0439E"), giving("r3"));
    for (let at = 0; at < 3; at++) {
      await here.manager.getToken();
      await here.clock.advance(hour);
    }
    expect(sent(here)).toEqual(["key-1", "r1", "r2", "key-2"]);
    expect(asked).toBe(2);
  });

  test("that refuses in its turn is what the error is about, and a rotated key ends the cool-down", async () => {
    let key = "old-key";
    const here = world({
      grant: refreshTokenGrant({ ...client, refreshToken: "r1", primary: apiKeyGrant(() => key, client) }),
    });
    here.endpoint.script.push(
      refused("BXNIM0408E"),
      refused("BXNIM0415E"),
      refused("BXNIM0415E"),
      giving("r2"),
    );
    expect(await failureOf(here.manager.getToken())).toMatchObject({ errorCode: "BXNIM0415E" });
    await here.clock.advance(1000);
    expect(await failureOf(here.manager.getToken())).toMatchObject({ errorCode: "BXNIM0415E" });
    key = "new-key";
    await here.clock.advance(1000);
    await here.manager.getToken();
    expect(sent(here)).toEqual(["r1", "old-key", "old-key", "new-key"]);
  });
});

describe("delegating", () => {
  const grant = () =>
    delegatingGrant(refreshTokenGrant({ ...client, refreshToken: "r1" }), { receiverClientIds: ["kube"] });

  test("gives the delegated refresh token with the access token, and goes on with its own", async () => {
    const here = world({ grant: grant() });
    const answer = (refresh_token: string, delegated_refresh_token: string) => () =>
      ok({ refresh_token, delegated_refresh_token });
    here.endpoint.script.push(answer("r2", "d1"), answer("r3", "d2"));
    expect((await here.manager.getToken()).refreshToken).toBe("d1");
    await here.clock.advance(hour);
    expect((await here.manager.getToken()).refreshToken).toBe("d2");
    expect(sent(here)).toEqual(["r1", "r2"]);
  });

  test("fails when the answer has no delegated refresh token, instead of giving another one", async () => {
    const here = world({ grant: grant() });
    here.endpoint.script.push(giving("r2"));
    const error = await failureOf(here.manager.getToken());
    expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_RESPONSE_INVALID", status: 200 });
    expect(error.message).toMatch(/without a delegated_refresh_token/);
  });

  test("tells a page from a token response", async () => {
    const here = world({ grant: delegatingGrant(apiKeyGrant("key"), { receiverClientIds: ["kube"] }) });
    here.endpoint.otherwise = failing(200, { body: "<html>" });
    const first = failureOf(here.manager.getToken());
    await here.clock.advance(9000);
    expect((await first).message).toMatch(/no usable access_token in JSON/);
  });
});
