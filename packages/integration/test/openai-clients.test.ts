import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { apiKeyGrant, createTokenManager, isIamError } from "@iam/core";
import { type RunningEmulator, startEmulator } from "@iam/emulator";
import { iamFetch } from "@iam/fetch";
import { generateText, streamText } from "ai";
import OpenAI from "openai";
import { describe, expect, onTestFinished, test } from "vitest";

async function authorized(): Promise<{ emulator: RunningEmulator; fetch: typeof fetch; baseURL: string }> {
  const emulator = await startEmulator();
  onTestFinished(() => emulator.close());
  const manager = createTokenManager({ grant: apiKeyGrant(emulator.apiKey), tokenEndpoint: emulator.url });
  return {
    emulator,
    fetch: iamFetch({ manager, origins: [emulator.url] }),
    baseURL: `${emulator.url}/openai/v1`,
  };
}

describe("the OpenAI SDK with iamFetch as its fetch", () => {
  /** Without a key of its own the SDK must not set an Authorization: it would be taken for the caller's. */
  const clientOf = ({ fetch, baseURL }: { fetch: typeof globalThis.fetch; baseURL: string }) =>
    new OpenAI({ apiKey: "unused", baseURL, fetch, maxRetries: 0, defaultHeaders: { authorization: null } });
  const messages = [{ role: "user" as const, content: "hello" }];

  test("completes a chat, whole and streamed, with one grant", async () => {
    const iam = await authorized();
    const client = clientOf(iam);
    const whole = await client.chat.completions.create({ model: "emulator-1", messages });
    expect(whole.choices[0]?.message.content).toBe("You said: hello");
    const stream = await client.chat.completions.create({ model: "emulator-1", messages, stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    expect(text).toBe("You said: hello");
    expect(iam.emulator.counters.grants).toBe(1);
  });

  test("does not notice that the token was revoked", async () => {
    const iam = await authorized();
    const client = clientOf(iam);
    await client.models.list();
    iam.emulator.revokeAll();
    const answer = await client.chat.completions.create({ model: "emulator-1", messages });
    expect(answer.choices[0]?.message.content).toBe("You said: hello");
    expect(iam.emulator.counters.resourceRequestsByStatus).toEqual({ 200: 2, 401: 1 });
  });

  test("fails with its own connection error, ours as the cause, when IAM refuses the key", async () => {
    const iam = await authorized();
    iam.emulator.apiKeys.disable(iam.emulator.apiKey);
    const error: unknown = await clientOf(iam)
      .models.list()
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(OpenAI.APIConnectionError);
    expect(isIamError((error as Error).cause)).toBe(true);
  });
});

describe("@ai-sdk/openai-compatible with iamFetch as its fetch", () => {
  const modelOf = ({ fetch, baseURL }: { fetch: typeof globalThis.fetch; baseURL: string }) =>
    createOpenAICompatible({ name: "emulator", baseURL, fetch })("emulator-1");

  test("generates and streams text with one grant", async () => {
    const iam = await authorized();
    const model = modelOf(iam);
    const { text } = await generateText({ model, prompt: "hello", maxRetries: 0 });
    expect(text).toBe("You said: hello");
    let streamed = "";
    for await (const part of streamText({ model, prompt: "hello", maxRetries: 0 }).textStream)
      streamed += part;
    expect(streamed).toBe("You said: hello");
    expect(iam.emulator.counters.grants).toBe(1);
  });

  test("does not notice that the token was revoked", async () => {
    const iam = await authorized();
    const model = modelOf(iam);
    await generateText({ model, prompt: "one", maxRetries: 0 });
    iam.emulator.revokeAll();
    const { text } = await generateText({ model, prompt: "two", maxRetries: 0 });
    expect(text).toBe("You said: two");
    expect(iam.emulator.counters.grants).toBe(2);
  });
});
