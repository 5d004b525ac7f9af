import { generateKeyPair } from "jose";
import { describe, expect, test } from "vitest";
import { askResource, askToken, emulating, jsonOf, tokenOf } from "./emulating.ts";

describe("the resource", () => {
  test.for(["GET", "POST", "PUT", "PATCH", "DELETE"])("echoes a %s with a good token", async (method) => {
    const emulator = await emulating();
    const body = method === "GET" ? {} : { body: "grüße", headers: { "content-type": "text/plain" } };
    const response = await askResource(`${emulator.url}/resource/a/b?c=d`, await tokenOf(emulator), {
      method,
      ...body,
    });
    expect(response.status).toBe(200);
    expect(await jsonOf(response)).toMatchObject({
      ok: true,
      method,
      path: "/resource/a/b",
      search: "?c=d",
      iam_id: "IBMid-270000EMUL",
      jti: expect.any(String),
      ...(method === "GET"
        ? { body: "", body_bytes: 0, content_type: null }
        : { body: "grüße", body_bytes: 7, content_type: "text/plain" }),
    });
  });

  test("answers HEAD without a body", async () => {
    const emulator = await emulating();
    const response = await askResource(emulator.url, await tokenOf(emulator), { method: "HEAD" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });

  test("echoes the first MiB of a body and counts the rest", async () => {
    const emulator = await emulating();
    const body = "x".repeat(1024 * 1024 + 5);
    const echo = await jsonOf(
      await askResource(emulator.url, await tokenOf(emulator), { method: "POST", body }),
    );
    expect([String(echo.body).length, echo.body_bytes]).toEqual([1024 * 1024, 1024 * 1024 + 5]);
  });

  test.for([{}, { authorization: "Basic Yng6Yng=" }])(
    "challenges without an error when no bearer token was presented (%o)",
    async (headers) => {
      const emulator = await emulating();
      const response = await fetch(`${emulator.url}/resource`, { headers });
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toBe('Bearer realm="iam-emulator"');
    },
  );

  test.for(["nonsense", "a.b.c", ""])("refuses the token '%s'", async (token) => {
    const emulator = await emulating();
    const response = await askResource(emulator.url, token);
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toContain('error="invalid_token"');
  });

  test("refuses a token of another emulator, and one that was tampered with", async () => {
    const signingKey = await generateKeyPair("RS256", { extractable: true });
    const [one, other, twin] = [
      await emulating(),
      await emulating({ signingKey }),
      await emulating({ signingKey }),
    ];
    const token = await tokenOf(other);
    expect((await askResource(one.url, token)).status).toBe(401);
    expect((await askResource(twin.url, token)).status).toBe(401);
    const [head, payload = "", signature] = token.split(".");
    const claims = { ...JSON.parse(Buffer.from(payload, "base64url").toString()), iam_id: "IBMid-someone" };
    const forged = [head, Buffer.from(JSON.stringify(claims)).toString("base64url"), signature].join(".");
    expect((await askResource(other.url, forged)).status).toBe(401);
    expect((await askResource(other.url, token)).status).toBe(200);
  });

  test("accepts a token up to the last second of its life by the emulator's clock", async () => {
    const emulator = await emulating({ expiresInS: 60 });
    emulator.clock.freeze(Date.UTC(2030, 0, 1));
    const token = await tokenOf(emulator);
    emulator.clock.advance(59_999);
    expect((await askResource(emulator.url, token)).status).toBe(200);
    emulator.clock.advance(1);
    expect((await askResource(emulator.url, token)).status).toBe(401);
  });

  test("refuses revoked tokens: one by value, one by jti, all so far", async () => {
    const emulator = await emulating();
    const [a, b, c] = [await emulator.issueToken(), await emulator.issueToken(), await emulator.issueToken()];
    const status = async (token: string) => (await askResource(emulator.url, token)).status;
    expect(emulator.revoke(a.value)).toBe(true);
    expect(emulator.revoke(b.jti)).toBe(true);
    expect(emulator.revoke("unknown")).toBe(false);
    expect([await status(a.value), await status(b.value), await status(c.value)]).toEqual([401, 401, 200]);
    expect(emulator.revokeAll()).toBe(1);
    expect([await status(c.value), await status(await tokenOf(emulator))]).toEqual([401, 200]);
  });

  test("refuses every token while the account is not valid", async () => {
    const emulator = await emulating();
    const token = await tokenOf(emulator);
    emulator.configure({ accountValid: false });
    expect((await askResource(emulator.url, token)).status).toBe(401);
    const invalid = await tokenOf(emulator);
    emulator.configure({ accountValid: true });
    expect((await askResource(emulator.url, token)).status).toBe(200);
    expect((await askResource(emulator.url, invalid)).status).toBe(401);
  });
});

describe("the OpenAI-shaped service", () => {
  const ask = async (token: string, url: string, body: unknown) =>
    fetch(`${url}/openai/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const messages = [{ role: "user", content: "hello there" }];

  test("lists a model, completes a chat, and wants a token for both", async () => {
    const emulator = await emulating();
    const token = await tokenOf(emulator);
    const models = await fetch(`${emulator.url}/openai/v1/models`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(await jsonOf(models)).toMatchObject({ object: "list", data: [{ object: "model" }] });
    expect(await jsonOf(await ask(token, emulator.url, { model: "m", messages }))).toMatchObject({
      object: "chat.completion",
      model: "m",
      choices: [{ message: { role: "assistant", content: "You said: hello there" }, finish_reason: "stop" }],
      usage: { total_tokens: expect.any(Number) },
    });
    expect((await fetch(`${emulator.url}/openai/v1/models`)).status).toBe(401);
    expect((await ask("nonsense", emulator.url, { messages })).status).toBe(401);
    expect((await ask(token, emulator.url, {})).status).toBe(400);
  });

  test("streams server-sent events", async () => {
    const emulator = await emulating();
    const request = { messages, stream: true, stream_options: { include_usage: true } };
    const response = await ask(await tokenOf(emulator), emulator.url, request);
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const events = (await response.text()).trimEnd().split("\n\n");
    expect(events.at(-1)).toBe("data: [DONE]");
    const chunks = events.slice(0, -1).map((event) => JSON.parse(event.replace("data: ", "")));
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe(
      "You said: hello there",
    );
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: expect.any(Number) } });
  });
});

test("counters tell resource requests by status", async () => {
  const emulator = await emulating();
  await askToken(emulator);
  await fetch(`${emulator.url}/resource`);
  await askResource(emulator.url, await tokenOf(emulator));
  expect(emulator.counters).toMatchObject({
    tokenRequests: 2,
    grants: 2,
    resourceRequests: 2,
    resourceRequestsByStatus: { 401: 1, 200: 1 },
  });
});
