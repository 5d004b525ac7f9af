import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as it came over the wire. */
interface RecordedRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** The values of all `Authorization` headers, exactly. */
  readonly authorization: readonly string[];
  readonly headers: Headers;
  readonly body: string;
}

/** A server that takes everything, and keeps what it got: secrets included, which the emulator does not. */
export interface Recorder {
  /** Without a slash at the end. */
  readonly origin: string;
  readonly requests: readonly RecordedRequest[];
  /** Redirects requests for a path. */
  redirect(path: string, status: number, location: string): void;
  /** Answers the next request with 401. */
  refuseNext(): void;
  close(): Promise<void>;
}

/** Starts a recorder on loopback. */
export async function startRecorder(): Promise<Recorder> {
  const requests: RecordedRequest[] = [];
  const redirects = new Map<string, { status: number; location: string }>();
  let refusals = 0;
  const server = createServer(async (request, response) => {
    const recorded = await record(request);
    requests.push(recorded);
    const redirect = redirects.get(recorded.path);
    if (redirect) response.writeHead(redirect.status, { location: redirect.location }).end();
    else if (refusals > 0) {
      refusals--;
      response.writeHead(401, { "www-authenticate": "Bearer" }).end();
    } else response.writeHead(200, { "content-type": "application/json" }).end('{"ok":true}');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    requests,
    redirect: (path, status, location) => void redirects.set(path, { status, location }),
    refuseNext: () => void refusals++,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function record(request: IncomingMessage): Promise<RecordedRequest> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const headers = new Headers();
  const authorization: string[] = [];
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
    const [name = "", value = ""] = request.rawHeaders.slice(at, at + 2);
    headers.append(name, value);
    if (name.toLowerCase() === "authorization") authorization.push(value);
  }
  const body = Buffer.concat(chunks).toString();
  return { method: request.method ?? "", path: request.url ?? "", authorization, headers, body };
}
