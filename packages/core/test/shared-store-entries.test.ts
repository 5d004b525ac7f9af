import { describe, expect, test } from "vitest";
import { apiKeyGrant, memoryStore, type TokenStore, tokenResponse } from "../src/index.ts";
import { apiKey, createFleet, failing } from "./fleet.ts";

describe("an entry that is not right", () => {
  test("is a miss, is told of, and is written over: one that does not open", async () => {
    const fleet = createFleet();
    await fleet.process().getToken();
    const key = fleet.broken.entries[0]?.key ?? "";
    await fleet.broken.store.set(key, "AQnonsense", { ttlMs: 3_600_000 });
    expect((await fleet.process().getToken()).accessToken).toBe("token-2");
    expect(fleet.events).toContainEqual({
      type: "store_failed",
      operation: "get",
      problem: "garbage",
      pauseMs: 0,
    });
    expect((await fleet.process().getToken()).accessToken).toBe("token-2");
  });

  test("is a miss: that of another tenant, put under this one's key", async () => {
    const fleet = createFleet();
    const other = () => fleet.process({ grant: apiKeyGrant(`${apiKey}-of-another`) });
    await fleet.process().getToken();
    await other().getToken();
    const [mine, theirs] = fleet.broken.entries;
    await fleet.broken.store.set(mine?.key ?? "", theirs?.entry ?? "", { ttlMs: 3_600_000 });
    expect((await fleet.process().getToken()).accessToken).toBe("token-3");
  });

  test("is a miss without the store's word on its age, unless the store goes by the wall clock", async () => {
    const timeless = (): TokenStore => {
      const inner = memoryStore();
      return {
        ...inner,
        get: async (key) => {
          const kept = await inner.get(key);
          return kept && { entry: kept.entry };
        },
      };
    };
    const strict = createFleet({ store: timeless() });
    await strict.process().getToken();
    expect((await strict.process().getToken()).accessToken).toBe("token-2");
    const byClock = createFleet({ store: { ...timeless(), wallClock: true } });
    await byClock.process().getToken();
    const { accessToken, expiresAt = 0 } = await byClock.process().getToken();
    expect(accessToken).toBe("token-1");
    expect(expiresAt - byClock.clock.wallNow()).toBe(3_540_000);
  });

  test("with more time in the store than the token has is not believed", async () => {
    const fleet = createFleet();
    await fleet.process().getToken();
    const [{ key = "", entry = "" } = {}] = fleet.broken.entries;
    await fleet.broken.store.set(key, entry, { ttlMs: 86_400_000 });
    const { expiresAt = 0 } = await fleet.process().getToken();
    expect(expiresAt - fleet.clock.wallNow()).toBe(3_600_000);
  });
});

describe("a reader of the store, who has everything but the API key", () => {
  test("finds neither token nor key nor name nor endpoint in what is written, nor the same text twice", async () => {
    const fleet = createFleet();
    const grant = apiKeyGrant(apiKey, { clientId: "canary-client", clientSecret: "canary-secret" });
    const { accessToken } = await fleet.process({ grant }).getToken();
    fleet.answer = failing(400);
    await fleet.clock.advance(3_600_000);
    await fleet.within(100, fleet.process({ grant }).getToken());
    const written = fleet.broken.entries.flatMap(({ key, entry }) => [key, entry]);
    expect(written).toHaveLength(4);
    const secrets = [apiKey, accessToken, "canary", "iam.cloud.ibm.com", "BXNIM0415E"];
    for (const text of written) {
      const forms = [text, Buffer.from(text, "base64url").toString("latin1")];
      for (const secret of secrets) for (const form of forms) expect(form).not.toContain(secret);
    }
  });

  test("opens nothing with the keys that everybody knows, nor by the hash of the names", async () => {
    const fleet = createFleet();
    await fleet.process().getToken();
    // The reader knows the code, the endpoint, the grant, and has a key of his own.
    const reader = createFleet({ store: fleet.broken.store });
    reader.answer = () =>
      tokenResponse({ status: 200, body: JSON.stringify({ access_token: "readers-own", expires_in: 60 }) });
    for (const key of ["reader-key-0123456789", apiKey.slice(1), `${apiKey} `.trim().toUpperCase()]) {
      expect((await reader.process({ grant: apiKeyGrant(key) }).getToken()).accessToken).toBe("readers-own");
    }
    expect(new Set(fleet.broken.entries.map(({ key }) => key)).size).toBe(4);
  });
});
