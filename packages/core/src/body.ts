/** Above this a body is not kept for a replay. */
const maxKeptBytes = 1_048_576;

/**
 * Whether a body given to a client can be sent a second time: text, bytes, a form, URLSearchParams, a Blob, or none.
 * Never a stream, a generator, or the form of the form-data package, which is a stream: those are empty the second time.
 *
 * @example
 * ```ts
 * import { isReplayableBody } from "@iam/core";
 * export const verdicts = [isReplayableBody("text"), isReplayableBody(new ReadableStream())]; // [true, false]
 * ```
 */
export function isReplayableBody(body: unknown): boolean {
  if (body === undefined || body === null || typeof body === "string" || ArrayBuffer.isView(body))
    return true;
  const tag = Object.prototype.toString.call(body);
  // Several tags are also worn by look-alikes from other packages; a real one has no `pipe` and is no async iterable.
  return (
    /^\[object (ArrayBuffer|SharedArrayBuffer|Blob|File|FormData|URLSearchParams)\]$/.test(tag) &&
    !("pipe" in (body as object) || Symbol.asyncIterator in (body as object))
  );
}

/**
 * Whether the body of a Request can be kept for a replay. There a stream and a text look alike, so only a length that is
 * told, and small, is trusted.
 */
export function isReplayableRequest(request: Request): boolean {
  // Some browsers do not have `body`; a request without one is then known by its method only.
  if (request.body === null || /^(GET|HEAD)$/.test(request.method)) return true;
  const length = request.headers.get("content-length") ?? "";
  return /^\d+$/.test(length) && Number(length) <= maxKeptBytes;
}

/** Frees what a body holds that nobody will read to its end. */
export async function discard(body: { cancel(): Promise<void> } | null | undefined): Promise<void> {
  try {
    await body?.cancel();
  } catch {
    // It is gone already.
  }
}
