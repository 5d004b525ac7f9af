/** What a client sent, in the form that both faces of the emulator can give cheaply. */
export interface Incoming {
  readonly method: string;
  readonly url: URL;
  /**
   * Whether a server that is for this machine alone was asked under another name: by a web page, perhaps, whose name has been
   * made to lead here (DNS rebinding).
   */
  readonly isForeign: boolean;
  readonly headers: Headers;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
  readonly clientIp: string;
  /** Reads the body to its end and keeps the first `limit` bytes; the same promise every time. */
  body(): Promise<ReceivedBody>;
}

/** The body of a request: its first bytes, and how many there were. */
export interface ReceivedBody {
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** How many bytes of a request body are kept; the rest is counted only. */
const keptBodyBytes = 1024 * 1024;

/** What the emulator sends back, before one of its faces makes a response of it. */
export interface Answer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | AsyncIterable<Uint8Array>;
}

/** The connection was cut, on purpose, before or within the answer; looks like a failed `fetch`. */
export class ConnectionReset extends TypeError {
  constructor() {
    const cause = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
    super("fetch failed", { cause });
  }
}

/** A JSON answer. */
export function jsonAnswer(status: number, value: unknown, headers: Record<string, string> = {}): Answer {
  return { status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(value) };
}

/** An HTML answer, as a gateway or a captive portal gives it. */
export function htmlAnswer(status: number, title: string, headers: Record<string, string> = {}): Answer {
  const body = `<!DOCTYPE html>\n<html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>\n`;
  return { status, headers: { "content-type": "text/html; charset=utf-8", ...headers }, body };
}

/** The bytes of an answer that is not a stream. */
export function bodyBytes(body: string | Uint8Array): Uint8Array {
  return typeof body === "string" ? new TextEncoder().encode(body) : body;
}

/** Collects the chunks of a body: keeps the first `keptBodyBytes`, counts the rest. */
export async function receiveBody(chunks: AsyncIterable<Uint8Array>): Promise<ReceivedBody> {
  const kept: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    if (length < keptBodyBytes) kept.push(chunk.subarray(0, keptBodyBytes - length));
    length += chunk.byteLength;
  }
  const bytes = new Uint8Array(Math.min(length, keptBodyBytes));
  let at = 0;
  for (const chunk of kept) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return { bytes, length };
}
