import { iamAxios } from "@iam/axios";
import axiosPackage from "axios";
import { expect } from "../scene.mjs";
import { clientChecks } from "./clients.mjs";

/** The checks of axios, in a bundle for the web, which has no http adapter, or found by the runtime itself. */
export const axiosChecks = ({ isWeb }) => ({
  ...clientChecks((manager, origins) => {
    const instance = axiosPackage.create({ validateStatus: () => true });
    iamAxios(instance, { manager, origins });
    return async (url) => (await instance.get(url)).status;
  }),
  async "the half of axios' build"(scene) {
    expect(hasHttpAdapter() === !isWeb, `axios ${isWeb ? "without" : "with"} its http adapter`);
    const instance = axiosPackage.create({
      adapter: async (config) => ({
        data: "",
        status: 200,
        statusText: "OK",
        headers: {},
        config,
        request: {},
      }),
    });
    iamAxios(instance, { manager: scene.createManager() });
    // Of a class: axios copies plain objects.
    const httpAgent = new (class Agent {})();
    await instance.get("https://x.cloud.ibm.com/", { httpAgent });
    const isFull = JSON.stringify({ httpAgent }) === '{"httpAgent":"[agent]"}';
    expect(isFull === !isWeb, `@iam/axios ${isWeb ? "without" : "with"} what that adapter needs`);
  },
});

function hasHttpAdapter() {
  try {
    return axiosPackage.getAdapter("http") !== undefined;
  } catch {
    return false;
  }
}
