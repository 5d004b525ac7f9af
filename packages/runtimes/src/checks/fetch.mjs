import { iamFetch } from "@iam/fetch";
import { clientChecks } from "./clients.mjs";

export const fetch = clientChecks((manager, origins) => {
  const authorized = iamFetch({ manager, origins });
  return async (url) => {
    const response = await authorized(url);
    await response.text();
    return response.status;
  };
});
