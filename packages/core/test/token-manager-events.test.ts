import { inspect } from "node:util";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { apiKeyGrant, createTokenManager, type SharedStore, type Token } from "../src/index.ts";
import {
  apiKey,
  failing,
  failureOf,
  hanging,
  hour,
  ok,
  origin,
  refreshPoint,
  requestContext,
  settle,
  watch,
  world,
} from "./virtual-world.ts";

describe("events and disposal", () => {
  test("events tell what happened, and hold no secret", async () => {
    const it = world();
    const token = await it.manager.getToken();
    await it.clock.advance(refreshPoint);
    it.endpoint.script.push(failing(500));
    await it.manager.getToken();
    await settle();
    await it.clock.advance(3_000);
    await it.manager.getToken({ rejected: token, origin });
    expect(it.events.map(({ type }) => type)).toEqual([
      "exchange_started",
      "exchange_succeeded",
      "exchange_started",
      "exchange_failed",
      "token_rejected",
      "exchange_started",
      "exchange_succeeded",
    ]);
    const seen = inspect(it.events, { depth: Infinity, showHidden: true, getters: true });
    for (const secret of [apiKey, token.accessToken, it.manager.peek()?.accessToken ?? "none"])
      expect(seen).not.toContain(secret);
  });

  test("a listener that throws, rejects or asks for a token itself disturbs nothing", async () => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    onTestFinished(() => void process.off("unhandledRejection", unhandled));
    const asked: Promise<Token>[] = [];
    const it = world({
      onEvent: (event) => {
        if (event.type === "exchange_started") asked.push(it.manager.getToken());
        if (event.type === "exchange_succeeded") throw new Error("listener");
        return Promise.reject(new Error("listener"));
      },
    });
    const token = await it.manager.getToken();
    expect(await Promise.all(asked)).toEqual([token]);
    await settle();
    expect(unhandled).not.toHaveBeenCalled();
  });

  test("disposal by another request leaves no timer behind, however long the exchange takes to end", async () => {
    // As a store that never answers does when it should let go of a lock.
    const store: SharedStore = {
      share: (exchange) => async (run, lease) => {
        try {
          return await exchange(run, lease);
        } finally {
          await new Promise<void>((resolve) => run.clock.setTimer(resolve, 150, run));
        }
      },
    };
    const { manager, clock, endpoint } = world({ store });
    endpoint.otherwise = hanging;
    const ended = requestContext.run(2, () => failureOf(manager.getToken()));
    await settle();
    await manager[Symbol.asyncDispose]();
    expect((await ended).code).toBe("ERR_IAM_CONFIG");
    // On Workers the timers of a request end with it.
    clock.killTimers(2);
    expect(clock.pending).toEqual([]);
  });

  test("disposal ends every wait and every later call, and forgets the token", async () => {
    const it = world();
    await it.manager.getToken();
    await it.clock.advance(hour);
    it.endpoint.script.push(hanging);
    const waiting = [watch(it.manager.getToken()), watch(it.manager.getToken())];
    await settle();
    await it.manager[Symbol.asyncDispose]();
    await settle();
    for (const { error } of waiting) expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
    expect(await failureOf(it.manager.getToken())).toMatchObject({ code: "ERR_IAM_CONFIG" });
    expect(it.manager.peek()).toBeUndefined();
    expect(it.endpoint.inFlight).toBe(0);
    expect(it.clock.pending).toHaveLength(0);
  });

  test("no secret is shown by a manager, its options or its token, however they are looked at", async () => {
    const grant = apiKeyGrant(apiKey, { clientId: "client", clientSecret: "client-secret-canary" });
    const manager = createTokenManager({
      grant,
      transport: async () => ok({ access_token: "token-canary", refresh_token: "refresh-canary" }),
    });
    const token = await manager.getToken();
    for (const thing of [manager, token, grant, { token }, [token], { ...token }, structuredClone(token)]) {
      const seen = `${inspect(thing, { depth: Infinity, showHidden: true, getters: true })} ${JSON.stringify(thing)} ${String(thing)}`;
      for (const secret of [apiKey, "client-secret-canary", "token-canary", "refresh-canary"])
        expect(seen).not.toContain(secret);
    }
    expect([token.accessToken, token.refreshToken]).toEqual(["token-canary", "refresh-canary"]);
  });
});
