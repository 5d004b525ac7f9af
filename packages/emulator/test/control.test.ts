import { once } from "node:events";
import { request } from "node:http";
import { describe, expect, test } from "vitest";
import { askResource, askToken, basic, emulating, jsonOf, post, tokenOf } from "./emulating.ts";

async function controlled() {
  const emulator = await emulating({ control: true });
  const command = (name: string, body: unknown) =>
    fetch(`${emulator.url}/_emulator/${name}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const read = async (name: string) => jsonOf(await fetch(`${emulator.url}/_emulator/${name}`));
  return { emulator, command, read };
}

describe("control over HTTP", () => {
  test("does not exist unless it was asked for", async () => {
    const emulator = await emulating();
    expect((await fetch(`${emulator.url}/_emulator/state`)).status).toBe(404);
  });

  test.for([
    ["evil.example.com", false, 403],
    ["evil.example.com", true, 200],
    ["localhost", false, 200],
    ["[::1]", false, 200],
  ] as const)(
    "asked for by the name %s, where others may ask: %s, is answered %i",
    async ([name, allowRemote, status]) => {
      const { port } = await emulating({ control: true, allowRemote });
      const asked = request({
        port,
        host: "127.0.0.1",
        path: "/_emulator/state",
        headers: { host: `${name}:${port}` },
      });
      asked.end();
      const [answer] = await once(asked, "response");
      answer.resume();
      expect(answer.statusCode).toBe(status);
    },
  );

  test("queues faults and clears them", async () => {
    const { emulator, command } = await controlled();
    await command("faults", { fault: { kind: "status", status: 500 }, times: 2 });
    await command("faults", {
      fault: { kind: "throttle" },
      times: "forever",
      target: "resource",
      path: "/resource/a",
    });
    expect([(await askToken(emulator)).status, (await askToken(emulator)).status]).toEqual([500, 500]);
    const token = await tokenOf(emulator);
    expect((await askResource(`${emulator.url}/resource/a`, token)).status).toBe(429);
    expect((await askResource(`${emulator.url}/resource/b`, token)).status).toBe(200);
    await command("faults", { clear: "resource" });
    expect((await askResource(`${emulator.url}/resource/a`, token)).status).toBe(200);
    await command("faults", { fault: { kind: "throttle" } });
    await command("faults", { clear: true });
    expect((await askToken(emulator)).status).toBe(200);
  });

  test("turns the clock", async () => {
    const { emulator, command, read } = await controlled();
    expect(await jsonOf(await command("clock", { freeze: 1000 }))).toEqual({ now: 1000 });
    expect(await jsonOf(await command("clock", { advance: 500 }))).toEqual({ now: 1500 });
    expect(await read("clock")).toEqual({ now: 1500 });
    await command("clock", { set: 5000, resume: true });
    expect(emulator.clock.now()).toBeGreaterThanOrEqual(5000);
    await command("clock", { skew: 7_200_000 });
    expect(emulator.clock.now() - Date.now()).toBeGreaterThan(7_100_000);
    await command("clock", { reset: true });
    await command("clock", { freeze: true });
    expect(Math.abs(emulator.clock.now() - Date.now())).toBeLessThan(1000);
  });

  test("revokes tokens, rotates keys, changes API keys and settings", async () => {
    const { emulator, command } = await controlled();
    const [a, b, c] = [await emulator.issueToken(), await emulator.issueToken(), await emulator.issueToken()];
    expect(await jsonOf(await command("revoke", { token: a.value }))).toEqual({ revoked: 1 });
    expect(await jsonOf(await command("revoke", { jti: b.jti }))).toEqual({ revoked: 1 });
    expect(await jsonOf(await command("revoke", { all: true }))).toEqual({ revoked: 1 });
    expect((await askResource(emulator.url, c.value)).status).toBe(401);
    const { kid } = await jsonOf(await command("keys", { dropOld: true }));
    const { keys } = await jsonOf(await fetch(`${emulator.url}/identity/keys`));
    expect(keys).toEqual([expect.objectContaining({ kid })]);
    await command("api-keys", { disable: emulator.apiKey, add: "another" });
    expect((await jsonOf(await askToken(emulator))).errorCode).toBe("BXNIM0462E");
    expect(
      await jsonOf(await post(`${emulator.url}/identity/introspect`, { apikey: "another" })),
    ).toMatchObject({
      active: true,
    });
    await command("api-keys", { enable: emulator.apiKey, delete: "another" });
    expect(await jsonOf(await command("settings", { expiresInS: 5, accountValid: false }))).toEqual({
      expiresInS: 5,
      accountValid: false,
    });
    expect((await jsonOf(await askToken(emulator))).expires_in).toBe(5);
  });

  test("makes passcodes and ends sessions", async () => {
    const { emulator, command } = await controlled();
    const bx = basic("bx", "bx");
    const { passcode } = await jsonOf(await command("passcodes", {}));
    const fields = { grant_type: "urn:ibm:params:oauth:grant-type:passcode", passcode: String(passcode) };
    const { refresh_token } = await jsonOf(await post(emulator.url, fields, bx));
    await command("sessions", {});
    const refresh = { grant_type: "refresh_token", refresh_token: String(refresh_token) };
    expect((await jsonOf(await post(emulator.url, refresh, bx))).errorCode).toBe("BXNIM0439E");
    expect((await command("passcodes", { username: "nobody@example.com" })).status).toBe(400);
  });

  test("shows the state without secrets, and forgets it", async () => {
    const { emulator, command, read } = await controlled();
    await askToken(emulator);
    const state = await read("state");
    expect(state).toMatchObject({
      counters: { grants: 1 },
      log: [{ status: 200 }],
      settings: { expiresInS: 3600 },
    });
    expect(JSON.stringify(state)).not.toContain(emulator.apiKey);
    await command("reset", {});
    expect(await read("state")).toMatchObject({ counters: { grants: 0 }, log: [] });
  });

  test.for<[string, unknown, string]>([
    ["faults", {}, "a fault is an object with a kind"],
    ["faults", { fault: { kind: "hold", until: {} } }, 'until of "hold" is a promise'],
    ["faults", { fault: { kind: "reset" }, target: "tokn" }, "target is one of token, resource,"],
    ["faults", { fault: { kind: "reset" }, times: "3" }, 'times is a number, 1 or more, or "forever"'],
    ["faults", { fault: { kind: "reset" }, path: "resource" }, "path begins with a slash"],
    ["faults", { fault: { kind: "reset" }, time: 3 }, "there is no time; it takes fault, times,"],
    ["faults", { clear: "tokn" }, "clear is true, or one of token,"],
    ["clock", { advance: "3600000" }, "advance must be a number"],
    ["clock", { advnce: 3_600_000 }, "there is no advnce; it takes set, advance,"],
    ["settings", { expiresInS: "90" }, "expiresInS must be a number"],
    ["settings", { expiresIn: 90 }, "there is no expiresIn;"],
    ["keys", { dropOld: "yes" }, "dropOld must be a boolean"],
    ["api-keys", { ad: "key" }, "there is no ad;"],
    ["reset", { all: true }, "there is no all; it takes nothing"],
  ])("says of %s %j what is wrong, and does nothing", async ([name, body, words]) => {
    const { emulator, command, read } = await controlled();
    emulator.clock.freeze(1000);
    emulator.fault({ kind: "status", status: 503 }, { target: "resource" });
    const { settings } = await read("state");
    const response = await command(name, body);
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).error).toContain(words);
    expect(await read("state")).toMatchObject({ now: 1000, settings });
    expect((await askToken(emulator)).status).toBe(200);
    expect((await askResource(emulator.url, await tokenOf(emulator))).status).toBe(503);
  });

  test("refuses what makes no sense, and what a page's plain form could send", async () => {
    const { emulator, command } = await controlled();
    expect((await command("faults", { fault: { kind: "nonsense" } })).status).toBe(400);
    expect((await command("faults", [])).status).toBe(400);
    expect((await command("clock", { set: 1e300 })).status).toBe(400);
    expect((await command("revoke", {})).status).toBe(400);
    expect((await command("api-keys", { disable: "unknown" })).status).toBe(400);
    expect((await command("nothing", {})).status).toBe(404);
    expect((await command("state", {})).status).toBe(405);
    expect((await fetch(`${emulator.url}/_emulator/reset`)).status).toBe(405);
    expect((await post(`${emulator.url}/_emulator/reset`, {})).status).toBe(415);
  });
});

describe("CORS", () => {
  test("is absent by default, as at IAM", async () => {
    const response = await askToken(await emulating());
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
  });

  test("lets pages call everything when asked for, with Authorization", async () => {
    const emulator = await emulating({ cors: true });
    const preflight = await fetch(`${emulator.url}/resource`, {
      method: "OPTIONS",
      headers: {
        "access-control-request-method": "PUT",
        "access-control-request-headers": "authorization,x-a",
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")).toBe("authorization,x-a");
    expect(preflight.headers.get("access-control-allow-methods")).toBe("PUT");
    expect((await askToken(emulator)).headers.get("access-control-allow-origin")).toBe("*");
    emulator.fault({ kind: "throttle", retryAfter: 1 });
    expect((await askToken(emulator)).headers.get("access-control-expose-headers")).toBe("*");
  });
});
