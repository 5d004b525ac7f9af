import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { testAdapter } from "@iam/conformance";
import { apiKeyGrant, createTokenManager, isIamError } from "@iam/core";
import express from "express";
import express4 from "express-4";
import { type IamRequest, iamExpress } from "../src/index.ts";
import { isUnavailable } from "../src/token-unavailable.ts";

for (const [name, make] of [
  ["express 5", express],
  ["express 4", express4],
] as const) {
  testAdapter({
    name,
    core: { createTokenManager, apiKeyGrant, isIamError },
    async createClient(settings) {
      // A handler does on behalf of its own caller what the contract asks for, and reports as the handler sees it.
      const jobs = new Map<string, (iam: IamRequest) => Promise<void>>();
      const app = make();
      app.use(iamExpress({ ...settings, lazy: true }));
      app.get("/:job", async (req, res) => {
        await jobs.get(req.params.job)?.(req.iam);
        res.end();
      });
      const server = app.listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      return {
        send({ url, ...init }) {
          const job = randomUUID();
          const duplex = init.body instanceof ReadableStream && { duplex: "half" as const };
          const answer = new Promise<{ status: number; text: string; response: Response }>(
            (resolve, reject) => {
              jobs.set(job, async (iam) => {
                try {
                  const response = await iam.fetch(url, Object.assign(init, duplex));
                  resolve({ status: response.status, text: await response.text(), response });
                } catch (error) {
                  // What Express is to answer with stands around what IAM said, which the contract asks for.
                  reject(isUnavailable(error) ? error.cause : error);
                }
              });
            },
          );
          const asked = fetch(`http://127.0.0.1:${port}/${job}`).then((response) => response.text());
          return Promise.all([answer, asked]).then(([given]) => given);
        },
        async close() {
          server.close();
          server.closeAllConnections();
        },
      };
    },
  });
}
