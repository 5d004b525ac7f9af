import type { User } from "./directory.ts";
import type { Grant, GrantRequest } from "./grants.ts";
import { IamRefusal } from "./iam-errors.ts";

/** The password grant, for people who are not federated; the client must authenticate itself. */
export const passwordGrant: Grant = (request) => {
  request.requiredClient();
  const user = request.call.iam.directory.findUser(request.required("username"));
  const password = request.required("password");
  if (user?.state === "federated") throw new IamRefusal("BXNIM0608E");
  if (user?.password !== password) throw new IamRefusal("BXNIM0602E");
  return opened(request, user);
};

/** The grant by a one-time passcode. What IAM answers to a wrong one is not public: here, as to a wrong password. */
export const passcodeGrant: Grant = (request) => {
  request.requiredClient();
  const user = request.call.iam.directory.spendPasscode(request.required("passcode"));
  if (!user) throw new IamRefusal("BXNIM0602E");
  return opened(request, user);
};

function opened({ call, optional }: GrantRequest, { identity, state }: User): Awaited<ReturnType<Grant>> {
  if (state === "inactive") throw new IamRefusal("BXNIM0410E");
  if (state === "suspended") throw new IamRefusal("BXNIM0436E");
  const account = optional("account");
  if (account !== undefined && account !== call.iam.accountId) throw new IamRefusal("BXNIM0141E");
  const sessionId = `C-${crypto.randomUUID()}`;
  // Without an account the token is good for next to nothing, as at IAM.
  const claims = { session_id: sessionId, ...(account === undefined ? { account: undefined } : {}) };
  return { identity, sessionId, order: { claims } };
}
