import { iamAxios } from "@iam/axios";
import axiosPackage from "axios";
import { clientChecks } from "./clients.mjs";

export const axios = clientChecks((manager, origins) => {
  const instance = axiosPackage.create({ validateStatus: () => true });
  iamAxios(instance, { manager, origins });
  return async (url) => (await instance.get(url)).status;
});
