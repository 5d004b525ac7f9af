import { inspect } from "node:util";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { apiKeyGrant, isIamError } from "../src/index.ts";
import { thrownBy } from "./thrown.ts";
import {
  apiKey,
  failing,
  failureOf,
  granting,
  hanging,
  held,
  hour,
  ok,
  refreshPoint,
  settle,
  unreachable,
  watch,
  world,
} from "./virtual-world.ts";

describe("one exchange for everybody", () => {
  test("10,000 concurrent first callers make one token request and get the same token", async () => {
    const { manager, endpoint } = world();
    const tokens = await Promise.all(Array.from({ length: 10_000 }, () => manager.getToken()));
    expect(endpoint.requests).toHaveLength(1);
    expect(new Set(tokens).size).toBe(1);
  });

  test("a held token is given without a request, and peek gives it at once", async () => {
    const { manager, endpoint, clock } = world();
    expect(manager.peek()).toBeUndefined();
    const token = await manager.getToken();
    await clock.advance(refreshPoint - 1);
    expect(await manager.getToken()).toBe(token);
    expect(manager.peek()).toBe(token);
    expect(endpoint.requests).toHaveLength(1);
  });

  test("the token says what the server said of it", async () => {
    const { manager, endpoint, clock } = world();
    endpoint.script.push(() => ok({ token_type: "bEaReR", scope: "ibm openid", refresh_token: "r-1" }));
    const token = await manager.getToken();
    expect(token).toMatchObject({
      tokenType: "Bearer",
      obtainedAt: clock.wallNow(),
      expiresAt: clock.wallNow() + hour,
    });
    expect([token.scope, token.refreshToken]).toEqual(["ibm openid", "r-1"]);
    expect(Object.isFrozen(token)).toBe(true);
  });

  test("a caller's signal ends that caller's wait and nothing else", async () => {
    const { manager, endpoint } = world();
    const gate = held();
    endpoint.script.push(gate.answer);
    const first = new AbortController();
    const leader = watch(manager.getToken({ signal: first.signal }));
    const follower = watch(manager.getToken());
    await settle();
    first.abort(new Error("gone"));
    await settle();
    expect(leader).toMatchObject({ state: "rejected", error: new Error("gone") });
    gate.release();
    await settle();
    expect(follower.state).toBe("resolved");
    expect(endpoint.requests).toHaveLength(1);
  });

  test("a signal that has aborted already costs no request", async () => {
    const { manager, endpoint } = world();
    const error = await failureOf(manager.getToken({ signal: AbortSignal.abort(new Error("early")) }));
    expect(error.message).toBe("early");
    expect(endpoint.requests).toHaveLength(0);
  });

  test("no timer is left when an exchange has ended, whether it gave a token or not", async () => {
    const { manager, endpoint, clock } = world();
    await Promise.all([manager.getToken(), manager.getToken()]);
    await settle();
    expect(clock.pending).toHaveLength(0);
    endpoint.script.push(failing(400));
    await clock.advance(hour);
    await failureOf(manager.getToken());
    expect(clock.pending).toHaveLength(0);
  });

  test("timers that a caller waits on hold the process, those of a background refresh do not", async () => {
    const { manager, endpoint, clock } = world();
    endpoint.script.push(hanging);
    const waiting = watch(manager.getToken());
    await settle();
    expect(clock.pending.some(({ background }) => !background)).toBe(true);
    await clock.advance(20_000);
    expect(waiting.state).toBe("resolved");
    await clock.advance(refreshPoint + 1);
    endpoint.script.push(hanging);
    await manager.getToken();
    await settle();
    expect(clock.pending.length).toBeGreaterThan(0);
    expect(clock.pending.every(({ background }) => background)).toBe(true);
  });
});

describe("the life of a token", () => {
  test("an expiring token is served at once, and one refresh runs beside it", async () => {
    const { manager, endpoint, clock } = world();
    const first = await manager.getToken();
    await clock.advance(refreshPoint);
    const gate = held();
    endpoint.script.push(gate.answer);
    const served = await Promise.all(Array.from({ length: 100 }, () => manager.getToken()));
    expect(new Set(served)).toEqual(new Set([first]));
    expect(manager.peek()).toBeUndefined();
    await settle();
    expect(endpoint.requests).toHaveLength(2);
    gate.release();
    await settle();
    expect(await manager.getToken()).not.toBe(first);
    expect(endpoint.requests).toHaveLength(2);
  });

  test.for([
    ["1 s", 1],
    ["25 s", 25],
    ["90 s", 90],
    ["5 min", 300],
    ["1 h", 3600],
    ["60 d", 60 * 86_400],
  ] as const)(
    "a token of %s is refreshed between 70 %% and 85 %% of its usable life, at each end of the draw",
    async ([, seconds]) => {
      const usableMs = seconds * 1000 - Math.min(10_000, seconds * 100);
      for (const [random, share] of [
        [0, 0.7],
        [0.999999999, 0.85],
      ] as const) {
        const it = world();
        it.random = random;
        it.endpoint.otherwise = granting(seconds);
        const token = await it.manager.getToken();
        await it.clock.advance(usableMs * share - 1);
        expect(it.manager.peek()).toBe(token);
        await it.clock.advance(2);
        expect(it.manager.peek()).toBeUndefined();
        it.endpoint.otherwise = failing(500);
        expect(await it.manager.getToken()).toBe(token);
        await settle();
        await it.clock.advance(usableMs - usableMs * share - 2);
        expect(await it.manager.getToken()).toBe(token);
        await it.clock.advance(1);
        expect(isIamError(await failureOf(it.manager.getToken()))).toBe(true);
      }
    },
  );

  test("the refresh point is drawn once for a token, not at each look", async () => {
    const it = world();
    it.random = 0.999999999;
    const token = await it.manager.getToken();
    it.random = 0;
    await it.clock.advance(0.8 * (hour - 10_000));
    expect(it.manager.peek()).toBe(token);
  });

  test("the lifetime is counted from the start of the request, not from its end", async () => {
    const { manager, endpoint, clock } = world();
    const gate = held();
    endpoint.script.push(gate.answer);
    const waiting = manager.getToken();
    await clock.advance(3_000);
    gate.release();
    const token = await waiting;
    expect(token.expiresAt).toBe(clock.wallNow() - 3_000 + hour);
    await clock.advance(hour - 10_000 - 3_000 - 1);
    endpoint.otherwise = failing(500);
    expect(await manager.getToken()).toBe(token);
    await settle();
    await clock.advance(1);
    await failureOf(manager.getToken());
  });

  test.for([
    ["two hours ahead", 7_200_000],
    ["two hours behind", -7_200_000],
  ] as const)("a clock that is %s from the start costs no extra request", async ([, skew]) => {
    const { manager, endpoint, clock } = world();
    clock.stepWall(skew);
    await manager.getToken();
    await clock.advance(refreshPoint - 1);
    await manager.getToken();
    expect(endpoint.requests).toHaveLength(1);
  });

  test("a wall clock that is stepped back costs no extra request, and no expired token is served", async () => {
    const { manager, endpoint, clock } = world();
    const token = await manager.getToken();
    clock.stepWall(-7_200_000);
    await clock.advance(refreshPoint - 1);
    expect(await manager.getToken()).toBe(token);
    expect(endpoint.requests).toHaveLength(1);
    await clock.advance(hour - refreshPoint);
    expect(await manager.getToken()).not.toBe(token);
    expect(endpoint.requests).toHaveLength(2);
  });

  test.for(["step", "suspend"] as const)("a forward %s beyond the expiry costs one request", async (kind) => {
    const { manager, endpoint, clock } = world();
    const token = await manager.getToken();
    if (kind === "step") clock.stepWall(7_200_000);
    else clock.suspend(7_200_000);
    expect(await manager.getToken()).not.toBe(token);
    await clock.advance(refreshPoint - 1);
    await manager.getToken();
    expect(endpoint.requests).toHaveLength(2);
  });

  test("a token without any lifetime is held until a server rejects it", async () => {
    const { manager, endpoint, clock } = world();
    endpoint.script.push(() => ok({ expires_in: undefined }));
    const token = await manager.getToken();
    expect(token.expiresAt).toBeUndefined();
    await clock.advance(1000 * hour);
    expect(await manager.getToken()).toBe(token);
    expect(await manager.getToken({ rejected: token })).not.toBe(token);
    expect(endpoint.requests).toHaveLength(2);
  });

  test("a refresh that returns the same token spends the window: no request before it expires", async () => {
    const { manager, endpoint, clock } = world();
    endpoint.otherwise = () => ok({ access_token: "always-the-same" });
    const token = await manager.getToken();
    await clock.advance(refreshPoint);
    for (let call = 0; call < 50; call++) {
      expect((await manager.getToken()).accessToken).toBe(token.accessToken);
      await settle();
      await clock.advance(10_000);
    }
    expect(endpoint.requests).toHaveLength(2);
    await clock.advance(hour);
    await manager.getToken();
    expect(endpoint.requests).toHaveLength(3);
  });

  test("a token that has expired when it arrives is an error, not a token", async () => {
    const { manager, endpoint, clock } = world();
    const gate = held();
    endpoint.script.push(gate.answer);
    const waiting = watch(manager.getToken());
    await clock.advance(1500);
    gate.release(ok({ expires_in: 1 }));
    await settle();
    expect(waiting).toMatchObject({ state: "rejected", error: { code: "ERR_IAM_TOKEN_RESPONSE_INVALID" } });
  });

  test("a caller that wants more validity than is left waits for a new token; the others do not", async () => {
    const { manager, endpoint, clock } = world();
    const token = await manager.getToken();
    await clock.advance(hour / 2);
    expect(await manager.getToken({ minValidityMs: hour / 2 })).toBe(token);
    expect(await manager.getToken({ minValidityMs: hour / 2 + 1 })).not.toBe(token);
    expect(endpoint.requests).toHaveLength(2);
  });

  test("more validity than the server ever gives is an error that says so, and costs at most one request", async () => {
    const { manager, endpoint } = world();
    for (let call = 0; call < 20; call++) {
      const error = await failureOf(manager.getToken({ minValidityMs: 2 * hour }));
      expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
      expect(error.message).toContain("minValidityMs");
    }
    expect(endpoint.requests).toHaveLength(1);
    expect(await manager.getToken()).toBeDefined();
  });

  test("a server that gives the same token again cannot be asked for more validity in a loop", async () => {
    const { manager, endpoint, clock } = world();
    endpoint.otherwise = () => ok({ access_token: "always-the-same" });
    await manager.getToken();
    await clock.advance(hour / 2);
    for (let call = 0; call < 20; call++) await failureOf(manager.getToken({ minValidityMs: hour * 0.75 }));
    expect(endpoint.requests).toHaveLength(2);
  });

  test.for([-1, Number.NaN, Infinity])(
    "minValidityMs of %s is a configuration error",
    async (minValidityMs) => {
      const { manager, endpoint } = world();
      expect(await failureOf(manager.getToken({ minValidityMs }))).toMatchObject({ code: "ERR_IAM_CONFIG" });
      expect(endpoint.requests).toHaveLength(0);
    },
  );
});

describe("failures", () => {
  test("the first exchange tries three times, within its deadline, then says why", async () => {
    const { manager, endpoint, clock } = world();
    endpoint.otherwise = unreachable;
    const waiting = watch(manager.getToken());
    await clock.advance(9_000);
    expect(endpoint.requests).toHaveLength(3);
    expect(waiting).toMatchObject({
      state: "rejected",
      error: { code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", retryable: true },
    });
    expect(String(waiting.error)).toContain("ECONNREFUSED");
  });

  test.for([408, 429, 500, 502, 503, 504])("HTTP %s is tried again", async (status) => {
    const { manager, endpoint, clock } = world();
    endpoint.script.push(failing(status));
    const waiting = watch(manager.getToken());
    await clock.advance(1_000);
    expect(waiting.state).toBe("resolved");
    expect(endpoint.requests).toHaveLength(2);
  });

  test.for([0, 301, 302, 307, 400, 401, 403, 404, 405, 501])(
    "HTTP %s is never tried again",
    async (status) => {
      const { manager, endpoint, clock } = world();
      endpoint.script.push(failing(status, { body: "<html>" }));
      const waiting = watch(manager.getToken());
      await clock.advance(9_000);
      expect(waiting).toMatchObject({
        state: "rejected",
        error: { code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED", status },
      });
      expect(endpoint.requests).toHaveLength(1);
    },
  );

  test("an unknown key says that it was not found, and where keys are listed", async () => {
    const { manager, endpoint } = world();
    endpoint.script.push(failing(400));
    const error = await failureOf(manager.getToken());
    expect(error).toMatchObject({
      code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
      status: 400,
      errorCode: "BXNIM0415E",
      retryable: false,
    });
    expect(error.message).toMatch(/key was not found/);
    expect(error.message).toContain("https://cloud.ibm.com/iam/apikeys");
  });

  test("a hung endpoint is given up after 4 s an attempt and 9 s in all, with one request in flight", async () => {
    const { manager, endpoint, clock } = world();
    endpoint.otherwise = hanging;
    const waiting = Array.from({ length: 20 }, () => watch(manager.getToken()));
    await clock.advance(4_000);
    expect(endpoint.requests).toHaveLength(1);
    await clock.advance(4_999);
    expect(waiting.every(({ state }) => state === "pending")).toBe(true);
    await clock.advance(1);
    expect(waiting.every(({ state }) => state === "rejected")).toBe(true);
    expect(endpoint.maxInFlight).toBe(1);
    expect(clock.pending).toHaveLength(0);
  });

  test("what was waited is told in milliseconds at the finest, however little was left of the deadline", async () => {
    const { manager, endpoint, clock } = world({ attemptDeadlineMs: 1000 / 3 });
    endpoint.otherwise = hanging;
    const failure = failureOf(manager.getToken());
    await clock.advance(9_000);
    expect((await failure).message).toContain(" (after 0.334 s): ");
  });

  test("a transport that ignores its signal does not hold anybody beyond the deadline", async () => {
    const { manager, clock } = world({ transport: () => new Promise(() => {}) });
    const waiting = watch(manager.getToken());
    await clock.advance(9_000);
    expect(waiting).toMatchObject({
      state: "rejected",
      error: { code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE" },
    });
  });

  test("Retry-After is honoured when it fits into the deadline", async () => {
    const { manager, endpoint, clock } = world();
    endpoint.script.push(failing(429, { retryAfter: "3" }));
    const waiting = watch(manager.getToken());
    await clock.advance(2_999);
    expect(endpoint.requests).toHaveLength(1);
    await clock.advance(1);
    expect(endpoint.requests).toHaveLength(2);
    expect(waiting.state).toBe("resolved");
  });

  test("Retry-After beyond the deadline fails at once, and everybody keeps to it to the millisecond", async () => {
    const { manager, endpoint, clock } = world();
    endpoint.script.push(failing(429, { retryAfter: "30" }));
    expect(await failureOf(manager.getToken())).toMatchObject({ status: 429, retryAfterMs: 30_000 });
    await clock.advance(29_999);
    const early = await Promise.all(Array.from({ length: 50 }, () => failureOf(manager.getToken())));
    expect(early.every(({ retryAfterMs }) => retryAfterMs === 1)).toBe(true);
    expect(endpoint.requests).toHaveLength(1);
    await clock.advance(1);
    await manager.getToken();
    expect(endpoint.requests).toHaveLength(2);
  });

  test("a Retry-After of a day is honoured for an hour", async () => {
    const { manager, endpoint, clock } = world();
    endpoint.script.push(failing(503, { retryAfter: "86400" }));
    await failureOf(manager.getToken());
    await clock.advance(hour - 1);
    await failureOf(manager.getToken());
    expect(endpoint.requests).toHaveLength(1);
    await clock.advance(1);
    await manager.getToken();
  });

  test("while the endpoint is left alone callers fail at once with what is remembered; then one caller is the probe", async () => {
    const it = world();
    const { manager, endpoint, clock } = it;
    endpoint.otherwise = failing(500);
    const first = watch(manager.getToken());
    // With `random` at 0.5 the attempts are 250 ms and 500 ms apart.
    await clock.advance(750);
    expect(first.state).toBe("rejected");
    expect(endpoint.requests).toHaveLength(3);
    // 1 s, 2 s, then 3.5 to 5 s; the exchanges of probes make one attempt each.
    for (const [index, pauseMs] of [1_000, 2_000, 4_250, 4_250].entries()) {
      const failed = it.events.filter(({ type }) => type === "exchange_failed");
      expect(failed[index]).toMatchObject({ coolDownMs: pauseMs });
      const probes = Array.from({ length: 10 }, () => watch(manager.getToken()));
      await settle();
      expect(endpoint.requests).toHaveLength(3 + index);
      expect(
        probes.every(({ state, error }) => state === "rejected" && /emembered/.test(String(error))),
      ).toBe(true);
      await clock.advance(pauseMs);
      await Promise.all(Array.from({ length: 10 }, () => failureOf(manager.getToken())));
      expect(endpoint.requests).toHaveLength(4 + index);
    }
  });

  test("a refused key is remembered for 30 s, and then asked once", async () => {
    const { manager, endpoint, clock } = world();
    endpoint.otherwise = failing(400);
    await failureOf(manager.getToken());
    await clock.advance(29_999);
    expect(await failureOf(manager.getToken())).toMatchObject({ errorCode: "BXNIM0415E", retryAfterMs: 1 });
    expect(endpoint.requests).toHaveLength(1);
    await clock.advance(1);
    await Promise.all([failureOf(manager.getToken()), failureOf(manager.getToken())]);
    expect(endpoint.requests).toHaveLength(2);
  });

  test("a refused key that is replaced is tried again within a second", async () => {
    let key = apiKey;
    const { manager, endpoint, clock } = world({ grant: apiKeyGrant(() => key) });
    endpoint.script.push(failing(400));
    await failureOf(manager.getToken());
    await clock.advance(1_000);
    await failureOf(manager.getToken());
    expect(endpoint.requests).toHaveLength(1);
    key = "another-key";
    await clock.advance(1_000);
    await manager.getToken();
    expect(endpoint.requests).toHaveLength(2);
    expect(new URLSearchParams(endpoint.requests[1]?.body).get("apikey")).toBe("another-key");
  });

  test("a failed refresh never costs the held token, is an event, and is not repeated by every call", async () => {
    const { manager, endpoint, clock, events } = world();
    const token = await manager.getToken();
    await clock.advance(refreshPoint);
    endpoint.otherwise = failing(503);
    for (let second = 0; second < 60; second++) {
      expect(await manager.getToken()).toBe(token);
      await clock.advance(1_000);
    }
    // 2, 4, 8, 16 and 30 s apart.
    expect(endpoint.requests).toHaveLength(1 + 5);
    expect(events.filter(({ type }) => type === "exchange_failed")).toHaveLength(5);
    endpoint.otherwise = granting();
    await clock.advance(30_000);
    await manager.getToken();
    await settle();
    expect(await manager.getToken()).not.toBe(token);
  });

  test("a refresh that outlives its token tries again for the callers that wait for it now", async () => {
    const { manager, endpoint, clock } = world();
    const token = await manager.getToken();
    await clock.advance(hour - 10_000 - 1_000);
    endpoint.script.push(hanging, failing(503));
    expect(await manager.getToken()).toBe(token);
    await clock.advance(1_000);
    const waiting = watch(manager.getToken());
    await clock.advance(8_000);
    expect(waiting.state).toBe("resolved");
    expect(endpoint.requests).toHaveLength(4);
    expect(endpoint.maxInFlight).toBe(1);
  });

  test("near its end a token that cannot be refreshed is asked for after a quarter of what is left", async () => {
    const { manager, endpoint, clock, events } = world();
    await manager.getToken();
    await clock.advance(hour - 10_000 - 8_000);
    endpoint.otherwise = failing(503);
    await manager.getToken();
    await settle();
    expect(events.at(-1)).toMatchObject({ type: "exchange_failed", held: true, coolDownMs: 2_000 });
  });

  test.for([
    ["HTML", () => ok({}), "<html>"],
    ["no token", () => ok({ access_token: undefined }), undefined],
    ["a token with a line break", () => ok({ access_token: "a\nb" }), undefined],
    ["a negative lifetime", () => ok({ expires_in: -1 }), undefined],
    ["an error under 200", () => ok({ error: "invalid_grant" }), undefined],
  ] as const)(
    "a refresh answered with %s under HTTP 200 does not touch the held token",
    async ([, answer, body]) => {
      const { manager, endpoint, clock, events } = world();
      const token = await manager.getToken();
      await clock.advance(refreshPoint);
      endpoint.script.push(() => (body === undefined ? answer() : { ...answer(), status: 200, body }));
      expect(await manager.getToken()).toBe(token);
      await settle();
      expect(events.at(-1)).toMatchObject({
        type: "exchange_failed",
        error: { code: "ERR_IAM_TOKEN_RESPONSE_INVALID" },
      });
      expect(await manager.getToken()).toBe(token);
    },
  );

  test("a failed background refresh is never an unhandled rejection", async () => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    onTestFinished(() => void process.off("unhandledRejection", unhandled));
    const { manager, endpoint, clock } = world();
    await manager.getToken();
    for (const answer of [failing(500), failing(400), unreachable, hanging]) {
      await clock.advance(hour / 2 + refreshPoint / 2);
      endpoint.script.push(answer);
      void manager.getToken().catch(() => {});
      await clock.advance(10_000);
    }
    const abandoned = new AbortController();
    await clock.advance(hour);
    endpoint.otherwise = failing(400);
    const left = failureOf(manager.getToken({ signal: abandoned.signal }));
    abandoned.abort();
    await left;
    await settle();
    expect(unhandled).not.toHaveBeenCalled();
  });

  test.for<[string, (fail: () => Promise<string>) => ReturnType<typeof apiKeyGrant>]>([
    ["an API key", (fail) => apiKeyGrant(fail)],
    ["a client secret", (fail) => apiKeyGrant(apiKey, { clientId: "me", clientSecret: fail })],
  ])("%s that cannot be read fails typed, and shows nothing of what was thrown", async ([, make]) => {
    const failure = Object.assign(new Error(`vault: cannot read ${apiKey}`), { code: "EACCES", apiKey });
    const throwing = () => {
      throw failure;
    };
    for (const fail of [throwing, () => Promise.reject(failure)]) {
      const { manager, endpoint } = world({ grant: make(fail) });
      const error = await failureOf(manager.getToken());
      expect(error).toMatchObject({ code: "ERR_IAM_CONFIG", retryable: true, cause: { message: "EACCES" } });
      expect(error.message).toMatch(/apikey.*EACCES/);
      expect(inspect(error, { depth: Infinity, showHidden: true, getters: true })).not.toContain(apiKey);
      expect(endpoint.requests).toHaveLength(0);
    }
  });

  test("a secret that could not be read is read again by the next call, at once", async () => {
    let readable = false;
    const { manager, endpoint } = world({
      grant: apiKeyGrant(() => {
        if (!readable) throw new Error("vault");
        return apiKey;
      }),
    });
    await failureOf(manager.getToken());
    readable = true;
    await manager.getToken();
    expect(endpoint.requests).toHaveLength(1);
  });

  test("a secret that comes after the deadline is not sent", async () => {
    let give: (key: string) => void = () => {};
    const late = new Promise<string>((resolve) => {
      give = resolve;
    });
    const { manager, endpoint, clock } = world({ grant: apiKeyGrant(() => late) });
    const waiting = watch(manager.getToken());
    await clock.advance(9_000);
    expect(waiting.state).toBe("rejected");
    give(apiKey);
    await settle();
    expect(endpoint.requests).toHaveLength(0);
  });

  test("no request is made after the deadline, however late a blocked process is with its timers", async () => {
    const { manager, endpoint, clock } = world();
    endpoint.otherwise = hanging;
    const waiting = watch(manager.getToken());
    // The first attempt has ended, and the second is 250 ms away.
    await clock.advance(4_000);
    clock.block(12_000);
    await clock.advance(0);
    expect(waiting).toMatchObject({
      state: "rejected",
      error: { code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE" },
    });
    expect(endpoint.requests).toHaveLength(1);
  });

  test("a refused key whose replacement is looked for in vain holds nobody up", async () => {
    let readable: Promise<string> = Promise.resolve(apiKey);
    const { manager, endpoint, clock } = world({ grant: apiKeyGrant(() => readable) });
    endpoint.otherwise = failing(400);
    await failureOf(manager.getToken());
    readable = new Promise(() => {});
    await clock.advance(1_000);
    const waiting = watch(manager.getToken());
    const others = [watch(manager.getToken()), watch(manager.getToken())];
    await settle();
    for (const { error } of others) expect(error).toMatchObject({ status: 400 });
    await clock.advance(2_000);
    expect(waiting).toMatchObject({ state: "rejected", error: { status: 400 } });
    const leaving = new AbortController();
    const gone = watch(manager.getToken({ signal: leaving.signal }));
    await settle();
    leaving.abort(new Error("gone"));
    await settle();
    expect(gone).toMatchObject({ state: "rejected", error: new Error("gone") });
    await clock.advance(1_000);
    const last = watch(manager.getToken());
    await settle();
    await manager[Symbol.asyncDispose]();
    await settle();
    expect(last).toMatchObject({ state: "rejected", error: { code: "ERR_IAM_CONFIG" } });
    expect(endpoint.requests).toHaveLength(1);
  });

  test("a secret that never comes ends with the deadline", async () => {
    const { manager, clock } = world({ grant: apiKeyGrant(() => new Promise<string>(() => {})) });
    const waiting = watch(manager.getToken());
    await clock.advance(9_000);
    expect(waiting).toMatchObject({
      state: "rejected",
      error: {
        code: "ERR_IAM_CONFIG",
        retryable: true,
        message: "The grant apikey has no secret after 9 s: check what the function that gives it waits for.",
      },
    });
  });

  test("a secret that never comes makes no cool-down, and none that came late is sent", async () => {
    const given: ((secret: string) => void)[] = [];
    const secret = () => new Promise<string>((resolve) => given.push(resolve));
    const { manager, clock, endpoint } = world({ grant: apiKeyGrant(secret) });
    watch(manager.getToken());
    await clock.advance(9_000);
    const next = watch(manager.getToken());
    await clock.advance(0);
    for (const give of given) give(apiKey);
    await clock.advance(0);
    expect(next.state).toBe("resolved");
    expect([given, endpoint.requests]).toMatchObject([{ length: 2 }, { length: 1 }]);
  });

  test("the token endpoint is to blame when it gives no answer, however late the secret came", async () => {
    const grant = apiKeyGrant(
      () => new Promise((resolve) => clock.setTimer(() => resolve(apiKey), 8_000, { background: false })),
    );
    const { manager, clock, endpoint } = world({ grant });
    endpoint.otherwise = () => new Promise(() => {});
    const waiting = watch(manager.getToken());
    await clock.advance(9_000);
    expect(waiting).toMatchObject({ error: { code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE" } });
  });

  test("a grant that throws something of its own fails typed, without its message", async () => {
    const grant = { ...apiKeyGrant(apiKey), exchange: () => Promise.reject(new RangeError(`bad ${apiKey}`)) };
    const { manager } = world({ grant });
    const error = await failureOf(manager.getToken());
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG", cause: { name: "RangeError" } });
    expect(inspect(error, { depth: Infinity, showHidden: true })).not.toContain(apiKey);
  });

  test("token requests in any minute stay within the budget; beyond it the call fails and says why", async () => {
    const it = world({ maxTokenRequestsPerMinute: 5 });
    it.endpoint.otherwise = granting(1);
    const failures: unknown[] = [];
    for (let second = 0; second < 60; second++) {
      await it.manager.getToken().catch((error: unknown) => failures.push(error));
      await it.clock.advance(999);
    }
    expect(it.endpoint.requests.length).toBeLessThanOrEqual(5);
    expect(failures[0]).toMatchObject({ code: "ERR_IAM_TOKEN_REQUEST_BUDGET", retryable: true });
    expect(String(failures[0])).toContain("maxTokenRequestsPerMinute");
    await it.clock.advance(60_000);
    await it.manager.getToken();
  });

  test("beyond the budget the held token is served", async () => {
    const it = world({ maxTokenRequestsPerMinute: 1 });
    it.endpoint.otherwise = granting(40);
    const token = await it.manager.getToken();
    await it.clock.advance(35_000);
    expect(await it.manager.getToken()).toBe(token);
    await settle();
    expect(it.events.at(-1)).toMatchObject({
      type: "exchange_failed",
      error: { code: "ERR_IAM_TOKEN_REQUEST_BUDGET" },
      held: true,
    });
    expect(it.endpoint.requests).toHaveLength(1);
  });
});

test.for(["allowInsecure", "allowBrowser"])("%s is no text: every text would be taken for true", (name) => {
  const error = thrownBy(() => world({ [name]: "false" }));
  expect(error).toMatchObject({ code: "ERR_IAM_CONFIG", message: `${name} is no boolean.` });
});
