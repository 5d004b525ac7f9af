import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createEmulator, type Emulator } from "@iam/emulator";

/** A request as it came over the wire, secrets included. */
export interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  /** The fields of a form, or what the JSON says. */
  readonly body: unknown;
}

/** An emulator and its metadata service on real HTTP, and what they were asked. */
export interface RecordedEmulator {
  readonly emulator: Emulator;
  readonly url: string;
  readonly metadataUrl: string;
  /** The requests since the last call. */
  take(): readonly Recorded[];
  close(): Promise<void>;
}

/** Starts one. The emulator's own log has no headers and no secrets; two clients can be compared by more than that. */
export async function recordedEmulator(): Promise<RecordedEmulator> {
  const emulator = createEmulator();
  let records: Recorded[] = [];
  const answering =
    (answer: Emulator["fetch"]) => async (incoming: IncomingMessage, outgoing: ServerResponse) => {
      const body = await readBody(incoming);
      records.push(recordOf(incoming, body));
      const request = new Request(`http://${incoming.headers.host}${incoming.url}`, {
        method: incoming.method ?? "GET",
        headers: headersOf(incoming),
        body: body.length > 0 ? new Uint8Array(body) : null,
      });
      const response = await answer(request);
      outgoing.writeHead(response.status, Object.fromEntries(response.headers));
      outgoing.end(Buffer.from(await response.arrayBuffer()));
    };
  const servers = [emulator.fetch, emulator.metadataFetch].map((answer) => createServer(answering(answer)));
  const urls = await Promise.all(
    servers.map(async (server) => {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    }),
  );
  const [url = "", metadataUrl = ""] = urls;
  return {
    emulator,
    url,
    metadataUrl,
    take() {
      const taken = records;
      records = [];
      return taken;
    },
    async close() {
      for (const server of servers) server.closeAllConnections();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, `${value}`]));
}

function recordOf(incoming: IncomingMessage, body: Buffer): Recorded {
  const { pathname, searchParams } = new URL(`http://localhost${incoming.url}`);
  const headers = headersOf(incoming);
  const text = body.toString();
  const isForm = headers["content-type"]?.startsWith("application/x-www-form-urlencoded");
  return {
    method: incoming.method ?? "",
    path: pathname,
    query: Object.fromEntries(searchParams),
    headers,
    body: text === "" ? undefined : isForm ? Object.fromEntries(new URLSearchParams(text)) : JSON.parse(text),
  };
}
