import { IamError } from "@iam/core";
import type { TokenAuthType } from "./grant-of-properties.ts";
import { type Properties, type PropertyName, propertyNames } from "./properties.ts";

/** How a service wants to be authenticated to, spelt as IBM's SDKs do. */
export type AuthType = TokenAuthType | "basic" | "noAuth";

const authTypes: readonly AuthType[] = [
  "basic",
  "bearerToken",
  "container",
  "cp4d",
  "iam",
  "iamAssume",
  "mcsp",
  "mcspv2",
  "noAuth",
  "vpc",
];

/**
 * The authentication type of a service: `AUTH_TYPE` in any case, else what the other properties want.
 *
 * Errors: `ERR_IAM_CONFIG` for a type that is not known, and when nothing says how to authenticate.
 */
export function authTypeOf(properties: Properties): AuthType {
  const property = properties.isSet("AUTH_TYPE") ? "AUTH_TYPE" : "AUTHTYPE";
  const given = properties.text(property)?.toLowerCase();
  if (given === undefined) return impliedType(properties);
  const known = authTypes.find((each) => each.toLowerCase() === given);
  if (known !== undefined) return known;
  throw properties.problem(property, `must be one of ${authTypes.join(", ")}; in any case of letters.`);
}

function impliedType(properties: Properties): AuthType {
  const has = (...names: readonly PropertyName[]) =>
    names.some((name) => properties.text(name) !== undefined);
  if (has("APIKEY", "APIKEY_FILE", "IAM_APIKEY", "REFRESH_TOKEN")) return "iam";
  if (properties.source === "VCAP_SERVICES" && has("USERNAME", "PASSWORD")) return "basic";
  if (has("IAM_PROFILE_ID", "IAM_PROFILE_NAME", "IAM_PROFILE_CRN")) return "container";
  throw undecided(properties);
}

function undecided(properties: Properties): IamError {
  const { nameOf, ignored, source } = properties;
  if (properties.isSet("APIKEY")) return properties.problem("APIKEY", "is empty.");
  const set = [
    ...propertyNames.filter(properties.isSet).map(nameOf),
    ...ignored.map((name) => `${name} (not read)`),
  ];
  return new IamError(
    "ERR_IAM_CONFIG",
    `Nothing says how to authenticate: set ${nameOf("APIKEY")}, or ${nameOf("AUTH_TYPE")} with what it needs, in the same source (${source}). It has only ${set.join(", ")}.`,
  );
}
