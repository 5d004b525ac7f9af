import { discoverIam, openidTransport } from "@iam/openid-client";
import { counters, expect } from "../scene.mjs";

export const checks = {
  async "discovery and exchange"(scene) {
    const configuration = await discoverIam(scene.iam);
    const before = await counters(scene);
    const manager = scene.createManager({ transport: openidTransport(configuration) });
    const { accessToken } = await manager.getToken();
    expect((await counters(scene)).grants - before.grants === 1, "one grant");
    const headers = { authorization: `Bearer ${accessToken}` };
    expect((await fetch(`${scene.iam}/resource`, { headers })).status === 200, "a token that is accepted");
  },
};
