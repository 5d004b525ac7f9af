import {
  apiKeyGrant,
  crTokenGrant,
  type Grant,
  IamError,
  type SecretSource,
  type VpcInstanceGrantOptions,
  vpcInstanceGrant,
} from "@iam/core";
import type { CredentialsFromEnvironmentOptions } from "./credentials-from-environment.ts";
import { firstOf, type Link, type Look } from "./links.ts";
import { shownPath, whatIsAt } from "./read-file.ts";
import { crTokenFile, crTokenFiles } from "./secret-file.ts";
import { tokenServiceOf } from "./service.ts";
import { lookForCredentials } from "./sources.ts";
import { requireObject, type Surroundings, surroundingsOf } from "./surroundings.ts";

/** Options of {@link defaultGrant}. Read once. */
export interface DefaultGrantOptions extends CredentialsFromEnvironmentOptions {
  /** A grant that needs no looking. Default: none. */
  grant?: Grant | undefined;
  /** An API key that needs no looking. Default: none. */
  apiKey?: SecretSource;
  /** The trusted profile for the token of a compute resource, by id. Default: from `IBMCLOUD_CR_PROFILE`. */
  profileId?: string | undefined;
  /** The same by name. Default: from `IBMCLOUD_CR_PROFILE`. */
  profileName?: string | undefined;
  /** The files that the token of a compute resource may be in. Default: {@link crTokenFiles}. */
  crTokenFiles?: readonly string[] | undefined;
  /**
   * Whether to ask the metadata service of a VPC instance when nothing else is there, and how. Default: false, because its
   * address answers nobody elsewhere, and can be taken by somebody else there.
   */
  vpc?: boolean | VpcInstanceGrantOptions | undefined;
}

/** What {@link defaultGrant} found. `createTokenManager` takes it as it is. */
export interface DefaultGrant {
  /** What to ask for. */
  readonly grant: Grant;
  /** Whom to ask, when it is not the usual one. */
  readonly tokenEndpoint?: string | undefined;
  /** Where it was looked for, up to the place that had it: no secrets, to be logged. */
  readonly links: readonly Link[];
}

type Source = Pick<DefaultGrant, "grant" | "tokenEndpoint">;

/**
 * The first grant there is: what is passed in, else from the credentials file, the environment, `VCAP_SERVICES`, the token of
 * a compute resource in a file, and the metadata service of a VPC instance if asked for.
 *
 * What is there but wrong is an error: it is not passed over.
 *
 * Errors: `ERR_IAM_CONFIG` that names what is wrong, or lists every place that was looked at.
 *
 * @example
 * ```ts
 * import { createTokenManager } from "@iam/core";
 * import { defaultGrant } from "@iam/credentials";
 * const found = defaultGrant({ profileName: "my-profile" });
 * console.log(found.links.map(({ name, reason }) => `${name}: ${reason}`).join("\n"));
 * export const manager = createTokenManager(found);
 * ```
 */
export function defaultGrant(options: DefaultGrantOptions = {}): DefaultGrant {
  requireObject("defaultGrant", options);
  const surroundings = surroundingsOf(options);
  const { service } = options;
  const whose = service === undefined ? "IBM Cloud" : `the service ${service}`;
  const { found, links } = firstOf(lookEverywhere(options, surroundings), whose);
  return { ...found(), links };
}

/** Each look gives a function, because making a grant can fail for reasons that are not those of the look. */
function* lookEverywhere(
  options: DefaultGrantOptions,
  surroundings: Surroundings,
): Generator<Look<() => Source>> {
  yield lookAtOptions(options);
  const wanted = { service: options.service, plainKey: true };
  for (const { found, ...look } of lookForCredentials(wanted, surroundings)) {
    yield { ...look, found: found && (() => pick(tokenServiceOf(found, [], surroundings))) };
  }
  if (options.service === undefined) yield { name: "VCAP_SERVICES", reason: "no service is named" };
  yield lookForCrToken(options, surroundings);
  yield lookForVpc(options);
}

function pick({ grant, tokenEndpoint }: Source): Source {
  return { grant, ...(tokenEndpoint !== undefined && { tokenEndpoint }) };
}

function lookAtOptions({ grant, apiKey }: DefaultGrantOptions): Look<() => Source> {
  const name = "explicit";
  if (grant !== undefined && apiKey !== undefined)
    throw new IamError("ERR_IAM_CONFIG", "defaultGrant: grant and apiKey are both given: give one.");
  if (grant !== undefined) {
    if (typeof grant?.exchange !== "function")
      throw new IamError("ERR_IAM_CONFIG", "defaultGrant: grant must be a grant, such as apiKeyGrant(key).");
    return { name, found: () => ({ grant }), reason: "the option grant" };
  }
  if (apiKey !== undefined)
    return { name, found: () => ({ grant: apiKeyGrant(apiKey) }), reason: "the option apiKey" };
  return { name, reason: "neither grant nor apiKey is given" };
}

function lookForCrToken(
  { crTokenFiles: files = crTokenFiles, ...options }: DefaultGrantOptions,
  { env }: Surroundings,
): Look<() => Source> {
  const name = "CR token file";
  const file = files.find((each) => whatIsAt(each) !== "nothing");
  if (file === undefined) return { name, reason: `none at ${files.map(shownPath).join(", ")}` };
  const { profileId, profileName } = options;
  const profile = profileId || profileName ? { profileId, profileName } : profileIn(env.IBMCLOUD_CR_PROFILE);
  if (profile === undefined)
    return {
      name,
      reason: `${file} is there, but no trusted profile is named: give profileId or profileName, or set IBMCLOUD_CR_PROFILE`,
    };
  return { name, found: () => ({ grant: crTokenGrant(crTokenFile(files), profile) }), reason: file };
}

/** The CLI's variable takes an id or a name. */
function profileIn(variable: string | undefined) {
  const value = variable?.trim();
  if (!value) return undefined;
  return value.startsWith("Profile-") ? { profileId: value } : { profileName: value };
}

function lookForVpc({ vpc }: DefaultGrantOptions): Look<() => Source> {
  const name = "VPC metadata";
  if (!vpc) return { name, reason: "not asked for: give vpc: true" };
  return {
    name,
    found: () => ({ grant: vpcInstanceGrant(vpc === true ? {} : vpc) }),
    reason: "asked for with the option vpc",
  };
}
