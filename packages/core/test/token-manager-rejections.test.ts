import { describe, expect, test } from "vitest";
import type { Token } from "../src/index.ts";
import {
  failing,
  failureOf,
  granting,
  hanging,
  held,
  hour,
  ok,
  origin,
  refreshPoint,
  settle,
  unreachable,
  watch,
  world,
} from "./virtual-world.ts";

describe("401", () => {
  test("only the token that was rejected is replaced; late 401s of it cost nothing", async () => {
    const { manager, endpoint, clock } = world();
    const first = await manager.getToken();
    const replaced = await Promise.all(
      Array.from({ length: 100 }, () => manager.getToken({ rejected: first, origin })),
    );
    for (let late = 0; late < 100; late++) {
      await clock.advance(100);
      replaced.push(await manager.getToken({ rejected: first.accessToken, origin }));
    }
    expect(new Set(replaced).size).toBe(1);
    expect(replaced[0]).not.toBe(first);
    expect(endpoint.requests).toHaveLength(2);
  });

  test("a late 401 of a token that has expired does not discard the exchange that replaces it", async () => {
    const { manager, endpoint, clock } = world();
    const first = await manager.getToken();
    await clock.advance(hour);
    const gate = held();
    endpoint.script.push(gate.answer);
    const waiting = [watch(manager.getToken()), watch(manager.getToken({ rejected: first, origin }))];
    await settle();
    gate.release();
    await settle();
    expect(waiting.map(({ state }) => state)).toEqual(["resolved", "resolved"]);
    expect(endpoint.requests).toHaveLength(2);
  });

  test("a token is replaced however young it is", async () => {
    const { manager, endpoint } = world();
    const token = await manager.getToken();
    expect(await manager.getToken({ rejected: token, origin })).not.toBe(token);
    expect(endpoint.requests).toHaveLength(2);
  });

  test("a refresh that began before the rejection does not answer it, and two are never under way", async () => {
    const { manager, endpoint, clock, events } = world();
    const first = await manager.getToken();
    await clock.advance(refreshPoint);
    const gate = held();
    endpoint.script.push(gate.answer);
    await manager.getToken();
    const waiting = watch(manager.getToken({ rejected: first, origin }));
    await settle();
    expect(endpoint.inFlight).toBe(1);
    gate.release(ok({ access_token: "older-than-the-rejection" }));
    await settle();
    expect(waiting.value?.accessToken).not.toBe("older-than-the-rejection");
    expect(waiting.state).toBe("resolved");
    expect(manager.peek()).toBe(waiting.value);
    expect(endpoint.maxInFlight).toBe(1);
    expect(events.filter(({ type }) => type === "exchange_succeeded")).toMatchObject([
      {},
      { committed: false },
      { committed: true },
    ]);
  });

  test("a forced exchange makes one attempt", async () => {
    const { manager, endpoint, clock, events } = world();
    const token = await manager.getToken();
    endpoint.otherwise = failing(500);
    const waiting = watch(manager.getToken({ rejected: token, origin }));
    await clock.advance(9_000);
    expect(waiting.value?.accessToken).toBe(token.accessToken);
    expect(endpoint.requests).toHaveLength(2);
    expect(events.filter(({ type }) => type === "exchange_started").at(-1)).toEqual({
      type: "exchange_started",
      reason: "rejected",
    });
  });

  test("an origin that refuses the replacement too replaces nothing for 30 s, then 60 s, up to 15 min", async () => {
    const { manager, endpoint, clock } = world();
    endpoint.otherwise = granting(10 * 86_400);
    let token: Token = await manager.getToken();
    token = await manager.getToken({ rejected: token, origin });
    expect(endpoint.requests).toHaveLength(2);
    let requests = 2;
    for (const holdMs of [30_000, 60_000, 120_000, 240_000, 480_000, 900_000, 900_000]) {
      // The refusal of the replacement puts the origin on hold …
      expect(await manager.getToken({ rejected: token, origin })).toBe(token);
      await clock.advance(holdMs - 1);
      expect(await manager.getToken({ rejected: token, origin })).toBe(token);
      expect(endpoint.requests).toHaveLength(requests);
      // … and after it one more replacement is tried.
      await clock.advance(1);
      const next = await manager.getToken({ rejected: token, origin });
      expect(next).not.toBe(token);
      expect(endpoint.requests).toHaveLength(++requests);
      token = next;
    }
  });

  test("other origins are unaffected by one that is on hold", async () => {
    const { manager, clock } = world();
    const first = await manager.getToken();
    const second = await manager.getToken({ rejected: first, origin });
    expect(await manager.getToken({ rejected: second, origin })).toBe(second);
    await clock.advance(5_000);
    expect(await manager.getToken({ rejected: second, origin: "https://other.cloud.ibm.com" })).not.toBe(
      second,
    );
  });

  test("an origin that accepts the token is forgiven", async () => {
    const { manager, clock } = world();
    const first = await manager.getToken();
    const second = await manager.getToken({ rejected: first, origin });
    expect(await manager.getToken({ rejected: second, origin })).toBe(second);
    manager.accepted(first, origin);
    await clock.advance(5_000);
    expect(await manager.getToken({ rejected: second, origin })).toBe(second);
    manager.accepted(second, origin);
    expect(await manager.getToken({ rejected: second, origin })).not.toBe(second);
  });

  test("an origin with a path that accepts every token and one that accepts none costs few exchanges", async () => {
    const { manager, endpoint, clock } = world();
    endpoint.otherwise = granting(86_400);
    let token = await manager.getToken();
    for (let second = 0; second < 3600; second++) {
      token = await manager.getToken({ rejected: token, origin });
      manager.accepted(token, origin);
      await clock.advance(1_000);
    }
    // In each 15 min: one after being forgiven, one at once, then after holds of 30, 60, 120, 240 and 480 s.
    expect(endpoint.requests.length).toBeLessThanOrEqual(1 + 4 * 7);
    expect(endpoint.requests.length).toBeGreaterThan(10);
  });

  test("an origin is forgiven again 15 min after it was last", async () => {
    const { manager, endpoint, clock } = world();
    endpoint.otherwise = granting(86_400);
    const replace = async (token: Token) => {
      await clock.advance(5_000);
      return manager.getToken({ rejected: token, origin });
    };
    const first = await replace(await manager.getToken());
    manager.accepted(first, origin);
    const second = await replace(first);
    manager.accepted(second, origin);
    // Not forgiven a second time: it refuses the replacement too.
    expect(await replace(second)).toBe(second);
    await clock.advance(900_000 - 10_001);
    const third = await replace(second);
    expect(third).not.toBe(second);
    manager.accepted(third, origin);
    expect(await replace(third)).not.toBe(third);
  });

  test("a thousand origins that refuse are remembered, and the oldest is forgotten first", async () => {
    const { manager, endpoint, clock } = world();
    endpoint.otherwise = granting(86_400);
    const first = await manager.getToken();
    const second = await manager.getToken({ rejected: first, origin });
    for (let other = 1; other < 1_000; other++)
      await manager.getToken({ rejected: first, origin: `https://${other}.cloud.ibm.com` });
    await clock.advance(5_000);
    expect(await manager.getToken({ rejected: second, origin })).toBe(second);
    for (let other = 0; other < 1_000; other++)
      await manager.getToken({ rejected: first, origin: `https://again-${other}.cloud.ibm.com` });
    expect(await manager.getToken({ rejected: second, origin })).not.toBe(second);
    expect(endpoint.requests).toHaveLength(3);
  });

  test("forced exchanges are at least 5 s apart, whoever asks", async () => {
    const { manager, endpoint, clock } = world();
    const first = await manager.getToken();
    const second = await manager.getToken({ rejected: first, origin: "https://a.cloud.ibm.com" });
    await clock.advance(4_999);
    expect(await manager.getToken({ rejected: second, origin: "https://b.cloud.ibm.com" })).toBe(second);
    await clock.advance(1);
    expect(await manager.getToken({ rejected: second, origin: "https://c.cloud.ibm.com" })).not.toBe(second);
    expect(endpoint.requests).toHaveLength(3);
  });

  test("forced exchanges are at least 5 s apart, also when a slow refresh held one of them up", async () => {
    const { manager, endpoint, clock } = world();
    const first = await manager.getToken();
    await clock.advance(refreshPoint);
    const gate = held();
    endpoint.script.push(gate.answer);
    await manager.getToken();
    const waiting = watch(manager.getToken({ rejected: first, origin: "https://a.cloud.ibm.com" }));
    await clock.advance(3_900);
    gate.release();
    await settle();
    const second = waiting.value;
    expect(endpoint.requests).toHaveLength(3);
    await clock.advance(4_999);
    expect(await manager.getToken({ rejected: second, origin: "https://b.cloud.ibm.com" })).toBe(second);
    await clock.advance(1);
    expect(await manager.getToken({ rejected: second, origin: "https://c.cloud.ibm.com" })).not.toBe(second);
    expect(endpoint.requests).toHaveLength(4);
  });

  test("a rejection while the endpoint is left alone keeps the token for the other origins", async () => {
    const { manager, endpoint, clock, events } = world();
    const token = await manager.getToken();
    await clock.advance(refreshPoint);
    endpoint.otherwise = failing(503);
    await manager.getToken();
    await settle();
    expect(await manager.getToken({ rejected: token, origin })).toBe(token);
    expect(events.at(-1)).toEqual({ type: "token_rejected", origin, outcome: "cooling_down" });
    expect(endpoint.requests).toHaveLength(2);
  });

  test.for([
    ["no answer", unreachable],
    ["a 503", failing(503)],
    ["a web page", () => ({ ...ok(), body: "<html>" })],
    ["silence", hanging],
  ] as const)(
    "a token that one origin rejected stays good for the others when its replacement meets %s",
    async ([, answer]) => {
      const { manager, endpoint, clock } = world();
      const token = await manager.getToken();
      endpoint.otherwise = answer;
      const waiting = [watch(manager.getToken({ rejected: token, origin })), watch(manager.getToken())];
      await clock.advance(4_000);
      // The origin that rejected it gets it back too: its own 401 is then the answer.
      for (const each of waiting) expect(each.value?.accessToken).toBe(token.accessToken);
      expect((await manager.getToken()).accessToken).toBe(token.accessToken);
      expect(manager.peek()).toBeUndefined();
      expect(endpoint.requests).toHaveLength(2);
      // As soon as the endpoint may be asked again, anybody's call replaces it.
      endpoint.otherwise = granting();
      await clock.advance(2_000);
      await manager.getToken();
      await settle();
      expect((await manager.getToken()).accessToken).not.toBe(token.accessToken);
      expect(endpoint.requests).toHaveLength(3);
    },
  );

  test("a rejected token that is served while the endpoint is down is asked about less and less often", async () => {
    const { manager, endpoint, clock } = world();
    const token = await manager.getToken();
    endpoint.otherwise = failing(503);
    for (let second = 0; second < 60; second++) {
      const again = await manager.getToken({ rejected: token, origin });
      expect(again.accessToken).toBe(token.accessToken);
      await clock.advance(1_000);
    }
    // The forced one, then 2, 4, 8, 16 s apart.
    expect(endpoint.requests.length).toBeLessThanOrEqual(1 + 6);
    await clock.advance(hour);
    expect(await failureOf(manager.getToken())).toMatchObject({ status: 503 });
  });

  test("a rejected token is not served again when its replacement is refused", async () => {
    const { manager, endpoint, clock } = world();
    const token = await manager.getToken();
    endpoint.otherwise = failing(400);
    expect(await failureOf(manager.getToken({ rejected: token, origin }))).toMatchObject({ status: 400 });
    expect(await failureOf(manager.getToken())).toMatchObject({ status: 400 });
    endpoint.otherwise = failing(503);
    await clock.advance(30_000);
    expect(await failureOf(manager.getToken())).toMatchObject({ status: 503 });
  });

  test("disposal forgets a rejected token too", async () => {
    const { manager, endpoint, clock } = world();
    const token = await manager.getToken();
    endpoint.otherwise = hanging;
    const waiting = watch(manager.getToken({ rejected: token, origin }));
    await settle();
    await manager[Symbol.asyncDispose]();
    await clock.advance(10_000);
    expect(waiting).toMatchObject({ state: "rejected", error: { code: "ERR_IAM_CONFIG" } });
    expect(manager.peek()).toBeUndefined();
  });
});
