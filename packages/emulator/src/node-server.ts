import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import {
  type Answer,
  ConnectionReset,
  type Incoming,
  jsonAnswer,
  type ReceivedBody,
  receiveBody,
} from "./answer.ts";
import { createCore, type Emulator, type EmulatorCore, type EmulatorOptions } from "./emulator.ts";
import { EmulatorError } from "./emulator-error.ts";
import type { Service } from "./routes.ts";

/** Where an emulator listens. */
export interface ListenOptions {
  /** Default: 0, any free port. */
  readonly port?: number;
  /** Default: `127.0.0.1`. */
  readonly host?: string;
  /** Allows a host beyond this machine. Default: false, because everything it answers is for anyone to have. */
  readonly allowRemote?: boolean;
  /** What answers there: IAM and everything beside it, or the metadata service of an instance. Default: `iam`. */
  readonly service?: Service;
}

/** How an emulator is made that listens. */
export interface StartOptions extends EmulatorOptions, ListenOptions {}

/** One origin at which the emulator can be asked. */
export interface Listener {
  /** The origin, without a slash at the end. */
  readonly url: string;
  readonly port: number;
}

/** An emulator that listens on HTTP. */
export interface RunningEmulator extends Emulator, Listener {
  /** Opens one more origin on the same state, such as the target of a redirect. */
  listen(options?: ListenOptions): Promise<Listener>;
  /** Cuts every connection and closes every listener; never waits for a client. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a local IAM on HTTP, on loopback and a free port.
 *
 * Errors: ERR_EMULATOR_REMOTE for a host beyond loopback without `allowRemote`, ERR_EMULATOR_LISTEN when the system
 * refuses, ERR_EMULATOR_OPTION for options that make no sense.
 *
 * @example
 * ```ts
 * import { apiKeyGrant, createTokenManager } from "@iam/core";
 * import { startEmulator } from "@iam/emulator";
 * const emulator = await startEmulator();
 * const manager = createTokenManager({ grant: apiKeyGrant(emulator.apiKey), tokenEndpoint: emulator.url });
 * export const { expiresAt } = await manager.getToken();
 * await emulator.close();
 * ```
 */
export async function startEmulator(options: StartOptions = {}): Promise<RunningEmulator> {
  const { emulator, answer } = createCore(options);
  const servers = new Set<Server>();
  const listen = async (where: ListenOptions = {}) => {
    const server = await open(answer, { allowRemote: options.allowRemote ?? false, ...where });
    servers.add(server);
    return listenerOf(server);
  };
  const close = async () => {
    const closing = [...servers].map(closeServer);
    servers.clear();
    await Promise.all(closing);
  };
  const first = await listen(options);
  // The getters of the emulator must stay getters.
  const more = { ...first, listen, close, [Symbol.asyncDispose]: close };
  return Object.defineProperties(more, Object.getOwnPropertyDescriptors(emulator)) as RunningEmulator;
}

/** Whether a host name is this machine's own: 127.0.0.0/8, ::1 or exactly `localhost`. */
export function isLoopback(host: string): boolean {
  return /^(127(\.\d{1,3}){3}|\[?::1\]?|localhost)$/i.test(host);
}

async function open(
  answer: EmulatorCore["answer"],
  { port = 0, host = "127.0.0.1", allowRemote = false, service = "iam" }: ListenOptions,
): Promise<Server> {
  if (!isLoopback(host) && !allowRemote) {
    const message = `The emulator does not listen on ${host}, beyond this machine, unless allowRemote is true (--allow-remote): it hands out tokens to anyone who knows a test key.`;
    throw new EmulatorError("ERR_EMULATOR_REMOTE", message);
  }
  const server = createServer((request, response) => {
    const incoming = incomingOf(request, response, allowRemote);
    void serve(() => answer(incoming, service), { request, response, signal: incoming.signal });
  });
  // Longer than clients keep theirs, so that a test never meets a connection that is being closed.
  server.keepAliveTimeout = 120_000;
  server.requestTimeout = 0;
  try {
    server.listen(port, host);
    await once(server, "listening");
  } catch (cause) {
    const message = `The emulator cannot listen on ${host}, port ${port}: choose another port, or 0 for any.`;
    throw new EmulatorError("ERR_EMULATOR_LISTEN", message, { cause });
  }
  return server;
}

function listenerOf(server: Server): Listener {
  const { address, port, family } = server.address() as AddressInfo;
  return { url: `http://${family === "IPv6" ? `[${address}]` : address}:${port}`, port };
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly signal: AbortSignal;
}

async function serve(answer: () => Promise<Answer>, exchange: Exchange): Promise<void> {
  const { request, response, signal } = exchange;
  try {
    await send(await answer(), exchange);
  } catch (error) {
    if (error instanceof ConnectionReset) return cut(request.socket);
    if (signal.aborted || response.headersSent) return void request.socket.destroy();
    // A fault may have set some that Node does not send.
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    await send(failure(error), exchange).catch(() => request.socket.destroy());
  }
}

async function send(answer: Answer, { request, response, signal }: Exchange): Promise<void> {
  const { status, headers, body } = answer;
  response.sendDate = false;
  for (const [name, value] of Object.entries(headers)) if (value !== "") response.setHeader(name, value);
  response.statusCode = status;
  if (typeof body === "string" || body instanceof Uint8Array) {
    if (status !== 204 && status !== 304) response.setHeader("content-length", Buffer.byteLength(body));
    response.end(request.method === "HEAD" ? undefined : body);
    return;
  }
  response.flushHeaders();
  for await (const chunk of body) {
    if (!response.write(chunk)) await once(response, "drain", { signal });
  }
  response.end();
}

function incomingOf(request: IncomingMessage, response: ServerResponse, allowRemote: boolean): Incoming {
  const gone = new AbortController();
  const { signal } = gone;
  response.once("close", () => gone.abort(new Error("The client has gone.")));
  const url = urlOf(request);
  let body: Promise<ReceivedBody> | undefined;
  const headers = new Headers();
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2)
    headers.append(request.rawHeaders[at] ?? "", request.rawHeaders[at + 1] ?? "");
  return {
    method: request.method ?? "GET",
    url,
    isForeign: !allowRemote && !isLoopback(url.hostname),
    headers,
    signal,
    clientIp: request.socket.remoteAddress ?? "",
    body: () => {
      body ??= receiveBody(request);
      return body;
    },
  };
}

/** The address that was asked, in the words of the client. */
function urlOf({ url = "/", headers, socket }: IncomingMessage): URL {
  const own = `http://127.0.0.1:${socket.localPort}`;
  for (const text of [url.startsWith("/") ? `http://${headers.host}${url}` : url, `${own}${url}`]) {
    if (URL.canParse(text)) return new URL(text);
  }
  return new URL(own);
}

/** A reset as the network gives it, rather than an orderly end. */
function cut(socket: Socket): void {
  socket.resetAndDestroy();
}

function failure(error: unknown): Answer {
  return jsonAnswer(500, { error: { code: "emulator", message: `The emulator itself failed: ${error}` } });
}
