import type { Profile } from "./directory.ts";
import type { GrantRequest } from "./grants.ts";
import { IamRefusal, invalidProperty, missingProperty } from "./iam-errors.ts";

/**
 * The trusted profile that a request names, if there is one, and how it names it.
 *
 * A compute resource may name it in several ways that agree; who assumes it names it in one, and gives the account with
 * a name. What IAM answers to more is not public: here it is BXNIM0106E.
 *
 * Errors: an IamRefusal with BXNIM0109E when it names none, or a name without the account, and with BXNIM0113E for a CRN
 * that is none.
 */
export function requestedProfile(
  { call, optional }: GrantRequest,
  isAssumed: boolean,
): { profile: Profile | undefined; asked: string } {
  const [id, crn, name] = [optional("profile_id"), optional("profile_crn"), optional("profile_name")];
  const asked = id ?? crn ?? name;
  if (asked === undefined) throw missingProperty("profile_id");
  const names = { profile_id: id, profile_crn: crn, profile_name: name };
  const [, second] = Object.entries(names).filter(([, value]) => value !== undefined);
  if (isAssumed && second?.[1] !== undefined)
    throw invalidProperty(second[0], second[1], ["none beside another name of the profile"]);
  if (crn !== undefined && !crn.startsWith("crn:")) throw new IamRefusal("BXNIM0113E");
  const account = optional("account");
  if (isAssumed && name !== undefined && account === undefined) throw missingProperty("account");
  const elsewhere = account !== undefined && account !== call.iam.accountId;
  const by = { ...(id ? { id } : {}), ...(crn ? { crn } : {}), ...(name ? { name } : {}) };
  return { profile: elsewhere ? undefined : call.iam.directory.findProfile(by), asked };
}
