import { IamError } from "@iam/core";
import { findCredentialsFile, readCredentialsFile } from "./credentials-file.ts";
import type { Look } from "./links.ts";
import { parseCredentialsFile } from "./parse-credentials-file.ts";
import { memberProperties, type Properties, prefixedProperties, prefixOf } from "./properties.ts";
import type { Surroundings } from "./surroundings.ts";
import { vcapCredentials } from "./vcap-services.ts";

/**
 * What is looked for: the properties of a service, an API key that is not of one service, or in each place the one, else
 * the other.
 */
export interface Wanted {
  readonly service?: string | undefined;
  readonly plainKey: boolean;
}

/** What was found in a source. */
export type Found = { readonly properties: Properties } | { readonly plainKey: PlainKey };

/** An API key that is not of one service, or the file that it is in. */
export interface PlainKey {
  /** The variable. */
  readonly name: string;
  readonly source: string;
  readonly value: string;
  readonly isFile: boolean;
}

/** How the CLI and Terraform name the variable of the API key, and each with the file that it is in. */
const plainNames = ["IBMCLOUD_API_KEY", "IC_API_KEY"] as const;

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Looks into the sources in their order; into a later one only when nothing was found before.
 *
 * Errors: `ERR_IAM_CONFIG` for the name of a service that is empty or no string: with the prefix `_` nothing is found that
 * anyone meant.
 */
export function* lookForCredentials(wanted: Wanted, surroundings: Surroundings): Generator<Look<Found>> {
  if (wanted.service !== undefined) requireServiceName(wanted.service);
  yield lookIntoFile(wanted, surroundings);
  yield { name: "environment", ...lookAmong(surroundings.env, "environment", wanted) };
  if (wanted.service !== undefined) yield lookIntoVcap(wanted.service, surroundings);
}

/** Errors: `ERR_IAM_CONFIG` for what is not the name of a service. */
export function requireServiceName(service: unknown): asserts service is string {
  if (typeof service === "string" && service !== "") return;
  throw new IamError("ERR_IAM_CONFIG", 'The name of a service is missing, such as { service: "cloudant" }.');
}

function lookIntoFile(wanted: Wanted, surroundings: Surroundings): Look<Found> {
  const file = findCredentialsFile(surroundings);
  const name = "credentials file";
  if ("lookedAt" in file) return { name, reason: `none at ${file.lookedAt.join(", ")}` };
  const { path } = file;
  const { found, reason } = lookAmong(parseCredentialsFile(readCredentialsFile(path)), path, wanted);
  return { name, found, reason: `${path}: ${reason}` };
}

function lookAmong(
  variables: Variables,
  source: string,
  { service, plainKey: wantsPlainKey }: Wanted,
): { found?: Found; reason: string } {
  const reasons: string[] = [];
  if (service !== undefined) {
    const properties = prefixedProperties(variables, service, source);
    if (properties) return { found: { properties }, reason: `${prefixOf(service)}*` };
    reasons.push(withoutProperties(variables, prefixOf(service)));
    const unused = wantsPlainKey ? undefined : plainKeyIn(variables, source);
    if (unused) reasons.push(`${unused.name} is set, and is not used for a service that is named`);
  }
  if (wantsPlainKey) {
    const plainKey = plainKeyIn(variables, source);
    if (plainKey) return { found: { plainKey }, reason: plainKey.name };
    reasons.push(`${plainNames.join(" and ")} are not set`);
  }
  return { reason: reasons.join("; ") };
}

/** A name that is not read is often one that was misspelt. */
function withoutProperties(variables: Variables, prefix: string): string {
  const others = Object.keys(variables).filter((name) => name.startsWith(prefix));
  if (others.length === 0) return `no variable begins with ${prefix}`;
  const shown = others.slice(0, 3).join(", ");
  return `${shown}${others.length > 3 ? ", …" : ""}: no name that is read behind ${prefix}`;
}

/** One that is set to nothing counts as not set: templates of deployments leave such variables behind. */
function plainKeyIn(variables: Variables, source: string): PlainKey | undefined {
  const names = plainNames.flatMap((name) => [
    { name, isFile: false },
    { name: `${name}_FILE`, isFile: true },
  ]);
  for (const { name, isFile } of names) {
    const value = variables[name]?.trim();
    if (value) return { name, source, value, isFile };
  }
  return undefined;
}

function lookIntoVcap(service: string, { env }: Surroundings): Look<Found> {
  const name = "VCAP_SERVICES";
  const text = env.VCAP_SERVICES?.trim();
  if (!text) return { name, reason: "the variable is not set" };
  const members = vcapCredentials(text, service);
  if (members === undefined) return { name, reason: `no instance and no key of the name ${service}` };
  const properties = memberProperties(members, name);
  return properties
    ? { name, found: { properties }, reason: service }
    : { name, reason: `${service} has credentials without a member that is read here` };
}
