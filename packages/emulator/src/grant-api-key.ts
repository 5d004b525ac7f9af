import type { Grant } from "./grants.ts";
import { IamRefusal } from "./iam-errors.ts";

/** The API key grant, for keys of users and of service IDs. */
export const apiKeyGrant: Grant = ({ call, required }) => {
  const apiKey = call.iam.apiKeys.find(required("apikey"));
  if (!apiKey) throw new IamRefusal("BXNIM0415E");
  if (apiKey.disabled) throw new IamRefusal("BXNIM0462E");
  if (apiKey.expiresAt !== undefined && apiKey.expiresAt <= call.now) throw new IamRefusal("BXNIM9001E");
  return { identity: apiKey.owner };
};
