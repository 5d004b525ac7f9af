import { apiKeyGrant, createTokenManager } from "@iam/core";
import { createEmulator } from "@iam/emulator/handler";
import { expect } from "../scene.mjs";

export const checks = {
  async "as a fetch handler"({ managerOptions }) {
    const local = createEmulator();
    const manager = createTokenManager({
      ...managerOptions,
      grant: apiKeyGrant(local.apiKey),
      tokenEndpoint: "https://iam.test",
      fetch: (input, init) => local.fetch(new Request(input, init)),
    });
    const { accessToken } = await manager.getToken();
    const answer = await local.fetch(
      new Request("https://iam.test/resource", { headers: { authorization: `Bearer ${accessToken}` } }),
    );
    expect(answer.status === 200, "200 of its own resource");
  },
};
