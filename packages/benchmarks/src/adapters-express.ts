// What iamExpress adds: requests per second of a handler that calls an API, time of the middleware, and of one call.
import { EventEmitter, once } from "node:events";
import { type IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { iamExpress } from "@iam/express";
import express, { type Request } from "express";
import { judgeInProcess, judgeOverLoopback } from "./adapter-figures.ts";
import { startAdapterScene } from "./adapter-scene.ts";

await using scene = await startAdapterScene();
const { api, headers, settings } = scene;

/** Ends with its client, as ours does: that is not what the token costs. */
function untilGone(res: ServerResponse): AbortSignal {
  const gone = new AbortController();
  res.once("close", () => {
    if (!res.writableFinished) gone.abort();
  });
  return gone.signal;
}

const app = express();
app.get("/constant", async (_req, res) => {
  res.send(await (await fetch(api, { headers, signal: untilGone(res) })).text());
});
app.get("/authorized", iamExpress(settings), async (req, res) => {
  res.send(await (await req.iam.fetch(api)).text());
});
const server = app.listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
await judgeOverLoopback("Express", {
  constant: async () => (await fetch(`${url}/constant`)).text(),
  authorized: async () => (await fetch(`${url}/authorized`)).text(),
});
server.close();
server.closeAllConnections();

/** A request as far as a middleware looks at it: the same for both sides, so that only the middleware differs. */
function incoming(): { req: Request; res: ServerResponse } {
  const req = Object.assign(new EventEmitter(), { method: "GET", headers: {} });
  return { req: req as unknown as Request, res: new ServerResponse(req as unknown as IncomingMessage) };
}
const ready = new Response("{}");
const transport = async (_input: RequestInfo | URL, _init?: RequestInit) => ready;
const middleware = iamExpress({ ...settings, fetch: transport });
const through = (req: Request, res: ServerResponse): Promise<void> =>
  new Promise((resolve) => middleware(req, res, () => resolve()));

await judgeInProcess("Express, the middleware", 5, {
  constant: async () => {
    incoming();
  },
  authorized: async () => {
    const { req, res } = incoming();
    await through(req, res);
  },
});
await judgeInProcess("Express, the middleware and one call", 5, {
  constant: async () => {
    const { res } = incoming();
    await transport(api, { headers, signal: untilGone(res) });
  },
  authorized: async () => {
    const { req, res } = incoming();
    await through(req, res);
    await req.iam.fetch(api);
  },
});
