// What iamExpress adds: requests per second of a handler that calls an API, and time of the middleware itself.
import { EventEmitter, once } from "node:events";
import { type IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { apiKeyGrant, createTokenManager } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import { iamExpress } from "@iam/express";
import express from "express";
import { contender, startLoopback } from "./loopback.ts";
import { measure, report } from "./measure.ts";

await using emulator = await startEmulator();
await using loopback = await startLoopback();
const grant = apiKeyGrant(emulator.apiKey);
await using manager = createTokenManager({ grant, tokenEndpoint: emulator.url });
const { accessToken } = await manager.getToken();
const headers = { authorization: `Bearer ${accessToken}` };
const middleware = iamExpress({ manager, origins: [loopback.url] });

const app = express();
// Ends with its client, as ours does: that is not what the token costs.
app.get("/constant", async (_req, res) => {
  const gone = new AbortController();
  res.once("close", () => {
    if (!res.writableFinished) gone.abort();
  });
  res.send(await (await fetch(loopback.url, { headers, signal: gone.signal })).text());
});
app.get("/authorized", middleware, async (req, res) => {
  res.send(await (await req.iam.fetch(loopback.url)).text());
});
const server = app.listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

for (const concurrency of [1, 50]) {
  const ask = (path: string) => async () => (await fetch(`${url}/${path}`)).text();
  const [bare, ours] = await measure(
    [
      contender("Express, constant header", concurrency, ask("constant")),
      contender("Express, iamExpress", concurrency, ask("authorized")),
    ],
    { rounds: 121, calls: 100 },
  );
  const ratio = (bare?.nsPerCall ?? Number.NaN) / (ours?.nsPerCall ?? Number.NaN);
  report(
    `Express, requests per second at concurrency ${concurrency}, ratio`,
    ratio,
    ">= 0.97",
    ratio >= 0.97,
  );
}
server.close();
server.closeAllConnections();

/** A request as far as a middleware looks at it: the same for both, so that only the middleware differs. */
const pass = (through: typeof middleware) => (): Promise<void> =>
  new Promise((resolve) => {
    const req = Object.assign(new EventEmitter(), {
      method: "GET",
      headers: {},
    }) as unknown as IncomingMessage;
    through(req, new ServerResponse(req), () => resolve());
  });
const [bare, ours] = await measure(
  [
    contender(
      "a middleware that does nothing",
      1,
      pass((_req, _res, next) => next()),
    ),
    contender("iamExpress", 1, pass(middleware)),
  ],
  { rounds: 301, calls: 500 },
);
const addedUs = ((ours?.nsPerCall ?? Number.NaN) - (bare?.nsPerCall ?? Number.NaN)) / 1000;
report("Express, microseconds added per request by the middleware", addedUs, "<= 5", addedUs <= 5);
