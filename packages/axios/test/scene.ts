import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { apiKeyGrant, createTokenManager, type TokenManager } from "@iam/core";
import { type RunningEmulator, startEmulator } from "@iam/emulator";

/** A request as it came over the wire. */
interface Received {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly authorization: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** A server that keeps what it gets, secrets included. */
export interface Recorder extends AsyncDisposable {
  readonly origin: string;
  readonly port: number;
  readonly received: readonly Received[];
}

type Answer = (request: Received, response: ServerResponse, raw: IncomingMessage) => unknown;

/** Starts a recorder: on a free port of loopback, or on a socket. */
export async function record(
  answer: Answer = (_request, response) => response.end('{"ok":true}'),
  socketPath?: string,
): Promise<Recorder> {
  const received: Received[] = [];
  const server = createServer(async (raw, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of raw) chunks.push(chunk);
    const { method = "", url = "", headers } = raw;
    const body = Buffer.concat(chunks).toString();
    const request = { method, path: url, authorization: headers.authorization, headers, body };
    received.push(request);
    answer(request, response, raw);
  });
  if (socketPath === undefined) server.listen(0, "127.0.0.1");
  else server.listen(socketPath);
  await once(server, "listening");
  const port = socketPath === undefined ? (server.address() as AddressInfo).port : 0;
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    received,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** An emulator and a manager that asks it. */
export interface Scene extends AsyncDisposable {
  readonly emulator: RunningEmulator;
  readonly manager: TokenManager;
  /** The protected resource. */
  readonly resource: string;
}

export async function startScene(): Promise<Scene> {
  const emulator = await startEmulator();
  const manager = createTokenManager({
    grant: apiKeyGrant(emulator.apiKey),
    tokenEndpoint: emulator.url,
  });
  return {
    emulator,
    manager,
    resource: `${emulator.url}/resource`,
    async [Symbol.asyncDispose]() {
      await manager[Symbol.asyncDispose]();
      await emulator.close();
    },
  };
}

/** Everything that can be read in a value: printed to any depth with hidden properties and getters, as JSON, as text. */
export function printed(value: unknown): string {
  const depth = Number.POSITIVE_INFINITY;
  const maxStringLength = Number.POSITIVE_INFINITY;
  const texts = [inspect(value, { depth, maxStringLength, showHidden: true, getters: true }), String(value)];
  const { toJSON, stack } = Object(value) as { toJSON?: () => unknown; stack?: string };
  for (const json of [() => value, () => toJSON?.call(value)]) {
    try {
      texts.push(String(JSON.stringify(json())));
    } catch {
      // A circle: then there is no JSON to be read.
    }
  }
  return [...texts, String(stack)].join("\n");
}

/** What a promise is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("It should have failed.");
}
