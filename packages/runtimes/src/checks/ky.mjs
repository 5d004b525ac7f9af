import { iamKy } from "@iam/ky";
import ky from "ky";
import { clientChecks } from "../client-checks.mjs";

export const checks = clientChecks((manager, origins) => {
  const api = ky.extend(iamKy({ manager, origins }));
  return async (url) => {
    const response = await api.get(url, { throwHttpErrors: false, retry: 0 });
    await response.text();
    return response.status;
  };
});
