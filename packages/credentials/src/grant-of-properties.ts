import {
  apiKeyGrant,
  assumeGrant,
  cloudPakForDataGrant,
  crTokenGrant,
  type Grant,
  IamError,
  isIamError,
  type McspGrantOptions,
  mcspGrant,
  refreshTokenGrant,
  staticTokenGrant,
  type VpcInstanceGrantOptions,
  vpcInstanceGrant,
} from "@iam/core";
import { type Properties, PropertyError, type PropertyName, withoutEndSlashes } from "./properties.ts";
import { crTokenFile, secretFile } from "./secret-file.ts";

/** The authentication types that end in a token, spelt as IBM's SDKs do. */
export type TokenAuthType =
  | "bearerToken"
  | "container"
  | "cp4d"
  | "iam"
  | "iamAssume"
  | "mcsp"
  | "mcspv2"
  | "vpc";

/** What a token manager is made of. */
export interface GrantAndEndpoint {
  readonly grant: Grant;
  readonly tokenEndpoint?: string | undefined;
}

/** Paths in properties are relative to the working directory. */
type InFile = (path: string) => string;

const builders: Readonly<
  Record<TokenAuthType, (properties: Properties, inFile: InFile) => GrantAndEndpoint>
> = {
  bearerToken: (properties) => ({ grant: staticTokenGrant(properties.required("BEARER_TOKEN")) }),
  iam: (properties, inFile) => ({ grant: iamGrant(properties, inFile), ...endpointOf(properties) }),
  iamAssume: (properties, inFile) => ({
    grant: assumeGrant(apiKeyGrant(apiKeyOf(properties, inFile), clientAndScope(properties)), {
      ...profileOf(properties),
      account: properties.text("IAM_ACCOUNT_ID"),
    }),
    ...endpointOf(properties),
  }),
  container: (properties, inFile) => ({
    grant: containerGrant(properties, inFile),
    ...endpointOf(properties),
  }),
  vpc: (properties) => ({ grant: vpcGrant(properties) }),
  cp4d: (properties, inFile) => ({ grant: cp4dGrant(properties, inFile) }),
  mcsp: (properties, inFile) => ({
    grant: mcspGrant(apiKeyOf(properties, inFile), { url: properties.required("AUTH_URL") }),
  }),
  mcspv2: (properties, inFile) => ({ grant: mcspV2Grant(properties, inFile) }),
};

/**
 * The grant that a service's properties describe, and the token endpoint when they name another than IAM's.
 *
 * Errors: `ERR_IAM_CONFIG` that names the property and its source.
 */
export function grantOf(authType: TokenAuthType, properties: Properties, inFile: InFile): GrantAndEndpoint {
  if (authType !== "bearerToken") refuseUnverifiedTls(properties);
  try {
    return builders[authType](properties, inFile);
  } catch (cause) {
    if (!isIamError(cause) || cause instanceof PropertyError) throw cause;
    const message = inWordsOf(properties, cause.message);
    throw new IamError("ERR_IAM_CONFIG", `${authType} (${properties.source}): ${message}`, { cause });
  }
}

/** How grants call what they were given, and the property that it was. */
const optionNames: Readonly<Record<string, PropertyName>> = {
  "The API key": "APIKEY",
  "The client secret": "CLIENT_SECRET",
  "The password": "PASSWORD",
  "The refresh token": "REFRESH_TOKEN",
  account: "IAM_ACCOUNT_ID",
  apiKey: "APIKEY",
  clientId: "CLIENT_ID",
  password: "PASSWORD",
  profileCrn: "IAM_PROFILE_CRN",
  profileId: "IAM_PROFILE_ID",
  profileName: "IAM_PROFILE_NAME",
  scope: "SCOPE",
  scopeCollectionType: "SCOPE_COLLECTION_TYPE",
  scopeId: "SCOPE_ID",
  tokenLifetimeS: "TOKEN_LIFETIME",
  url: "AUTH_URL",
  username: "USERNAME",
  version: "VPC_IMS_VERSION",
};

/** What a grant says about its options, said about the properties; the first time of each, which is where it is the name. */
function inWordsOf({ nameOf }: Properties, message: string): string {
  const seen = new Set<string>();
  const names = new RegExp(`\\b(${Object.keys(optionNames).join("|")})\\b`, "g");
  return message.replace(/^\w+Grant: /, "").replace(names, (name) => {
    const property = optionNames[name];
    if (property === undefined || seen.has(name)) return name;
    seen.add(name);
    return nameOf(property);
  });
}

function refuseUnverifiedTls(properties: Properties): void {
  if (!properties.flag("AUTH_DISABLE_SSL")) return;
  throw properties.problem(
    "AUTH_DISABLE_SSL",
    "is true, but certificates are always verified here. Remove it; a certificate authority of your own goes into NODE_EXTRA_CA_CERTS.",
  );
}

/** The API key itself, or what reads it from a file; `IAM_APIKEY` is how IBM's Java SDK also spells it. */
function apiKeyOf(properties: Properties, inFile: InFile): string | (() => string) {
  const [value, file] = [
    properties.text("APIKEY") ?? properties.text("IAM_APIKEY"),
    properties.text("APIKEY_FILE"),
  ];
  if (value !== undefined && file !== undefined)
    throw properties.problem("APIKEY_FILE", `and ${properties.nameOf("APIKEY")} are both set: remove one.`);
  return file === undefined ? (value ?? properties.required("APIKEY")) : secretFile(inFile(file));
}

/** Which property has the API key, or the name of its file. */
function apiKeyProperty(properties: Properties): PropertyName | undefined {
  const names = ["APIKEY", "IAM_APIKEY", "APIKEY_FILE"] as const;
  return names.find((name) => properties.text(name) !== undefined);
}

function clientAndScope(properties: Properties) {
  const [clientId, clientSecret] = [properties.text("CLIENT_ID"), properties.text("CLIENT_SECRET")];
  if ((clientId === undefined) !== (clientSecret === undefined)) {
    const [given, missing] = clientId
      ? (["CLIENT_ID", "CLIENT_SECRET"] as const)
      : (["CLIENT_SECRET", "CLIENT_ID"] as const);
    throw properties.problem(given, `is set without ${properties.nameOf(missing)}: set both or neither.`);
  }
  return { clientId, clientSecret, scope: properties.text("SCOPE") };
}

function profileOf(properties: Properties) {
  return {
    profileId: properties.text("IAM_PROFILE_ID"),
    profileCrn: properties.text("IAM_PROFILE_CRN"),
    profileName: properties.text("IAM_PROFILE_NAME"),
  };
}

/** The origin of IAM, or the whole token endpoint, with any number of slashes behind it. */
function endpointOf(properties: Properties): { tokenEndpoint?: string } {
  const url = properties.text("AUTH_URL");
  if (url === undefined) return {};
  if (!URL.canParse(url) || /[?#@]/.test(url))
    throw properties.problem(
      "AUTH_URL",
      "is not a URL such as https://iam.cloud.ibm.com, without credentials, query and fragment.",
    );
  const base = withoutEndSlashes(url);
  const path = "/identity/token";
  return {
    tokenEndpoint: base.endsWith(path) ? withoutEndSlashes(base.slice(0, -path.length)) + path : base + path,
  };
}

function iamGrant(properties: Properties, inFile: InFile): Grant {
  const refreshToken = properties.text("REFRESH_TOKEN");
  const { scope, ...client } = clientAndScope(properties);
  if (refreshToken === undefined) return apiKeyGrant(apiKeyOf(properties, inFile), { ...client, scope });
  const key = apiKeyProperty(properties);
  if (key !== undefined)
    throw properties.problem("REFRESH_TOKEN", `and ${properties.nameOf(key)} are both set: remove one.`);
  if (client.clientId === undefined)
    throw properties.problem("CLIENT_ID", "is missing: a refresh token belongs to a client.");
  return refreshTokenGrant({ refreshToken, clientId: client.clientId, clientSecret: client.clientSecret });
}

function containerGrant(properties: Properties, inFile: InFile): Grant {
  const { profileCrn, ...named } = profileOf(properties);
  const file = properties.text("CR_TOKEN_FILENAME");
  const isNamed = named.profileId !== undefined || named.profileName !== undefined;
  return crTokenGrant(crTokenFile(file && inFile(file)), {
    ...(isNamed ? named : { profileCrn }),
    ...clientAndScope(properties),
  });
}

/** `VPC_IMS_VERSION` is the documented name; `SERVICE_VERSION` is what IBM's SDK for Node reads. */
function vpcGrant(properties: Properties): Grant {
  const version = properties.text("VPC_IMS_VERSION") ?? properties.text("SERVICE_VERSION");
  return vpcInstanceGrant({
    ...profileOf(properties),
    url: properties.text("AUTH_URL"),
    // Whatever it is, the grant checks it.
    version: version as VpcInstanceGrantOptions["version"],
    tokenLifetimeS: properties.wholeNumber("TOKEN_LIFETIME"),
  });
}

/** A password is not sent to the URL of a service by guess: where the cluster authorizes has to be said. */
function cp4dGrant(properties: Properties, inFile: InFile): Grant {
  if (properties.text("AUTH_URL") === undefined && properties.text("URL") !== undefined)
    throw properties.problem(
      "AUTH_URL",
      `is missing: it is the cluster that gives tokens, such as https://host/icp4d-api; ${properties.nameOf("URL")} is the service.`,
    );
  const password = properties.text("PASSWORD");
  const hasKey = apiKeyProperty(properties) !== undefined;
  return cloudPakForDataGrant({
    url: properties.required("AUTH_URL"),
    username: properties.required("USERNAME"),
    ...(password !== undefined && { password }),
    ...((hasKey || password === undefined) && { apiKey: apiKeyOf(properties, inFile) }),
  });
}

function mcspV2Grant(properties: Properties, inFile: InFile): Grant {
  return mcspGrant(apiKeyOf(properties, inFile), {
    url: properties.required("AUTH_URL"),
    // Whatever it is, the grant checks it.
    scopeCollectionType: properties.required(
      "SCOPE_COLLECTION_TYPE",
    ) as McspGrantOptions["scopeCollectionType"],
    scopeId: properties.required("SCOPE_ID"),
    includeBuiltinActions: properties.flag("INCLUDE_BUILTIN_ACTIONS"),
    includeCustomActions: properties.flag("INCLUDE_CUSTOM_ACTIONS"),
    includeRoles: properties.flag("INCLUDE_ROLES"),
    prefixRolesWithDefinitionScope: properties.flag("PREFIX_ROLES"),
    callerExtClaim: properties.object("CALLER_EXT_CLAIM"),
  });
}
