import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { bundledWorker, startIsolate } from "../isolate.ts";

let script = "";
beforeAll(async () => {
  script = await bundledWorker(join(import.meta.dirname, "worker.ts"));
});

async function isolate(compatibilityDate: string) {
  const isolate = await startIsolate(script, { compatibilityDate });
  return Object.assign(isolate, {
    async ask(path: string, token = "") {
      const headers = { authorization: `Bearer ${token}` };
      const response = await isolate.worker.dispatchFetch(`http://worker.test${path}`, { headers });
      return response.json();
    },
    token: async (claims = {}) => (await isolate.emulator.issueToken({ claims })).value,
  });
}

describe.for(["2024-01-01", "2026-07-01"])("workerd with compatibility date %s", (date) => {
  test("verifies tokens, refuses bad ones, survives a rotation, and asks for keys twice for all of it", {
    timeout: 30_000,
  }, async () => {
    await using it = await isolate(date);
    const token = await it.token();
    const answers = await Promise.all(Array.from({ length: 20 }, () => it.ask("/", token)));
    expect(new Set(answers)).toEqual(new Set(["IBMid-270000EMUL"]));
    expect(it.emulator.counters.jwksRequests).toBe(1);
    expect(await it.ask("/", token.replace(/.{4}$/, "AAAA"))).toBe("signature");
    expect(await it.ask("/", `${token}=`)).toBe("encoding");
    expect(await it.ask("/", `${token}!`)).toBe("encoding");
    expect(await it.ask("/", await it.token({ iss: "https://mallory.example" }))).toBe("issuer");
    await it.emulator.rotateKeys();
    expect(await it.ask("/", await it.token())).toBe("IBMid-270000EMUL");
    expect(await it.ask("/", token)).toBe("IBMid-270000EMUL");
    expect(it.emulator.counters.jwksRequests).toBe(2);
  });

  test("says that keys cannot be had when they cannot, and recovers", { timeout: 30_000 }, async () => {
    await using it = await isolate(date);
    it.emulator.fault({ kind: "status", status: 503 }, { target: "keys" });
    const token = await it.token();
    expect(await it.ask("/", token)).toBe("ERR_IAM_VERIFICATION_UNAVAILABLE");
    await expect.poll(() => it.ask("/", token), { timeout: 10_000 }).toBe("IBMid-270000EMUL");
  });

  test("a request for keys that dies with its requester keeps nobody from verifying for long", {
    timeout: 30_000,
  }, async () => {
    await using it = await isolate(date);
    it.emulator.fault({ kind: "hang" }, { target: "keys" });
    const token = await it.token();
    expect(await it.ask("/leave", token)).toBe("left");
    const first = it.ask("/", token);
    await expect.poll(() => it.ask("/", token), { timeout: 15_000 }).toBe("IBMid-270000EMUL");
    expect(["IBMid-270000EMUL", "ERR_IAM_VERIFICATION_UNAVAILABLE"]).toContain(await first);
    expect(it.emulator.counters.jwksRequests).toBe(2);
  });

  test("carries an exchange by openid-client", { timeout: 30_000 }, async () => {
    await using it = await isolate(date);
    expect(await it.ask("/openid")).toBe("Bearer");
  });
});
