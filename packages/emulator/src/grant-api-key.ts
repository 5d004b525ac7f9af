import type { Grant } from "./grants.ts";
import { IamRefusal } from "./iam-errors.ts";

/** The API key grant, for keys of users and of service IDs. */
export const apiKeyGrant: Grant = ({ call, required, optional }) => {
  const apiKey = call.iam.apiKeys.find(required("apikey"));
  if (!apiKey) throw new IamRefusal("BXNIM0415E");
  if (apiKey.disabled) throw new IamRefusal("BXNIM0462E");
  if (apiKey.expiresAt !== undefined && apiKey.expiresAt <= call.now) throw new IamRefusal("BXNIM9001E");
  const account = optional("account");
  if (account !== undefined && account !== call.iam.accountId) throw new IamRefusal("BXNIM0141E");
  return { identity: apiKey.owner };
};
