import { once } from "node:events";
import { iamExpress } from "@iam/express";
import express from "express";
import { clientChecks } from "../../client-checks.mjs";

export const checks = clientChecks((manager, origins) => async (url) => {
  const app = express();
  let failure;
  app.use(iamExpress({ manager, origins, lazy: true }));
  app.get("/", async (req, res) => {
    try {
      const answer = await req.iam.fetch(url);
      await answer.text();
      res.sendStatus(answer.status);
    } catch (error) {
      failure = error;
      res.sendStatus(500);
    }
  });
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const response = await globalThis.fetch(`http://127.0.0.1:${server.address().port}/`);
    await response.text();
    if (failure) throw failure;
    return response.status;
  } finally {
    server.closeAllConnections?.();
    server.close();
  }
});
