import { iamFetch } from "@iam/fetch";
import { clientChecks } from "../client-checks.mjs";

export const checks = clientChecks((manager, origins) => {
  const authorized = iamFetch({ manager, origins });
  return async (url) => {
    const response = await authorized(url);
    await response.text();
    return response.status;
  };
});
