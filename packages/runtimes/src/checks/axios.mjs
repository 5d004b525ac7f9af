import { iamAxios } from "@iam/axios";
import axios from "axios";
import { clientChecks } from "../client-checks.mjs";
import { expect } from "../scene.mjs";

export const checks = {
  ...clientChecks((manager, origins) => {
    const instance = axios.create({ validateStatus: () => true });
    iamAxios(instance, { manager, origins });
    return async (url) => (await instance.get(url)).status;
  }),
  // In a bundle for the web axios has no http adapter, and ours is the half without what only that needs.
  async "the half of axios' build"({ createManager, isBundled }) {
    expect(hasHttpAdapter() === !isBundled, `axios ${isBundled ? "without" : "with"} its http adapter`);
    const instance = axios.create({
      adapter: async (config) => ({
        data: "",
        status: 200,
        statusText: "OK",
        headers: {},
        config,
        request: {},
      }),
    });
    iamAxios(instance, { manager: createManager() });
    // Of a class: axios copies plain objects.
    const httpAgent = new (class Agent {})();
    await instance.get("https://x.cloud.ibm.com/", { httpAgent });
    const isFull = JSON.stringify({ httpAgent }) === '{"httpAgent":"[agent]"}';
    expect(isFull === !isBundled, `@iam/axios ${isBundled ? "without" : "with"} what that adapter needs`);
  },
};

function hasHttpAdapter() {
  try {
    return axios.getAdapter("http") !== undefined;
  } catch {
    return false;
  }
}
