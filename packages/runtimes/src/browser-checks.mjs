import { apiKeyGrant, createTokenManager } from "@iam/core";
import { expect } from "./scene.mjs";

/** What only a browser must refuse. */
export const browserChecks = {
  async "API key refused without allowBrowser"({ apiKey, iam }) {
    let code;
    try {
      createTokenManager({ grant: apiKeyGrant(apiKey), tokenEndpoint: iam });
    } catch (error) {
      code = error.code;
    }
    expect(code === "ERR_IAM_CONFIG", "a typed refusal");
  },
};
