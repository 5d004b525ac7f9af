import { createTokenManager } from "@iam/core";
import { discoverIam, openidGrant, openidTransport } from "@iam/openid-client";
import { counters, expect } from "../scene.mjs";

async function makesOneGrant(scene, manager) {
  const before = await counters(scene);
  const { accessToken } = await manager.getToken();
  expect((await counters(scene)).grants - before.grants === 1, "one grant");
  const headers = { authorization: `Bearer ${accessToken}` };
  expect((await fetch(`${scene.iam}/resource`, { headers })).status === 200, "a token that is accepted");
}

export const checks = {
  async "discovery and exchange"(scene) {
    const configuration = await discoverIam(scene.iam);
    await makesOneGrant(scene, scene.createManager({ transport: openidTransport(configuration) }));
  },
  async "a grant of its own"(scene) {
    const configuration = await discoverIam(scene.iam);
    const grantType = "urn:ibm:params:oauth:grant-type:apikey";
    const grant = openidGrant(configuration, grantType, { apikey: scene.apiKey });
    const transport = openidTransport(configuration);
    await makesOneGrant(scene, createTokenManager({ ...scene.managerOptions, grant, transport }));
  },
};
