import { EmulatorError } from "./emulator-error.ts";
import { randomHex } from "./fingerprint.ts";
import { type CrnIdentity, defaultUser, type ProfileIdentity, type UserIdentity } from "./identity.ts";

/** A person who can sign in. */
export interface User {
  readonly identity: UserIdentity;
  /** The password of the password grant; the user name is the e-mail address. */
  readonly password: string;
  /** Why a sign-in is refused: BXNIM0608E, BXNIM0410E or BXNIM0436E. Default: `active`. */
  readonly state: "active" | "federated" | "inactive" | "suspended";
}

/** A trusted profile and who may assume it. */
export interface Profile {
  readonly identity: ProfileIdentity;
  readonly crn: string;
  readonly description: string;
  /** IAM ids that may assume it. Default: `anyone`. */
  readonly assumableBy: "anyone" | readonly string[];
}

/** A compute resource: its token, and the profiles that are linked to it. */
export interface ComputeResource {
  /** What the platform projects into its file system. */
  readonly token: string;
  readonly identity: CrnIdentity;
  /** Ids of the linked profiles. Default: all. */
  readonly profileIds: "all" | readonly string[];
  /** From this moment of the emulator's clock on the token is refused; epoch milliseconds. */
  readonly expiresAt?: number;
}

/** What the directory starts with; whatever is not given has a default. */
export interface DirectoryOptions {
  /** Default: one user, `ada@example.com`. */
  readonly users?: readonly UserOptions[];
  /** Default: one profile, `emulator-profile`. */
  readonly profiles?: readonly ProfileOptions[];
  /** Default: one resource, whose token is `emulator-cr-token`. */
  readonly computeResources?: readonly ComputeResourceOptions[];
}

/** How to register a user. */
export type UserOptions = Pick<User, "password"> & Partial<User>;

/** How to register a trusted profile. */
export type ProfileOptions = Pick<Profile, "identity"> & Partial<Profile>;

/** How to register a compute resource. */
export type ComputeResourceOptions = Pick<ComputeResource, "token"> & Partial<ComputeResource>;

/**
 * Users, trusted profiles and compute resources of an emulator; adding one with a known name replaces it.
 *
 * @example
 * ```ts
 * import { createEmulator } from "@iam/emulator";
 * export const passcode = createEmulator().directory.createPasscode();
 * ```
 */
export interface Directory {
  addUser(options: UserOptions): User;
  addProfile(options: ProfileOptions): Profile;
  addComputeResource(options: ComputeResourceOptions): ComputeResource;
  findUser(userName: string): User | undefined;
  /** By id (with or without `iam-`), CRN or name. */
  findProfile(by: { id?: string; crn?: string; name?: string }): Profile | undefined;
  findComputeResource(token: string): ComputeResource | undefined;
  profiles(): readonly Profile[];
  /** A one-time code for a user, the default user unless told otherwise. Errors: ERR_EMULATOR_OPTION. */
  createPasscode(userName?: string): string;
  /** The user of a code, which is spent by asking. */
  spendPasscode(passcode: string): User | undefined;
  reset(): void;
}

/** The password of the default user. */
export const defaultPassword = "emulator-password";

/** The token of the default compute resource. */
export const defaultCrToken = "emulator-cr-token";

/** The trusted profile that the emulator knows when it is told of none. */
export const defaultProfile: ProfileIdentity = {
  kind: "profile",
  id: "Profile-9d0b8c3e-7a41-4f6e-b0d5-2f3c1e6a7b89",
  name: "emulator-profile",
};

const defaultResource: CrnIdentity = {
  kind: "crn",
  crn: "crn:v1:bluemix:public:containers-kubernetes:us-south:a/emulator:cluster::",
};

/** Makes the directory of one account. */
export function createDirectory(initial: DirectoryOptions, accountId: string): Directory {
  const users = new Map<string, User>();
  const profiles = new Map<string, Profile>();
  const resources = new Map<string, ComputeResource>();
  const passcodes = new Map<string, string>();

  const addUser = (options: UserOptions) => {
    const user: User = { identity: defaultUser, state: "active", ...options };
    users.set(user.identity.email.toLowerCase(), user);
    return user;
  };
  const addProfile = (options: ProfileOptions) => {
    const crn = `crn:v1:bluemix:public:iam-identity::a/${accountId}::profile:${options.identity.id}`;
    const profile: Profile = { crn, description: "", assumableBy: "anyone", ...options };
    profiles.set(profile.identity.id, profile);
    return profile;
  };
  const addComputeResource = (options: ComputeResourceOptions) => {
    const resource: ComputeResource = { identity: defaultResource, profileIds: "all", ...options };
    resources.set(resource.token, resource);
    return resource;
  };
  const findUser = (userName: string) => users.get(userName.toLowerCase());
  const reset = () => {
    for (const map of [users, profiles, resources, passcodes]) map.clear();
    for (const user of initial.users ?? [{ password: defaultPassword }]) addUser(user);
    for (const profile of initial.profiles ?? [{ identity: defaultProfile }]) addProfile(profile);
    for (const resource of initial.computeResources ?? [{ token: defaultCrToken }])
      addComputeResource(resource);
  };
  reset();

  return {
    addUser,
    addProfile,
    addComputeResource,
    findUser,
    findProfile({ id, crn, name }) {
      const matches = ({ identity, crn: own }: Profile) =>
        (id === undefined || id === identity.id || id === `iam-${identity.id}`) &&
        (crn === undefined || crn === own) &&
        (name === undefined || name === identity.name);
      return [...profiles.values()].find(matches);
    },
    findComputeResource: (token) => resources.get(token.trim()),
    profiles: () => [...profiles.values()],
    createPasscode(userName = defaultUser.email) {
      if (!findUser(userName))
        throw new EmulatorError("ERR_EMULATOR_OPTION", "No such user is registered with this emulator.");
      const passcode = randomHex(5);
      passcodes.set(passcode, userName);
      return passcode;
    },
    spendPasscode(passcode) {
      const userName = passcodes.get(passcode);
      passcodes.delete(passcode);
      return userName === undefined ? undefined : findUser(userName);
    },
    reset,
  };
}

/** Whether an IAM id may assume a profile. */
export function mayAssume(profile: Profile, iamId: string): boolean {
  return profile.assumableBy === "anyone" || profile.assumableBy.includes(iamId);
}

/** Whether a profile is linked to a compute resource. */
export function isLinked(resource: ComputeResource, profile: Profile): boolean {
  return resource.profileIds === "all" || resource.profileIds.includes(profile.identity.id);
}
