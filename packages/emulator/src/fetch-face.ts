import { type Answer, type Incoming, type ReceivedBody, receiveBody } from "./answer.ts";

/** The form in which an emulator is a fetch handler; redirects are answered, not followed. */
export type FetchHandler = (input: Request | string | URL, init?: RequestInit) => Promise<Response>;

/**
 * Makes a web-standard handler of the function that answers.
 *
 * Errors: the promise rejects with a TypeError when a fault cuts the connection, and with the signal's reason when
 * the request is aborted.
 */
export function fetchFace(answer: (incoming: Incoming) => Promise<Answer>): FetchHandler {
  return async (input, init) => {
    const request = new Request(input, init);
    const gone = new AbortController();
    const leave = () => gone.abort(request.signal.reason);
    if (request.signal.aborted) leave();
    else request.signal.addEventListener("abort", leave, { once: true });
    gone.signal.throwIfAborted();
    const { status, headers, body } = await answer(incomingOf(request, gone.signal));
    gone.signal.throwIfAborted();
    const sent = Object.entries(headers).filter(([, value]) => value !== "");
    return new Response(responseBody(request, status, body, gone), { status, headers: sent });
  };
}

function incomingOf(request: Request, signal: AbortSignal): Incoming {
  let body: Promise<ReceivedBody> | undefined;
  return {
    method: request.method,
    url: new URL(request.url),
    isForeign: false,
    headers: request.headers,
    signal,
    clientIp: "127.0.0.1",
    body: () => {
      body ??= receiveBody(chunksOf(request.body));
      return body;
    },
  };
}

/** Not every runtime can iterate over a stream. */
async function* chunksOf(stream: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  const reader = stream?.getReader();
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) yield next.value;
}

function responseBody(
  { method }: Request,
  status: number,
  body: Answer["body"],
  gone: AbortController,
): BodyInit | null {
  if (method === "HEAD" || [101, 204, 205, 304].includes(status)) return null;
  if (typeof body === "string") return body;
  if (body instanceof Uint8Array) return new Uint8Array(body);
  const chunks = body[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel(reason) {
      gone.abort(reason);
    },
  });
}
