import { iamKy } from "@iam/ky";
import kyPackage from "ky";
import { clientChecks } from "./clients.mjs";

export const ky = clientChecks((manager, origins) => {
  const api = kyPackage.extend(iamKy({ manager, origins }));
  return async (url) => {
    const response = await api.get(url, { throwHttpErrors: false, retry: 0 });
    await response.text();
    return response.status;
  };
});
