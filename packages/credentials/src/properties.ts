import { IamError } from "@iam/core";

/** The properties of a service that are read, as the environment and the credentials file spell them behind the prefix. */
export const propertyNames = [
  "APIKEY",
  "APIKEY_FILE",
  "AUTHTYPE",
  "AUTH_DISABLE_SSL",
  "AUTH_TYPE",
  "AUTH_URL",
  "BEARER_TOKEN",
  "CALLER_EXT_CLAIM",
  "CLIENT_ID",
  "CLIENT_SECRET",
  "CR_TOKEN_FILENAME",
  "DISABLE_SSL",
  "ENABLE_GZIP",
  "ENABLE_RETRIES",
  "IAM_ACCOUNT_ID",
  "IAM_APIKEY",
  "IAM_PROFILE_CRN",
  "IAM_PROFILE_ID",
  "IAM_PROFILE_NAME",
  "INCLUDE_BUILTIN_ACTIONS",
  "INCLUDE_CUSTOM_ACTIONS",
  "INCLUDE_ROLES",
  "MAX_RETRIES",
  "PASSWORD",
  "PREFIX_ROLES",
  "REFRESH_TOKEN",
  "RETRY_INTERVAL",
  "SCOPE",
  "SCOPE_COLLECTION_TYPE",
  "SCOPE_ID",
  "SERVICE_VERSION",
  "TOKEN_LIFETIME",
  "URL",
  "USERNAME",
  "VPC_IMS_VERSION",
] as const;

/** One of {@link propertyNames}. */
export type PropertyName = (typeof propertyNames)[number];

/** Whoever chose these may have chosen a space. */
const spaceMatters: readonly PropertyName[] = ["CLIENT_SECRET", "PASSWORD"];

/** The properties of one service, from one source. */
export interface Properties {
  /** Where they are from, in words. */
  readonly source: string;
  /** How the source spells a property. */
  nameOf(property: PropertyName): string;
  /** A value without the white space around it, unless it is a password; undefined when it is not set, or empty. */
  text(property: PropertyName): string | undefined;
  /** The same. Errors: `ERR_IAM_CONFIG` when it is missing or empty. */
  required(property: PropertyName): string;
  /** `true`, `t` and `1`, or `false`, `f` and `0`, in any case. Errors: `ERR_IAM_CONFIG` for anything else. */
  flag(property: PropertyName): boolean | undefined;
  /** A whole number of 0 or more. Errors: `ERR_IAM_CONFIG` for anything else. */
  wholeNumber(property: PropertyName): number | undefined;
  /** A JSON object. Errors: `ERR_IAM_CONFIG` for anything else, which is not shown. */
  object(property: PropertyName): Readonly<Record<string, unknown>> | undefined;
  /** Whether it is set, if only to nothing. */
  isSet(property: PropertyName): boolean;
  /** The error for a property that is missing or wrong: says which, where, and what to do. */
  problem(property: PropertyName, says: string): IamError;
  /** The names that belong to the service, but are not read. */
  readonly ignored: readonly string[];
}

/** A URL without the slashes at its end. Not by a pattern, which takes minutes for very many of them. */
export function withoutEndSlashes(url: string): string {
  let end = url.length;
  while (url[end - 1] === "/") end--;
  return url.slice(0, end);
}

/** The error for a property, which says by itself where it stands. */
export class PropertyError extends IamError {}

/** The prefix of a service's properties in the environment and the credentials file. */
export function prefixOf(service: string): string {
  return `${service.toUpperCase().replaceAll("-", "_")}_`;
}

/** The properties of a service among variables; undefined when none of them is set. */
export function prefixedProperties(
  variables: Readonly<Record<string, string | undefined>>,
  service: string,
  source: string,
): Properties | undefined {
  const prefix = prefixOf(service);
  const values = new Map<PropertyName, unknown>();
  const ignored: string[] = [];
  for (const [name, value] of Object.entries(variables)) {
    if (!name.startsWith(prefix) || value === undefined) continue;
    const property = name.slice(prefix.length).toUpperCase();
    if (isPropertyName(property)) values.set(property, value);
    else ignored.push(name);
  }
  return propertiesOf({ values, ignored, source, nameOf: (property) => `${prefix}${property}` });
}

/** Those in a credentials object of `VCAP_SERVICES`, whose members are spelt `authType`; undefined when it has none. */
export function memberProperties(
  members: Readonly<Record<string, unknown>>,
  source: string,
): Properties | undefined {
  const values = new Map<PropertyName, unknown>();
  const ignored: string[] = [];
  for (const [name, value] of Object.entries(members)) {
    const property = propertyNames.find((each) => memberNameOf(each) === name);
    if (property !== undefined && value !== null && value !== undefined) values.set(property, value);
    else ignored.push(name);
  }
  return propertiesOf({ values, ignored, source, nameOf: memberNameOf });
}

function isPropertyName(text: string): text is PropertyName {
  return (propertyNames as readonly string[]).includes(text);
}

function memberNameOf(property: PropertyName): string {
  return property.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

interface PropertyValues extends Pick<Properties, "source" | "nameOf" | "ignored"> {
  /** Text; from `VCAP_SERVICES` anything that JSON can say. */
  readonly values: ReadonlyMap<PropertyName, unknown>;
}

function propertiesOf({ values, source, nameOf, ignored }: PropertyValues): Properties | undefined {
  if (values.size === 0) return undefined;

  function text(property: PropertyName): string | undefined {
    const value = values.get(property);
    if (typeof value === "object") throw problem(property, "must be text.");
    if (value === undefined) return undefined;
    return (spaceMatters.includes(property) ? `${value}` : `${value}`.trim()) || undefined;
  }

  function problem(property: PropertyName, says: string): IamError {
    return new PropertyError("ERR_IAM_CONFIG", `${nameOf(property)} (${source}) ${says}`);
  }

  function required(property: PropertyName): string {
    const value = text(property);
    if (value !== undefined) return value;
    throw problem(property, values.has(property) ? "is empty." : "is missing.");
  }

  function flag(property: PropertyName): boolean | undefined {
    const value = text(property)?.toLowerCase();
    if (value === undefined) return undefined;
    if (/^(true|t|1)$/.test(value)) return true;
    if (/^(false|f|0)$/.test(value)) return false;
    throw problem(property, "must be true or false.");
  }

  function wholeNumber(property: PropertyName): number | undefined {
    const value = text(property);
    if (value === undefined) return undefined;
    if (/^\d{1,9}$/.test(value)) return Number(value);
    throw problem(property, "must be a whole number of 0 or more.");
  }

  function object(property: PropertyName): Readonly<Record<string, unknown>> | undefined {
    let value = values.get(property);
    if (typeof value === "string" && value.trim() === "") return undefined;
    try {
      if (typeof value === "string") value = JSON.parse(value);
    } catch {
      // Its message would quote the value.
    }
    if (value === undefined) return undefined;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
    throw problem(property, "must be a JSON object.");
  }

  return {
    source,
    ignored,
    nameOf,
    text,
    required,
    flag,
    wholeNumber,
    object,
    problem,
    isSet: (property) => values.has(property),
  };
}
