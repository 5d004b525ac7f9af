import type { Profile } from "./directory.ts";
import type { GrantRequest } from "./grants.ts";
import { IamRefusal, missingProperty } from "./iam-errors.ts";

/**
 * The trusted profile that a request names, if there is one, and how it names it.
 *
 * Errors: an IamRefusal with BXNIM0109E when it names none (or, if accounts matter, a name without an account), and
 * with BXNIM0113E for a CRN that is none.
 */
export function requestedProfile(
  { call, optional }: GrantRequest,
  accountMatters: boolean,
): { profile: Profile | undefined; asked: string } {
  const [id, crn, name] = [optional("profile_id"), optional("profile_crn"), optional("profile_name")];
  const asked = id ?? crn ?? name;
  if (asked === undefined) throw missingProperty("profile_id");
  if (crn !== undefined && !crn.startsWith("crn:")) throw new IamRefusal("BXNIM0113E");
  const account = optional("account");
  if (accountMatters && name !== undefined && account === undefined) throw missingProperty("account");
  const elsewhere = account !== undefined && account !== call.iam.accountId;
  const by = { ...(id ? { id } : {}), ...(crn ? { crn } : {}), ...(name ? { name } : {}) };
  return { profile: elsewhere ? undefined : call.iam.directory.findProfile(by), asked };
}
