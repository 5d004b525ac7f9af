import { iamAuthenticator } from "@iam/ibm-sdk";
import { cosTokenManager, iamCos } from "@iam/ibm-sdk/cos";
import sdk from "ibm-cloud-sdk-core";
import { clientChecks } from "../../client-checks.mjs";
import { expect } from "../../scene.mjs";

/** What IBM's generator makes for each of its services. */
class Service extends sdk.BaseService {
  read(path) {
    const options = { url: path, method: "GET" };
    return this.createRequest({ options, defaultOptions: { ...this.baseOptions, headers: {} } });
  }
}

export const checks = {
  ...clientChecks((manager, origins) => async (url) => {
    const { origin, pathname } = new URL(url);
    const authenticator = iamAuthenticator({ manager, origins });
    return (await new Service({ authenticator, serviceUrl: origin }).read(pathname)).status;
  }),
  async "token for Object Storage"(scene) {
    expect(typeof iamCos === "function", "iamCos");
    const tokens = cosTokenManager({ manager: scene.createManager() });
    const { accessToken } = await tokens.refreshToken();
    expect(tokens.token.accessToken === accessToken, "the token that was obtained");
    const headers = { authorization: `Bearer ${accessToken}` };
    expect((await fetch(`${scene.iam}/resource`, { headers })).status === 200, "a token that is accepted");
  },
};
