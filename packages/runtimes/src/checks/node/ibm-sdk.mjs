import { iamAuthenticator } from "@iam/ibm-sdk";
import sdk from "ibm-cloud-sdk-core";
import { clientChecks } from "../../client-checks.mjs";

/** What IBM's generator makes for each of its services. */
class Service extends sdk.BaseService {
  read(path) {
    const options = { url: path, method: "GET" };
    return this.createRequest({ options, defaultOptions: { ...this.baseOptions, headers: {} } });
  }
}

export const checks = clientChecks((manager, origins) => async (url) => {
  const { origin, pathname } = new URL(url);
  const authenticator = iamAuthenticator({ manager, origins });
  return (await new Service({ authenticator, serviceUrl: origin }).read(pathname)).status;
});
