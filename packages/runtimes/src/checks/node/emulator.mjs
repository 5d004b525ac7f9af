import { apiKeyGrant, createTokenManager } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import { expect } from "../../scene.mjs";

export const checks = {
  async "as a server"({ managerOptions }) {
    const local = await startEmulator();
    const manager = createTokenManager({
      ...managerOptions,
      tokenEndpoint: local.url,
      grant: apiKeyGrant(local.apiKey),
    });
    const { accessToken } = await manager.getToken();
    const headers = { authorization: `Bearer ${accessToken}` };
    expect((await fetch(`${local.url}/resource`, { headers })).status === 200, "200 of its own resource");
    expect(local.counters.grants === 1, "one grant, counted");
    await local.close();
  },
};
