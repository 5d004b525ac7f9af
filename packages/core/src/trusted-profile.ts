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

/** The form fields of a trusted profile. */
export function profileFields(profile: TrustedProfileOptions): {
  profile_id: string | undefined;
  profile_crn: string | undefined;
  profile_name: string | undefined;
} {
  const { profileId: profile_id, profileCrn: profile_crn, profileName: profile_name } = profile;
  return { profile_id, profile_crn, profile_name };
}
