// Everything that the packages do in a process that prints debug output; the token goes to the parent by another way.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { iamAxios } from "@iam/axios";
import { apiKeyGrant, createTokenManager } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import { iamExpress, iamProxy } from "@iam/express";
import { iamFetch } from "@iam/fetch";
import { iamKy } from "@iam/ky";
import axios from "axios";
import express from "express";
import { createProxyMiddleware } from "http-proxy-middleware";
import ky from "ky";

const apiKey = String(process.env.API_KEY);
const emulator = await startEmulator({ apiKeys: [apiKey] });
const manager = createTokenManager({ grant: apiKeyGrant(apiKey), tokenEndpoint: emulator.url });
const settings = { manager, origins: [emulator.url] };
const resource = `${emulator.url}/resource`;

const client = axios.create();
iamAxios(client, settings);
const app = express();
app.get("/handler", iamExpress(settings), async (req, res) => {
  res.sendStatus((await req.iam.fetch(resource)).status);
});
const { middleware, on } = iamProxy({ ...settings, allowAnonymous: true });
app.use(middleware, createProxyMiddleware({ target: emulator.url, changeOrigin: true, on }));
const server = app.listen(0, "127.0.0.1");
await once(server, "listening");
const own = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const sends = [
  () => iamFetch(settings)(resource),
  () => client.get(resource),
  () => client.get(resource, { adapter: "fetch" }),
  () => ky.extend(iamKy(settings))(resource),
  () => fetch(`${own}/handler`),
  () => fetch(`${own}/resource`),
];
for (const status of [200, 401, 403, 500]) {
  if (status !== 200) emulator.fault({ kind: "status", status }, { target: "resource", times: "forever" });
  // A client's own debug output may be asynchronous, its errors are not what is looked at here.
  for (const send of sends.slice(0, status === 500 ? 3 : undefined)) await send().catch(() => {});
  emulator.clearFaults();
}
const { accessToken } = await manager.getToken();
process.send?.(accessToken);
emulator.fault({ kind: "reset" }, { times: "forever" });
emulator.revokeAll();
for (const send of sends) await send().catch(() => {});
await manager[Symbol.asyncDispose]();
server.close();
server.closeAllConnections();
await emulator.close();
process.disconnect();
