import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createEmulator } from "../src/handler.ts";
import { apiKeyGrantType, jsonOf } from "./emulating.ts";

const url = "https://iam.test/identity/token";
const form = (apikey: string): RequestInit => ({
  method: "POST",
  body: new URLSearchParams({ grant_type: apiKeyGrantType, apikey }),
});

describe("the fetch handler", () => {
  test("answers a Request, and a URL with its init", async () => {
    const emulator = createEmulator();
    const first = await emulator.fetch(new Request(url, form(emulator.apiKey)));
    const { access_token } = await jsonOf(first);
    expect(first.headers.get("date")).toBeTruthy();
    const headers = { authorization: `Bearer ${access_token}` };
    const second = await emulator.fetch("https://iam.test/resource/x", {
      method: "POST",
      body: "hello",
      headers,
    });
    expect(await jsonOf(second)).toMatchObject({ path: "/resource/x", body: "hello", body_bytes: 5 });
    expect(emulator.log.map((entry) => entry.origin)).toEqual(["https://iam.test", "https://iam.test"]);
  });

  test("gives no body for HEAD", async () => {
    const response = await createEmulator().fetch("https://iam.test/identity/keys", { method: "HEAD" });
    expect([response.status, response.body]).toEqual([200, null]);
  });

  test("rejects like fetch when a fault cuts the connection", async () => {
    const emulator = createEmulator();
    emulator.fault({ kind: "reset" });
    const error: unknown = await emulator
      .fetch(url, form(emulator.apiKey))
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ cause: { code: "ECONNRESET" } });
  });

  test("gives a body that fails when a fault cuts it", async () => {
    const emulator = createEmulator();
    emulator.fault({ kind: "cut-body" });
    const response = await emulator.fetch(url, form(emulator.apiKey));
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
  });

  test.for(["hang", "delay", "hold"] as const)("ends a %s when the request is aborted", async (kind) => {
    const emulator = createEmulator();
    const never = new Promise(() => {});
    emulator.fault(
      kind === "hang" ? { kind } : kind === "delay" ? { kind, ms: 1e9 } : { kind, until: never },
    );
    const controller = new AbortController();
    const asked = emulator.fetch(url, { ...form(emulator.apiKey), signal: controller.signal });
    await emulator.until((counters) => counters.tokenRequestsInFlight === 1);
    controller.abort(new Error("enough"));
    await expect(asked).rejects.toThrow("enough");
    expect(emulator.counters.tokenRequestsInFlight).toBe(0);
    await expect(emulator.fetch(url, { signal: controller.signal })).rejects.toThrow("enough");
  });

  test("stops an endless body when it is cancelled", async () => {
    const emulator = createEmulator();
    emulator.fault({ kind: "endless-body" });
    const response = await emulator.fetch(url, form(emulator.apiKey));
    const reader = response.body?.getReader();
    expect((await reader?.read())?.done).toBe(false);
    await reader?.cancel();
    await emulator.until((counters) => counters.tokenRequestsInFlight === 0);
    expect(emulator.log[0]?.outcome).toBe("abandoned");
  });
});

test("nothing that the handler imports is of Node", () => {
  const source = new URL("../src/", import.meta.url);
  const seen = new Set<string>();
  const visit = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const [, from = ""] of readFileSync(new URL(file, source), "utf8").matchAll(
      /^(?! \*).*from "([^"]+)"/gm,
    )) {
      if (from.startsWith("./")) visit(from.slice(2));
      else expect([file, from]).toEqual([file, "jose"]);
    }
  };
  visit("handler.ts");
  expect(seen.size).toBeGreaterThan(20);
  expect(seen).not.toContain("node-server.ts");
});
