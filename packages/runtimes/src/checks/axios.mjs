import { iamAxios } from "@iam/axios";
import axios from "axios";
import { clientChecks } from "../client-checks.mjs";

export const checks = clientChecks((manager, origins) => {
  const instance = axios.create({ validateStatus: () => true });
  iamAxios(instance, { manager, origins });
  return async (url) => (await instance.get(url)).status;
});
