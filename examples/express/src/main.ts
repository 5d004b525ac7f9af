import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { apiKeyGrant, createTokenManager } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import { iamExpress, iamProxy } from "@iam/express";
import express from "express";
import { createProxyMiddleware } from "http-proxy-middleware";

// A local IAM that stands in for https://iam.cloud.ibm.com and for the API behind it.
await using emulator = await startEmulator();

const manager = createTokenManager({ grant: apiKeyGrant(emulator.apiKey), tokenEndpoint: emulator.url });
const origins = [emulator.url];
const app = express();

// A handler that calls the API itself.
app.get("/summary", iamExpress({ manager, origins }), async (req, res) => {
  const answer = await req.iam.fetch(`${emulator.url}/resource/things`);
  res.json({ api: answer.status });
});

// A gateway: whoever shows the right token may call the API with the rights of this service.
const verifier = {
  async verify(token: string) {
    if (token !== "callers-token") throw new Error("unknown caller");
    return { sub: "caller" };
  },
};
const iam = iamProxy({ manager, origins, verifier });
const proxy = createProxyMiddleware({ target: `${emulator.url}/resource`, on: iam.on });
app.use("/api", iam.middleware, proxy);

const server = app.listen(0, "127.0.0.1");
await once(server, "listening");
server.on("upgrade", (req, socket, head) => {
  void iam.upgrade(req, socket, head, proxy.upgrade);
});
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

console.log("handler:", await (await fetch(`${url}/summary`)).text());
console.log("gateway, nobody:", (await fetch(`${url}/api/things`)).status);
const headers = { authorization: "Bearer callers-token" };
console.log("gateway, known caller:", (await fetch(`${url}/api/things`, { headers })).status);
console.log("grants:", emulator.counters.grants);

server.close();
server.closeAllConnections();
await manager[Symbol.asyncDispose]();
