import { createTokenManager } from "@iam/core";
import { credentialsFromEnvironment, crTokenFile, defaultGrant } from "@iam/credentials";
import { expect } from "../../scene.mjs";

async function isAccepted(credentials, { iam, managerOptions }) {
  const manager = createTokenManager({ ...managerOptions, ...credentials });
  const { accessToken } = await manager.getToken();
  const headers = { authorization: `Bearer ${accessToken}` };
  expect((await fetch(`${iam}/resource`, { headers })).status === 200, "a token that is accepted");
}

export const checks = {
  async "from the environment"(scene) {
    const env = { SVC_APIKEY: scene.apiKey, SVC_AUTH_URL: `${scene.iam}/` };
    const found = credentialsFromEnvironment({ service: "svc", env, cwd: "/", home: "/" });
    expect(found.source === "environment", "the environment as the source");
    await isAccepted(found, scene);
  },
  async "from a file"(scene) {
    const found = defaultGrant({ service: "svc", env: {}, cwd: scene.folder, home: "/" });
    expect(found.links.at(-1)?.name === "credentials file", "the file as the source");
    await isAccepted(found, scene);
  },
  async "of this process"() {
    try {
      credentialsFromEnvironment({ service: "a-service-that-is-not-configured" });
    } catch (error) {
      expect(
        error.code === "ERR_IAM_CONFIG" && error.message.includes("ibm-credentials.env"),
        `a list, not ${error}`,
      );
      return;
    }
    expect(false, "an error");
  },
  async "a file that is missing"() {
    try {
      crTokenFile("/no/such/file")();
    } catch (error) {
      expect(error.message.endsWith("/no/such/file does not exist."), `the name of the file in: ${error}`);
      return;
    }
    expect(false, "an error");
  },
};
