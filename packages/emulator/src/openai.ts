import { type Answer, jsonAnswer } from "./answer.ts";
import type { Call } from "./iam.ts";
import { jsonObject } from "./json-body.ts";
import { protect } from "./resource.ts";

const modelId = "emulator-1";

/** The list of models: one. */
export const modelsEndpoint: (call: Call) => Promise<Answer> = protect(() =>
  jsonAnswer(200, {
    object: "list",
    data: [{ id: modelId, object: "model", created: 0, owned_by: "emulator" }],
  }),
);

/** Chat completions, whole or as server-sent events: the model repeats the last message. */
export const chatEndpoint: (call: Call) => Promise<Answer> = protect((call) => {
  const request = jsonObject(call.body.bytes);
  if (!Array.isArray(request?.messages)) return invalid("messages must be an array");
  const text = `You said: ${lastText(request.messages)}`;
  const model = typeof request.model === "string" ? request.model : modelId;
  const id = `chatcmpl-${crypto.randomUUID()}`;
  const created = Math.floor(call.now / 1000);
  const words = text.split(/(?<= )/);
  const usage = { prompt_tokens: 1, completion_tokens: words.length, total_tokens: 1 + words.length };
  if (request.stream === true) {
    const head = { id, object: "chat.completion.chunk", created, model };
    const headers = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" };
    return { status: 200, headers, body: events(head, words, wantsUsage(request) ? usage : undefined) };
  }
  const message = { role: "assistant", content: text, refusal: null };
  const choices = [{ index: 0, message, logprobs: null, finish_reason: "stop" }];
  return jsonAnswer(200, { id, object: "chat.completion", created, model, choices, usage });
});

async function* events(
  head: Record<string, unknown>,
  words: readonly string[],
  usage: Record<string, number> | undefined,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const event = (choices: unknown[], more: Record<string, unknown> = {}) =>
    encoder.encode(`data: ${JSON.stringify({ ...head, choices, ...more })}\n\n`);
  yield event([{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }]);
  for (const content of words) yield event([{ index: 0, delta: { content }, finish_reason: null }]);
  yield event([{ index: 0, delta: {}, finish_reason: "stop" }]);
  if (usage) yield event([], { usage });
  yield encoder.encode("data: [DONE]\n\n");
}

function wantsUsage({ stream_options }: Readonly<Record<string, unknown>>): boolean {
  return (
    typeof stream_options === "object" &&
    stream_options !== null &&
    "include_usage" in stream_options &&
    stream_options.include_usage === true
  );
}

function lastText(messages: readonly unknown[]): string {
  const last = messages.at(-1);
  if (typeof last !== "object" || last === null || !("content" in last)) return "";
  const { content } = last;
  if (typeof content === "string") return content;
  const parts: unknown[] = Array.isArray(content) ? content : [];
  return parts.map((part) => (isTextPart(part) ? part.text : "")).join("");
}

function isTextPart(part: unknown): part is { text: string } {
  return typeof part === "object" && part !== null && "text" in part && typeof part.text === "string";
}

function invalid(message: string): Answer {
  return jsonAnswer(400, { error: { message, type: "invalid_request_error", param: null, code: null } });
}
