/** Which trusted profile. */
export interface TrustedProfileOptions {
  /** Its id, `Profile-…`. */
  profileId?: string | undefined;
  /** Its CRN. */
  profileCrn?: string | undefined;
  /** Its name. */
  profileName?: string | undefined;
}

/** The options of a trusted profile by the names they have in this project. */
export const profileOptionNames = ["profileId", "profileCrn", "profileName"] as const;

/** Where the trust of a profile is arranged. */
export const trustAdvice = "check its name and its trust at https://cloud.ibm.com/iam/trusted-profiles";

/** The form fields of a trusted profile. */
export function profileFields(
  profile: TrustedProfileOptions,
): Readonly<Record<"profile_id" | "profile_crn" | "profile_name", string | undefined>> {
  const { profileId: profile_id, profileCrn: profile_crn, profileName: profile_name } = profile;
  return { profile_id, profile_crn, profile_name };
}
