import { once } from "node:events";
import { iamExpress, iamProxy, requireIam } from "@iam/express";
import { createVerifier } from "@iam/verify";
import express from "express";
import { createProxyMiddleware } from "http-proxy-middleware";
import { clientChecks } from "../../client-checks.mjs";
import { expect } from "../../scene.mjs";

/** Serves with an app, calls it once, and gives the status of the answer. */
async function call(scene, app, headers = {}) {
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const response = await scene.callServer(`http://127.0.0.1:${server.address().port}/`, { headers });
    await response.text();
    return response.status;
  } finally {
    server.closeAllConnections?.();
    server.close();
  }
}

export const checks = {
  ...clientChecks((manager, origins, scene) => async (url) => {
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
    const status = await call(scene, app);
    if (failure) throw failure;
    return status;
  }),
  async "caller checked"(scene) {
    const { accessToken } = await scene.createManager().getToken();
    const app = express();
    app.use(requireIam({ verifier: createVerifier({ jwksUrl: `${scene.iam}/identity/keys` }) }));
    app.get("/", (req, res) => res.status(req.auth.payload.iam_id ? 204 : 500).end());
    app.use((error, _req, res, _next) => res.status(error.status).end());
    expect(
      (await call(scene, app, { authorization: `Bearer ${accessToken}` })) === 204,
      "a good token let in",
    );
    expect((await call(scene, app)) === 401, "401 without one");
  },
  async gateway(scene) {
    const iam = iamProxy({ manager: scene.createManager(), origins: [scene.iam], allowAnonymous: true });
    const pathRewrite = () => "/resource";
    const proxy = createProxyMiddleware({ target: scene.iam, changeOrigin: true, pathRewrite, on: iam.on });
    const app = express();
    app.use(iam.middleware, proxy);
    expect((await call(scene, app)) === 200, "200 through the gateway");
  },
};
