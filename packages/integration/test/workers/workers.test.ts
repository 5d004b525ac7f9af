import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { bundledWorker, startIsolate } from "../isolate.ts";

let script = "";
beforeAll(async () => {
  script = await bundledWorker(join(import.meta.dirname, "worker.ts"));
});

async function isolate(compatibilityDate: string) {
  const isolate = await startIsolate(script, { compatibilityDate });
  const ask = async (path: string) => {
    const response = await isolate.worker.dispatchFetch(`http://worker.test${path}`);
    const text = await response.text();
    return {
      status: response.status,
      value: text.startsWith("Error") || text.startsWith("<") ? text : (JSON.parse(text) as unknown),
    };
  };
  return Object.assign(isolate, { ask });
}

/** What holds an answer back until it is opened. */
function gateway() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

// Before and after the runtime learnt to resolve a promise in the request that waits for it.
describe.for(["2024-01-01", "2026-07-01"])("workerd with compatibility date %s", (date) => {
  test("an exchange that dies with its request never poisons the isolate: callers recover with one more grant", {
    timeout: 30_000,
  }, async () => {
    await using it = await isolate(date);
    const gate = gateway();
    it.emulator.fault({ kind: "hold", until: gate.opened });
    expect(await it.ask("/leave")).toEqual({ status: 200, value: "left" });
    await it.emulator.until(({ tokenRequests }) => tokenRequests === 1);
    const answers = await Promise.all(Array.from({ length: 20 }, () => it.ask("/get")));
    expect(answers).toEqual(Array.from({ length: 20 }, () => ({ status: 200, value: "Bearer" })));
    expect(it.emulator.counters.tokenRequests).toBeLessThanOrEqual(3);
    gate.open();
    expect(await it.ask("/get")).toEqual({ status: 200, value: "Bearer" });
    expect(it.emulator.counters.tokenRequests).toBeLessThanOrEqual(3);
  });

  test("50 concurrent requests to a cold isolate share one grant, and reach the resource", {
    timeout: 30_000,
  }, async () => {
    await using it = await isolate(date);
    const answers = await Promise.all(Array.from({ length: 50 }, () => it.ask("/resource")));
    expect(answers.every(({ value }) => value === 200)).toBe(true);
    expect(it.emulator.counters.grants).toBe(1);
  });

  test("a refresh in the background completes when it is given the request's waitUntil", {
    timeout: 30_000,
  }, async () => {
    await using it = await isolate(date);
    await it.ask("/get");
    await it.ask("/ahead?ms=3200000");
    expect(await it.ask("/fresh")).toEqual({ status: 200, value: false });
    it.emulator.fault({ kind: "delay", ms: 200 });
    expect(await it.ask("/refresh")).toEqual({ status: 200, value: "Bearer" });
    await it.emulator.until(({ grants }) => grants === 2);
    await expect.poll(async () => (await it.ask("/fresh")).value).toBe(true);
    expect(it.emulator.counters.grants).toBe(2);
  });

  test("a refresh in the background that dies with its request costs nobody anything, and is begun again", {
    timeout: 40_000,
  }, async () => {
    await using it = await isolate(date);
    await it.ask("/get");
    await it.ask("/ahead?ms=3200000");
    const gate = gateway();
    it.emulator.fault({ kind: "hold", until: gate.opened });
    expect(await it.ask("/leave")).toEqual({ status: 200, value: "left" });
    await it.emulator.until(({ tokenRequests }) => tokenRequests === 2);
    gate.open();
    // The held token is served all the while; past the deadline of the dead exchange another is begun.
    const served = async () => (await it.ask("/refresh")).value;
    await expect
      .poll(
        async () => [await served(), it.emulator.counters.grants >= 2 && (await it.ask("/fresh")).value],
        { timeout: 20_000, interval: 250 },
      )
      .toEqual(["Bearer", true]);
    expect(it.emulator.counters.tokenRequests).toBeLessThanOrEqual(3);
  });

  test.for([
    ["fetch", "/resource", 401],
    ["ky", "/ky", 401],
    ["axios", "/axios", expect.objectContaining({ status: 401 })],
  ] as const)(
    "a redirect of %s to another origin carries no token",
    {
      timeout: 30_000,
    },
    async ([, path, value]) => {
      await using it = await isolate(date);
      const other = await it.emulator.listen();
      it.emulator.fault(
        { kind: "redirect", location: `${other.url}/resource/elsewhere`, status: 307 },
        { target: "resource" },
      );
      expect(await it.ask(path)).toEqual({ status: 200, value });
      const elsewhere = it.emulator.log.filter(({ path }) => path === "/resource/elsewhere");
      expect(elsewhere).toMatchObject([{ authorization: undefined }]);
    },
  );

  test.for([
    [307, { method: "POST", body: "text" }],
    [302, { method: "GET", body: "" }],
  ] as const)(
    "axios follows a redirect (%i) on its own origin, with the token",
    {
      timeout: 30_000,
    },
    async ([status, sent]) => {
      await using it = await isolate(date);
      it.emulator.fault({ kind: "redirect", location: "/resource/there", status }, { target: "resource" });
      const asked = `${it.emulator.url}/resource?a=1`;
      const answered = `${it.emulator.url}/resource/there`;
      expect(await it.ask("/axios")).toEqual({
        status: 200,
        value: { status: 200, ...sent, asked, answered },
      });
    },
  );

  test.for([
    [307, { method: "POST", body: "text", path: "/resource/there" }],
    [303, { method: "GET", body: "", path: "/resource/there" }],
  ] as const)("a Request is sent on by a redirect (%i)", { timeout: 30_000 }, async ([status, value]) => {
    await using it = await isolate(date);
    it.emulator.fault({ kind: "redirect", location: "/resource/there", status }, { target: "resource" });
    expect(await it.ask("/request")).toMatchObject({ status: 200, value });
  });
});

test("with an old compatibility date the platform's own redirects do carry the token to another origin", {
  timeout: 30_000,
}, async () => {
  await using it = await isolate("2024-01-01");
  const other = await it.emulator.listen();
  it.emulator.fault(
    { kind: "redirect", location: `${other.url}/resource/elsewhere`, status: 307 },
    { target: "resource" },
  );
  expect(await it.ask("/platform")).toEqual({ status: 200, value: 200 });
  expect(it.emulator.log.at(-1)).toMatchObject({
    path: "/resource/elsewhere",
    authorization: { scheme: "Bearer" },
  });
});

test("a plain promise kept in the module does fail there: this is what the rest of this file is about", {
  timeout: 60_000,
}, async () => {
  // Nothing is wrong with it as long as the request that began it lasts.
  await using whole = await isolate("2026-07-01");
  for (let asked = 0; asked < 2; asked++)
    expect(await whole.ask("/by-hand/get")).toEqual({ status: 200, value: expect.any(Number) });

  await using it = await isolate("2026-07-01");
  const gate = gateway();
  it.emulator.fault({ kind: "hold", until: gate.opened });
  await it.ask("/by-hand/leave");
  await it.emulator.until(({ tokenRequests }) => tokenRequests === 1);
  gate.open();
  const later = it.ask("/by-hand/get").catch((error: unknown) => ({ status: 500, value: String(error) }));
  const outcome = await Promise.race([
    later,
    new Promise((resolve) => setTimeout(resolve, 5_000, { status: "hung" })),
  ]);
  expect(outcome).not.toMatchObject({ status: 200 });
});
