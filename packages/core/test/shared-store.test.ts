import { describe, expect, test } from "vitest";
import {
  apiKeyGrant,
  createTokenManager,
  type Grant,
  memoryStore,
  sharedStore,
  type TokenManager,
  type TokenManagerEvent,
  tokenResponse,
} from "../src/index.ts";
import { apiKey, createFleet, failing, unreachable } from "./fleet.ts";
import { settle } from "./settle-ciphering.ts";
import { virtualClock, watch } from "./virtual-world.ts";

const pepper = crypto.getRandomValues(new Uint8Array(32));

describe("one exchange for everybody", () => {
  test("a second process takes the token of the first, and makes no token request", async () => {
    const fleet = createFleet();
    const [one, two] = [fleet.process(), fleet.process()];
    const first = await one.getToken();
    await fleet.clock.advance(600_000);
    const second = await two.getToken();
    expect(second.accessToken).toBe(first.accessToken);
    expect(second.expiresAt).toBe(first.expiresAt);
    expect(fleet.requests).toHaveLength(1);
    expect(fleet.events.filter(({ type }) => type === "exchange_succeeded")).toMatchObject([
      { shared: false },
      { shared: true },
    ]);
  });

  test("100 processes that start at once make one grant, and wait no longer than it and the next poll", async () => {
    const fleet = createFleet();
    fleet.latencyMs = 400;
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, () => fleet.process())
        .map((manager) => manager.getToken())
        .map((token) => fleet.within(5_000, token)),
    );
    expect(fleet.requests).toHaveLength(1);
    expect(new Set(outcomes.map(({ value }) => value?.accessToken))).toEqual(new Set(["token-1"]));
    expect(Math.max(...outcomes.map(({ tookMs }) => tookMs))).toBeLessThanOrEqual(400 + 250);
  });

  test("a process takes the token that is past its refresh point rather than wait, and refreshes it beside", async () => {
    const fleet = createFleet();
    await fleet.process().getToken();
    await fleet.clock.advance(3_500_000);
    const late = fleet.process();
    expect((await late.getToken()).accessToken).toBe("token-1");
    expect((await late.getToken()).accessToken).toBe("token-1");
    await settle();
    expect((await late.getToken()).accessToken).toBe("token-2");
    expect(fleet.requests).toHaveLength(2);
  });

  test("an expired token is not served, whatever the store still has", async () => {
    const fleet = createFleet();
    await fleet.process().getToken();
    await fleet.clock.advance(3_590_000);
    expect((await fleet.process().getToken()).accessToken).toBe("token-2");
  });

  test("what differs in key, client, scope or endpoint shares nothing", async () => {
    const fleet = createFleet();
    const grants = [
      apiKeyGrant(apiKey),
      apiKeyGrant(`${apiKey}x`),
      apiKeyGrant(apiKey, { scope: "a" }),
      apiKeyGrant(apiKey, { clientId: "a", clientSecret: "b" }),
    ];
    const tokens = new Set<string>();
    for (const grant of grants) tokens.add((await fleet.process({ grant }).getToken()).accessToken);
    tokens.add(
      (await fleet.process({ tokenEndpoint: "https://other.example/token" }).getToken()).accessToken,
    );
    expect(tokens.size).toBe(5);
  });

  test("a rotated secret makes old entries misses", async () => {
    const fleet = createFleet();
    let key = apiKey;
    const process = () => fleet.process({ grant: apiKeyGrant(() => key) });
    await process().getToken();
    key = `${apiKey}-rotated`;
    expect((await process().getToken()).accessToken).toBe("token-2");
    key = apiKey;
    expect((await process().getToken()).accessToken).toBe("token-1");
  });

  test("the secret is read once for each exchange", async () => {
    const fleet = createFleet();
    let reads = 0;
    const grant = apiKeyGrant(() => {
      reads++;
      return apiKey;
    });
    await fleet.process({ grant }).getToken();
    expect(reads).toBe(1);
  });

  test("a secret that cannot be read is no fault of store or endpoint: the next call works", async () => {
    const fleet = createFleet();
    let broken = true;
    const grant = apiKeyGrant(() => {
      if (broken) throw new Error("vault");
      return apiKey;
    });
    const manager = fleet.process({ grant });
    await expect(manager.getToken()).rejects.toMatchObject({ code: "ERR_IAM_CONFIG", retryable: true });
    broken = false;
    await expect(manager.getToken()).resolves.toBeDefined();
    expect(fleet.broken.entries).toHaveLength(1);
  });
});

test("a secret that never comes is given up at the deadline, as without a store, and leaves no timer behind", async () => {
  const fleet = createFleet();
  const manager = fleet.process({ grant: apiKeyGrant(() => new Promise<string>(() => {})) });
  const { error, tookMs } = await fleet.within(20_000, manager.getToken());
  expect(error).toMatchObject({
    code: "ERR_IAM_CONFIG",
    retryable: true,
    message: "The grant apikey has no secret after 9 s: check what the function that gives it waits for.",
  });
  expect(tookMs).toBe(9_000);
  expect(fleet.clock.waiting()).toBe(0);
});

describe("refreshing", () => {
  /** Two processes that hold the same token, past the refresh point. */
  async function expiring() {
    const fleet = createFleet();
    const [one, two] = [fleet.process(), fleet.process()];
    await one.getToken();
    await two.getToken();
    await fleet.clock.advance(2_900_000);
    return { fleet, one, two };
  }

  test("the refresh point is drawn once for all, and each process adds a delay of its own", async () => {
    const fleet = createFleet();
    const began: number[][] = [];
    const managers: TokenManager[] = [];
    for (const random of [0.2, 0.9]) {
      const at: number[] = [];
      fleet.random = random;
      const onEvent = (event: TokenManagerEvent) => {
        if (event.type === "exchange_started" && event.reason === "expiring")
          at.push(fleet.clock.monotonicNow() - 5_000);
      };
      managers.push(fleet.process({ onEvent }));
      began.push(at);
      await managers.at(-1)?.getToken();
    }
    for (let s = 1; s <= 2_900; s++) {
      await fleet.clock.advance(1_000);
      for (const manager of managers) await manager.getToken();
    }
    // Usable for 3,590 s. Drawn: 0.7 + 0.15 * 0.2; own: 0.05 * 0.2 and 0.05 * 0.9.
    expect(began).toEqual([[2_657_000], [2_783_000]]);
    expect(fleet.requests).toHaveLength(2);
  });

  test("one refreshes; the other goes on with what it holds, looks again, and takes the new token", async () => {
    const { fleet, one, two } = await expiring();
    fleet.latencyMs = 400;
    expect((await one.getToken()).accessToken).toBe("token-1");
    await fleet.clock.advance(10);
    expect((await two.getToken()).accessToken).toBe("token-1");
    await fleet.clock.advance(2_000);
    expect((await two.getToken()).accessToken).toBe("token-1");
    await settle();
    expect((await two.getToken()).accessToken).toBe("token-2");
    expect((await one.getToken()).accessToken).toBe("token-2");
    expect(fleet.requests).toHaveLength(2);
  });

  test("the store is read again before any exchange: a token that came meanwhile is taken", async () => {
    const { fleet, one, two } = await expiring();
    await one.getToken();
    await settle();
    expect(fleet.requests).toHaveLength(2);
    await two.getToken();
    await settle();
    expect((await two.getToken()).accessToken).toBe("token-2");
    expect(fleet.requests).toHaveLength(2);
  });

  test("through a slow store costs one grant too: nobody waits, so each call may take as long as all may otherwise", async () => {
    const fleet = createFleet({ expiresIn: 60 });
    const managers = Array.from({ length: 4 }, () => fleet.process());
    for (const manager of managers) await manager.getToken();
    fleet.broken.fault = { delayMs: 100 };
    await fleet.clock.advance(45_000);
    for (let s = 0; s < 10; s += 0.5) {
      for (const manager of managers) {
        const { value, tookMs } = await fleet.within(1_000, manager.getToken());
        expect(value).toBeDefined();
        expect(tookMs).toBe(0);
      }
      await fleet.clock.advance(500);
    }
    expect(fleet.requests).toHaveLength(2);
    for (const manager of managers) expect((await manager.getToken()).accessToken).toBe("token-2");
  });

  test("nobody's request waits or fails while the token endpoint is down and the token is good", async () => {
    const { fleet, one, two } = await expiring();
    fleet.answer = failing(503);
    for (let s = 0; s < 60; s++) {
      for (const manager of [one, two]) expect((await manager.getToken()).accessToken).toBe("token-1");
      await fleet.clock.advance(1_000);
    }
    fleet.answer = fleet.granting;
    await fleet.clock.advance(40_000);
    await one.getToken();
    await settle();
    expect((await one.getToken()).accessToken).toBe("token-2");
  });
});

describe("a token that a server rejected", () => {
  test("is replaced once by the fleet", async () => {
    const fleet = createFleet();
    const managers = Array.from({ length: 10 }, () => fleet.process());
    const tokens = await Promise.all(managers.map((manager) => fleet.within(1_000, manager.getToken())));
    expect(fleet.requests).toHaveLength(1);
    const replaced = await Promise.all(
      managers.map((manager, at) =>
        fleet.within(2_000, manager.getToken({ rejected: tokens[at]?.value, origin: "https://a.example" })),
      ),
    );
    expect(new Set(replaced.map(({ value }) => value?.accessToken))).toEqual(new Set(["token-2"]));
    expect(fleet.requests).toHaveLength(2);
  });

  test("is not taken from the store again, and a late rejection does not remove the newer one", async () => {
    const fleet = createFleet();
    const [one, two] = [fleet.process(), fleet.process()];
    const rejected = await one.getToken();
    await two.getToken();
    await one.getToken({ rejected });
    await fleet.clock.advance(60_000);
    expect((await two.getToken({ rejected })).accessToken).toBe("token-2");
    expect((await fleet.process().getToken()).accessToken).toBe("token-2");
    expect(fleet.requests).toHaveLength(2);
  });

  test("does not come back from a store that answers with the past", async () => {
    const fleet = createFleet();
    const manager = fleet.process();
    const rejected = await manager.getToken();
    const past = await fleet.broken.store.get(fleet.broken.entries[0]?.key ?? "");
    fleet.broken.fault = { answer: past };
    expect((await manager.getToken({ rejected })).accessToken).toBe("token-2");
  });

  test("is replaced within half a minute, whatever collection of the past a store brings back", async () => {
    const fleet = createFleet();
    const origin = "https://a.example";
    const one = fleet.process();
    let old = await one.getToken();
    const past = new Set([old.accessToken]);
    while (past.size < 12) {
      await fleet.clock.advance(600_000);
      old = await one.getToken({ rejected: old });
      past.add(old.accessToken);
    }
    const tokenKey = fleet.broken.entries[0]?.key;
    const entries = fleet.broken.entries.filter(({ key }) => key === tokenKey);
    expect(entries).toHaveLength(12);
    await fleet.clock.advance(600_000);
    let reads = 0;
    fleet.broken.fault = {
      get answer() {
        return { entry: entries[reads++ % 12]?.entry, ttlMs: 3_600_000 };
      },
    };
    const victim = fleet.process();
    const from = fleet.clock.monotonicNow();
    for (;;) {
      const asked = fleet.within(5_000, victim.getToken());
      const { value: token } = await asked;
      if (token !== undefined && !past.has(token.accessToken)) break;
      await fleet.within(5_000, victim.getToken({ rejected: token, origin }));
      await fleet.clock.advance(1_000);
      expect(fleet.clock.monotonicNow() - from).toBeLessThanOrEqual(30_000);
    }
  });

  test("stays in the store when there is nothing to replace it with: for other origins it may be good", async () => {
    const fleet = createFleet();
    const manager = fleet.process();
    const rejected = await manager.getToken();
    fleet.answer = unreachable;
    // Nor does this process let go of it: it is held again when its replacement met no answer.
    expect((await manager.getToken({ rejected })).accessToken).toBe("token-1");
    expect((await fleet.process().getToken()).accessToken).toBe("token-1");
  });
});

describe("more remaining life than the shared token has", () => {
  test("makes an exchange of one's own, and the others take that one", async () => {
    const fleet = createFleet();
    await fleet.process().getToken();
    await fleet.clock.advance(1_200_000);
    const manager = fleet.process();
    expect((await manager.getToken({ minValidityMs: 3_000_000 })).accessToken).toBe("token-2");
    expect((await fleet.process().getToken({ minValidityMs: 3_000_000 })).accessToken).toBe("token-2");
    expect(fleet.requests).toHaveLength(2);
    await expect(manager.getToken({ minValidityMs: 3_600_001 })).rejects.toMatchObject({
      code: "ERR_IAM_CONFIG",
    });
  });
});

const faults = {
  "takes a second for each answer": { delayMs: 1_000 },
  "never answers": { hangs: true },
  "cannot be reached": { error: Object.assign(new Error("x"), { code: "ECONNREFUSED" }) },
  "is full": { error: Object.assign(new Error("OOM command not allowed"), { name: "ReplyError" }) },
  "answers with a number": { answer: 42 },
  "answers with entries that are no text": { answer: { entry: 5, ttlMs: 1000 } },
  "answers with megabytes": { answer: { entry: "A".repeat(2 ** 21 + 1), ttlMs: 1000 } },
  "answers with a lifetime that is none": { answer: { entry: "x", ttlMs: "soon" } },
} as const;

describe.for(Object.entries(faults))("a store that %s", ([, fault]) => {
  test("costs a request 150 ms at most, is told of, and is left alone for a while", async () => {
    const fleet = createFleet();
    fleet.broken.fault = fault;
    const sharing = fleet.process();
    const { value, tookMs } = await fleet.within(2_000, sharing.getToken());
    expect(value?.accessToken).toBe("token-1");
    expect(tookMs).toBeLessThanOrEqual(155);
    expect(fleet.events.filter(({ type }) => type === "store_failed")).toMatchObject([{ pauseMs: 100 }]);
  });

  test("does not keep a token that is due from being refreshed in time", async () => {
    const fleet = createFleet({ expiresIn: 60 });
    const manager = fleet.process();
    await manager.getToken();
    fleet.broken.fault = fault;
    for (let s = 0; s < 300; s++) {
      const { value, tookMs } = await fleet.within(1_000, manager.getToken());
      expect(value).toBeDefined();
      expect(tookMs).toBe(0);
      await fleet.clock.advance(1_000);
    }
    expect(fleet.requests.length).toBeLessThanOrEqual(8);
  });
});

test("an exchange whose deadline passed while its process stood still asks nobody after a store that is slow", async () => {
  const fleet = createFleet();
  const clock = virtualClock();
  fleet.broken.fault = { hangs: true };
  const outcome = watch(fleet.process({ clock }).getToken());
  await settle();
  clock.block(10_000);
  await clock.advance(200);
  expect(outcome.error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE" });
  expect(fleet.requests).toHaveLength(0);
});

test("a store that fails is left alone for a tenth of a second, then for twice as long, up to half a minute", async () => {
  const fleet = createFleet({ expiresIn: 1 });
  fleet.broken.fault = { error: new Error("down") };
  // One guard for all managers of a store.
  const managers = Array.from({ length: 200 }, () => fleet.process());
  const store = fleet.process();
  for (let i = 0; i < 400; i++) {
    await fleet.within(1_000, store.getToken()).catch(() => {});
    await fleet.clock.advance(1_000);
  }
  const pauses = fleet.events.flatMap((event) => (event.type === "store_failed" ? [event.pauseMs] : []));
  expect(managers).toHaveLength(200);
  expect(pauses.slice(0, 11)).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
});

test("a store that is left alone is asked nothing, by any manager on it; once it works again a failure counts as the first", async () => {
  const fleet = createFleet({ expiresIn: 1 });
  const store = sharedStore(fleet.broken.store);
  const [one, two] = [fleet.process({ store }), fleet.process({ store })];
  const down = { error: new Error("down") };
  fleet.broken.fault = down;
  await one.getToken();
  const asked = fleet.broken.calls.get;
  await two.getToken();
  expect(fleet.broken.calls.get).toBe(asked);
  fleet.broken.fault = {};
  await fleet.clock.advance(1_000);
  await one.getToken();
  expect(fleet.broken.calls.get).toBeGreaterThan(asked);
  fleet.broken.fault = down;
  await fleet.clock.advance(1_000);
  await one.getToken();
  const pauses = fleet.events.flatMap((event) => (event.type === "store_failed" ? [event.pauseMs] : []));
  expect(pauses).toEqual([100, 100]);
});

test("a token that stays because the store has failed is no new one: an origin that refused two stays on hold", async () => {
  const fleet = createFleet();
  const manager = fleet.process();
  const origin = "https://always-401.example";
  const first = await manager.getToken();
  const second = await manager.getToken({ rejected: first, origin });
  await fleet.clock.advance(2_900_000);
  fleet.broken.fault = { error: new Error("down") };
  await manager.getToken();
  await settle();
  await manager.getToken({ rejected: second, origin });
  expect(fleet.events).toContainEqual({ type: "token_rejected", origin, outcome: "origin_on_hold" });
  expect(fleet.requests).toHaveLength(2);
});

describe("which grants may be shared", () => {
  const grant = (more: Partial<Grant>): Grant => ({
    kind: "test",
    identity: () => ({ profile: "reader" }),
    secret: () => "hunter2",
    retry: "safe",
    exchange: ({ send, tokenEndpoint }) => send({ method: "POST", url: tokenEndpoint, headers: {} }),
    ...more,
  });
  const open = sharedStore(memoryStore());
  const peppered = sharedStore(memoryStore(), { pepper });
  const refusing = { code: "ERR_IAM_CONFIG" };

  test("one whose secret is random, without a pepper", () => {
    expect(() => createTokenManager({ grant: apiKeyGrant(apiKey), store: open })).not.toThrow();
  });

  test("any other takes a pepper", () => {
    for (const sharing of [{}, { sharing: "identity" }] as const) {
      expect(() => createTokenManager({ grant: grant(sharing), store: open })).toThrow(/needs a pepper/);
      expect(() => createTokenManager({ grant: grant(sharing), store: peppered })).not.toThrow();
    }
  });

  test("not one that wants more than the access token", () => {
    const config = { grant: grant({ sharing: "never" }), store: peppered };
    expect(() => createTokenManager(config)).toThrow(/cannot be shared/);
  });

  test("not by an identity that says nothing: the token would be everybody's", () => {
    for (const more of [{ sharing: "identity" as const }, { secret: undefined }]) {
      const { secret, ...rest } = grant({ identity: () => ({}) });
      const nameless = { ...rest, ...("secret" in more ? {} : { secret, ...more }) } as Grant;
      expect(() => createTokenManager({ grant: nameless, store: peppered })).toThrow(/everybody's/);
    }
  });

  test("a field of the identity without a value is none, and one that is no text is told of", async () => {
    const fleet = createFleet({ pepper });
    const process = (identity: Record<string, unknown>) =>
      fleet.process({ grant: grant({ identity: () => identity as never }) });
    await process({ user: "u" }).getToken();
    await process({ user: "u", scope: undefined }).getToken();
    expect(fleet.requests).toHaveLength(1);
    for (const account of [5, null, ["a"]])
      await expect(process({ account }).getToken()).rejects.toMatchObject({
        code: "ERR_IAM_CONFIG",
        message: expect.stringContaining("see account"),
      });
  });

  test("who knows a user's name but not the password gets nothing", async () => {
    const fleet = createFleet({ pepper });
    const named = (secret: string) => grant({ identity: () => ({ username: "ada" }), secret: () => secret });
    await fleet.process({ grant: named("right") }).getToken();
    expect((await fleet.process({ grant: named("wrong") }).getToken()).accessToken).toBe("token-2");
    expect((await fleet.process({ grant: named("right") }).getToken()).accessToken).toBe("token-1");
  });

  test("a secret that changes by itself is shared by its identity", async () => {
    const fleet = createFleet({ pepper });
    const of = (secret: string) =>
      fleet.process({ grant: grant({ sharing: "identity", secret: () => secret }) });
    await of("cr-token-1").getToken();
    expect((await of("cr-token-2").getToken()).accessToken).toBe("token-1");
  });

  test.for([
    ["Uint8Array", new Uint8Array(pepper)],
    ["Buffer", Buffer.from(pepper)],
  ] as const)("a %s that is wiped after it was given has done its work", async ([, own]) => {
    const fleet = createFleet({ pepper });
    await fleet.process({ grant: grant({}) }).getToken();
    const store = sharedStore(fleet.broken.store, { pepper: own });
    own.fill(0);
    await fleet.process({ grant: grant({}), store }).getToken();
    expect(fleet.requests).toHaveLength(1);
  });

  test("those without the pepper find nothing", async () => {
    const fleet = createFleet({ pepper });
    await fleet.process({ grant: grant({}) }).getToken();
    const other = crypto.getRandomValues(new Uint8Array(32));
    const stranger = fleet.process({ grant: grant({}), sharing: { pepper: other } });
    expect((await stranger.getToken()).accessToken).toBe("token-2");
  });

  test("the refusal of one secret is not told to those who share its identity but not the secret", async () => {
    const fleet = createFleet({ pepper });
    const of = () => fleet.process({ grant: grant({ sharing: "identity" }) });
    fleet.answer = failing(400);
    await fleet.within(100, of().getToken());
    fleet.answer = fleet.granting;
    expect((await of().getToken()).accessToken).toBe("token-1");
  });

  test.for([
    ["short", new Uint8Array(31).map((_, at) => at)],
    ["never filled", new Uint8Array(64)],
    ["a text of digits", new TextEncoder().encode("0123456789".repeat(6))],
    ["no bytes", "x".repeat(64)],
  ] as const)("a pepper that is %s is refused", ([, value]) => {
    expect(() => sharedStore(memoryStore(), { pepper: value as Uint8Array })).toThrow(
      expect.objectContaining(refusing),
    );
  });

  test.for([undefined, {}, { get() {} }])("what is no store is refused: %o", (store) => {
    expect(() => sharedStore(store as never)).toThrow(/needs a token store/);
  });

  test("a store that was not made with sharedStore is refused", () => {
    const store = memoryStore() as never;
    expect(() => createTokenManager({ grant: apiKeyGrant(apiKey), store })).toThrow(/sharedStore/);
  });

  test.for([
    { timeoutMs: 0 },
    { timeoutMs: Number.NaN },
    { timeoutMs: "150" },
    { timeoutMs: null },
    { waitMs: -1 },
    { waitMs: 2 ** 31 },
  ])("%o is refused", (options) => {
    expect(() => sharedStore(memoryStore(), options as never)).toThrow(/must be a number/);
  });

  test("options that are null are refused", () => {
    expect(() => sharedStore(memoryStore(), null as never)).toThrow(
      /^sharedStore needs an object of options/,
    );
  });
});

test("a refresh token is never stored, and stays with the process that has it", async () => {
  const fleet = createFleet({ pepper });
  let previous: string | undefined;
  const grant: Grant = {
    kind: "test",
    identity: () => ({ username: "ada" }),
    secret: () => "hunter2",
    retry: "safe",
    exchange: async (context) => {
      previous = context.previous?.refreshToken;
      return context.send({ method: "POST", url: context.tokenEndpoint, headers: {} });
    },
  };
  let count = 0;
  fleet.answer = () =>
    tokenResponse({
      status: 200,
      body: JSON.stringify({
        access_token: `t${++count}`,
        refresh_token: `refresh-${count}`,
        expires_in: 60,
      }),
    });
  const [one, two] = [fleet.process({ grant }), fleet.process({ grant })];
  expect((await one.getToken()).refreshToken).toBe("refresh-1");
  expect((await two.getToken()).refreshToken).toBeUndefined();
  await fleet.clock.advance(60_000);
  await two.getToken();
  expect(previous).toBeUndefined();
  expect((await one.getToken()).accessToken).toBe("t2");
  await fleet.clock.advance(60_000);
  await one.getToken();
  expect(previous).toBe("refresh-1");
});

test("a token without a lifetime is not shared: nobody could tell how old it is", async () => {
  const fleet = createFleet();
  fleet.answer = () => tokenResponse({ status: 200, body: '{"access_token":"abc"}' });
  await fleet.process().getToken();
  expect(fleet.broken.entries).toHaveLength(0);
});

test("disposing of a manager that waits for another process ends its callers at once", async () => {
  const fleet = createFleet();
  fleet.latencyMs = 1_000;
  void fleet.process().getToken();
  await fleet.clock.advance(10);
  const manager = fleet.process();
  const waiting = fleet.within(200, manager.getToken());
  await settle();
  await manager[Symbol.asyncDispose]();
  expect((await waiting).error).toMatchObject({ code: "ERR_IAM_CONFIG" });
});
