import { createTokenManager } from "@iam/core";
import { credentialsFromEnvironment } from "@iam/credentials";
import { expect } from "../scene.mjs";

export const credentials = {
  async "key of the environment"(scene) {
    const env = { IBMCLOUD_API_KEY: scene.apiKey };
    const manager = createTokenManager({ ...credentialsFromEnvironment({ env }), ...scene.managerOptions });
    expect((await manager.getToken()).tokenType === "Bearer", "a token");
  },
  async "properties of a service"(scene) {
    const env = {
      MY_SERVICE_APIKEY: scene.apiKey,
      MY_SERVICE_AUTH_URL: scene.iam,
      MY_SERVICE_URL: scene.iam,
    };
    const found = credentialsFromEnvironment({ service: "my-service", env });
    expect(found.url === scene.iam, "the service's own URL");
    expect((await createTokenManager(found).getToken()).tokenType === "Bearer", "a token");
  },
};
