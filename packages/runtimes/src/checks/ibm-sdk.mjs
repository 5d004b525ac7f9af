import { iamAuthenticator } from "@iam/ibm-sdk";
import axios from "axios";
import { clientChecks } from "./clients.mjs";

export const ibmSdk = clientChecks((manager, origins) => {
  const authenticator = iamAuthenticator({ manager, origins });
  return async (url) => {
    // What the SDK does for each request of a service.
    const options = { serviceUrl: url };
    await authenticator.authenticate(options);
    const { headers, axiosOptions } = options;
    const { status } = await axios.get(url, { ...axiosOptions, headers, validateStatus: () => true });
    return status;
  };
});
