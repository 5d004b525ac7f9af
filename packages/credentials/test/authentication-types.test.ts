import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { credentialsFromEnvironment, defaultGrant, serviceFromEnvironment } from "../src/index.ts";
import { type Asked, askedWith } from "./asked.ts";
import { directoryWith, surroundings, thrownBy } from "./places.ts";

type Env = Readonly<Record<string, string>>;

/** Variables of the service `svc`, by the names behind the prefix. */
const prefixed = (env: Env) =>
  Object.fromEntries(Object.entries(env).map(([name, value]) => [`SVC_${name}`, value]));

const credentialsOf = (env: Env, cwd?: string) =>
  credentialsFromEnvironment({
    service: "svc",
    ...surroundings({ env: prefixed(env), ...(cwd && { cwd }) }),
  });

const serviceOf = (env: Env) =>
  serviceFromEnvironment({ service: "svc", ...surroundings({ env: prefixed(env) }) });

const iam = "https://iam.cloud.ibm.com/identity/token";
const grantType = (name: string) => `urn:ibm:params:oauth:grant-type:${name}`;
const apiKeyLeg = { url: iam, fields: { grant_type: grantType("apikey"), apikey: "k" } };
const console = "https://account-iam.example.com";
const metadata = "http://169.254.169.254";

describe("the properties of a service", () => {
  test.for<[Env, string, Partial<Asked>[]]>([
    [{ APIKEY: "k" }, "iam", [apiKeyLeg]],
    [{ AUTH_TYPE: "iam", APIKEY: "k" }, "iam", [apiKeyLeg]],
    [{ AUTH_TYPE: "IAM", APIKEY: "k" }, "iam", [apiKeyLeg]],
    [{ AUTHTYPE: "Iam", APIKEY: "k" }, "iam", [apiKeyLeg]],
    [{ AUTH_TYPE: "", APIKEY: "k" }, "iam", [apiKeyLeg]],
    [{ APIKEY: "k", IAM_PROFILE_ID: "Profile-1" }, "iam", [apiKeyLeg]],
    [
      {
        APIKEY: "k",
        CLIENT_ID: "id",
        CLIENT_SECRET: "secret",
        SCOPE: "a b",
        AUTH_URL: "https://iam.test.example.com",
      },
      "iam",
      [
        {
          url: "https://iam.test.example.com/identity/token",
          fields: { ...apiKeyLeg.fields, scope: "a b" },
          client: "id:secret",
        },
      ],
    ],
    [
      { AUTH_TYPE: "iam", REFRESH_TOKEN: "r", CLIENT_ID: "id", CLIENT_SECRET: "secret" },
      "iam",
      [{ url: iam, fields: { grant_type: "refresh_token", refresh_token: "r" }, client: "id:secret" }],
    ],
    [
      {
        AUTH_TYPE: "iamassume",
        APIKEY: "k",
        IAM_PROFILE_ID: "Profile-1",
        CLIENT_ID: "id",
        CLIENT_SECRET: "s",
        SCOPE: "a",
      },
      "iamAssume",
      [
        { url: iam, fields: { ...apiKeyLeg.fields, scope: "a" }, client: "id:s" },
        {
          url: iam,
          fields: { grant_type: grantType("assume"), access_token: "a", profile_id: "Profile-1" },
          client: undefined,
        },
      ],
    ],
    [
      { AUTH_TYPE: "iamAssume", APIKEY: "k", IAM_PROFILE_CRN: "crn:v1:p" },
      "iamAssume",
      [
        apiKeyLeg,
        { fields: { grant_type: grantType("assume"), access_token: "a", profile_crn: "crn:v1:p" } },
      ],
    ],
    [
      { AUTH_TYPE: "iamAssume", APIKEY: "k", IAM_PROFILE_NAME: "p", IAM_ACCOUNT_ID: "0".repeat(32) },
      "iamAssume",
      [
        apiKeyLeg,
        {
          fields: {
            grant_type: grantType("assume"),
            access_token: "a",
            profile_name: "p",
            account: "0".repeat(32),
          },
        },
      ],
    ],
    [
      { AUTH_TYPE: "vpc" },
      "vpc",
      [
        {
          method: "PUT",
          url: `${metadata}/instance_identity/v1/token?version=2022-03-01`,
          fields: { expires_in: "300" },
        },
        { method: "POST", url: `${metadata}/instance_identity/v1/iam_token?version=2022-03-01`, fields: {} },
      ],
    ],
    [
      {
        AUTH_TYPE: "cp4d",
        AUTH_URL: "https://cp.example.com/icp4d-api",
        USERNAME: "ada",
        PASSWORD: "p",
        URL: "https://s",
      },
      "cp4d",
      [{ url: "https://cp.example.com/icp4d-api/v1/authorize", fields: { username: "ada", password: "p" } }],
    ],
    [
      { AUTH_TYPE: "cp4d", AUTH_URL: "https://cp.example.com", USERNAME: "ada", PASSWORD: "p", APIKEY: "" },
      "cp4d",
      [{ url: "https://cp.example.com/v1/authorize", fields: { username: "ada", password: "p" } }],
    ],
    [
      { AUTH_TYPE: "cp4d", AUTH_URL: "https://cp.example.com", USERNAME: "ada", APIKEY: "k" },
      "cp4d",
      [{ url: "https://cp.example.com/v1/authorize", fields: { username: "ada", api_key: "k" } }],
    ],
    [
      { AUTH_TYPE: "MCSP", APIKEY: "k", AUTH_URL: console },
      "mcsp",
      [{ url: `${console}/siusermgr/api/1.0/apikeys/token`, fields: { apikey: "k" } }],
    ],
  ])("%j are of type %s", async ([env, authType, requests]) => {
    const credentials = credentialsOf(env);
    expect(credentials.authType).toBe(authType);
    const asked = await askedWith(credentials);
    expect(asked).toHaveLength(requests.length);
    for (const [index, { fields, ...request }] of requests.entries()) {
      expect(asked[index]).toMatchObject(request);
      // Numbers in JSON are numbers; the table has them as text.
      const sent = Object.entries(asked[index]?.fields ?? {}).map(([name, value]) => [name, `${value}`]);
      expect(Object.fromEntries(sent)).toEqual(fields);
    }
  });

  test("of type container send the token in the file, for the profile that is named", async () => {
    const cwd = directoryWith({ "cr-token": "the-token\n" });
    const env = {
      IAM_PROFILE_NAME: "p",
      IAM_PROFILE_ID: "Profile-1",
      CR_TOKEN_FILENAME: "cr-token",
      SCOPE: "a",
    };
    const credentials = credentialsOf(env, cwd);
    expect(credentials.authType).toBe("container");
    const [asked] = await askedWith(credentials);
    expect(asked?.fields).toEqual({
      grant_type: grantType("cr-token"),
      cr_token: "the-token",
      profile_name: "p",
      profile_id: "Profile-1",
      scope: "a",
    });
  });

  test("of type container name a profile by its CRN when nothing else names it", async () => {
    const cwd = directoryWith({ t: "t" });
    const [asked] = await askedWith(
      credentialsOf({ IAM_PROFILE_CRN: "crn:v1:p", CR_TOKEN_FILENAME: "t" }, cwd),
    );
    expect(asked?.fields.profile_crn).toBe("crn:v1:p");
    const named = { IAM_PROFILE_CRN: "crn:v1:p", IAM_PROFILE_ID: "Profile-1", CR_TOKEN_FILENAME: "t" };
    expect((await askedWith(credentialsOf(named, cwd)))[0]?.fields.profile_crn).toBeUndefined();
  });

  test("of type mcspv2 send all flags, and the claims of the caller", async () => {
    const env = {
      AUTH_TYPE: "mcspv2",
      APIKEY: "k",
      AUTH_URL: console,
      SCOPE_COLLECTION_TYPE: "accounts",
      SCOPE_ID: "1",
      INCLUDE_BUILTIN_ACTIONS: "TRUE",
      INCLUDE_ROLES: "false",
      CALLER_EXT_CLAIM: '{"productID":"p"}',
    };
    const [asked] = await askedWith(credentialsOf(env));
    const { pathname, searchParams } = new URL(asked?.url ?? "");
    expect(pathname).toBe("/api/2.0/accounts/1/apikeys/token");
    expect(Object.fromEntries(searchParams)).toEqual({
      includeBuiltinActions: "true",
      includeCustomActions: "false",
      includeRoles: "false",
      prefixRolesWithDefinitionScope: "false",
    });
    expect(asked?.fields).toEqual({ apikey: "k", callerExtClaim: { productID: "p" } });
  });

  test("of type bearerToken hold the token itself", async () => {
    const credentials = credentialsOf({ AUTH_TYPE: "bearertoken", BEARER_TOKEN: "the-token" });
    expect(await askedWith(credentials)).toEqual([]);
    expect(inspect(credentials, { depth: Infinity, showHidden: true })).not.toContain("the-token");
  });

  test("of type vpc choose the version, the lifetime, the URL and one profile", async () => {
    for (const property of ["VPC_IMS_VERSION", "SERVICE_VERSION"]) {
      const env = {
        AUTH_TYPE: "vpc",
        [property]: "2025-08-26",
        TOKEN_LIFETIME: "600",
        IAM_PROFILE_NAME: "p",
      };
      const asked = await askedWith(
        credentialsOf({ ...env, AUTH_URL: "https://api.metadata.cloud.ibm.com" }),
      );
      expect(asked.map(({ url }) => url)).toEqual([
        "https://api.metadata.cloud.ibm.com/identity/v1/token?version=2025-08-26",
        "https://api.metadata.cloud.ibm.com/identity/v1/iam_tokens?version=2025-08-26",
      ]);
      expect(asked.map(({ fields }) => fields)).toEqual([
        { expires_in: 600 },
        { trusted_profile: { name: "p" } },
      ]);
    }
  });

  test("may name the file that the API key is in, which is read again when the key changes", async () => {
    const cwd = directoryWith({ "ibm/key": "k\n" });
    expect((await askedWith(credentialsOf({ APIKEY_FILE: "ibm/key" }, cwd)))[0]?.fields.apikey).toBe("k");
    expect((await askedWith(credentialsOf({ APIKEY_FILE: join(cwd, "ibm/key") })))[0]?.fields.apikey).toBe(
      "k",
    );
  });

  test("give what is configured beside the authentication, in our units", () => {
    const env = {
      AUTH_TYPE: "noauth",
      URL: "https://svc.example.com/v1//",
      DISABLE_SSL: "T",
      ENABLE_GZIP: "True",
      ENABLE_RETRIES: "0",
      MAX_RETRIES: "7",
      RETRY_INTERVAL: "10",
    };
    const { links, ...service } = serviceOf(env);
    expect(service).toEqual({
      authType: "noAuth",
      url: "https://svc.example.com/v1",
      disableSsl: true,
      enableGzip: true,
      enableRetries: false,
      maxRetries: 7,
      maxRetryIntervalMs: 10_000,
      source: "environment",
    });
  });

  test("of type basic give a user name, and a password that nothing prints", () => {
    const service = serviceOf({ AUTH_TYPE: "Basic", USERNAME: "ada", PASSWORD: "the-password" });
    expect(service).toMatchObject({ authType: "basic", username: "ada" });
    expect("password" in service && service.password()).toBe("the-password");
    expect(inspect(service, { depth: Infinity, showHidden: true })).not.toContain("the-password");
    expect(JSON.stringify(service)).not.toContain("the-password");
  });

  test("keep the white space around a password and a client secret", async () => {
    const basic = serviceOf({ AUTH_TYPE: "basic", USERNAME: " ada ", PASSWORD: " p " });
    expect("password" in basic && [basic.username, basic.password()]).toEqual(["ada", " p "]);
    const cluster = { AUTH_TYPE: "cp4d", AUTH_URL: "https://cp.example.com", USERNAME: "ada" };
    const [authorized] = await askedWith(credentialsOf({ ...cluster, PASSWORD: " p'" }));
    expect(authorized?.fields).toEqual({ username: "ada", password: " p'" });
    const [asked] = await askedWith(
      credentialsOf({ APIKEY: " k ", CLIENT_ID: " id ", CLIENT_SECRET: " s " }),
    );
    expect([asked?.fields.apikey, asked?.client]).toEqual(["k", "id: s "]);
  });

  test.for([
    [{ AUTH_TYPE: "noAuth" }, "noAuth"],
    [{ AUTH_TYPE: "basic", USERNAME: "ada", PASSWORD: "p" }, "basic"],
  ] as const)(
    "%j have no token to ask for, and the error names the function that reads them",
    ([env, type]) => {
      const error = thrownBy(() => credentialsOf(env));
      expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
      expect(error.message).toContain(`The authentication type is ${type} (environment), which has no token`);
      expect(error.message).toContain("serviceFromEnvironment()");
    },
  );
});

const mcspv2 = {
  AUTH_TYPE: "mcspv2",
  APIKEY: "k",
  AUTH_URL: console,
  SCOPE_COLLECTION_TYPE: "accounts",
  SCOPE_ID: "1",
};
const cp4d = { AUTH_TYPE: "cp4d", AUTH_URL: "https://cp.example.com", USERNAME: "ada" };

describe("properties that cannot work are ERR_IAM_CONFIG that names the property and the source:", () => {
  test.for<[Env, string | RegExp]>([
    [{ AUTH_TYPE: "iam" }, "SVC_APIKEY (environment) is missing."],
    [
      { USERNAME: "ada", PASSWORD: "canary" },
      /^Nothing says how to authenticate: .*It has only SVC_PASSWORD, SVC_USERNAME\.$/,
    ],
    [{ AUTH_TYPE: "iam", APIKEY: " " }, "SVC_APIKEY (environment) is empty."],
    [{ APIKEY: "{canary}" }, /^iam \(environment\): SVC_APIKEY /],
    [{ APIKEY: '"canary"' }, /SVC_APIKEY /],
    [
      { APIKEY: "k", APIKEY_FILE: "f" },
      "SVC_APIKEY_FILE (environment) and SVC_APIKEY are both set: remove one.",
    ],
    [
      { APIKEY: "k", AUTH_URL: "https://iam.example.com?canary" },
      /^SVC_AUTH_URL \(environment\) is not a URL/,
    ],
    [
      { APIKEY: "k", AUTH_URL: "https://canary@iam.example.com" },
      /^SVC_AUTH_URL \(environment\) is not a URL/,
    ],
    [{ APIKEY: "k", AUTH_URL: "canary" }, /^SVC_AUTH_URL \(environment\) is not a URL/],
    [
      { AUTH_TYPE: "canary-type", APIKEY: "k" },
      /^SVC_AUTH_TYPE \(environment\) must be one of basic, bearerToken/,
    ],
    [{ AUTHTYPE: "canary-type", APIKEY: "k" }, /^SVC_AUTHTYPE \(environment\) must be one of/],
    [
      { AUTH_TYPE: "iam", REFRESH_TOKEN: "canary", APIKEY: "k", CLIENT_ID: "i", CLIENT_SECRET: "s" },
      "SVC_REFRESH_TOKEN (environment) and SVC_APIKEY are both set: remove one.",
    ],
    [{ AUTH_TYPE: "iam", REFRESH_TOKEN: "canary" }, /^SVC_CLIENT_ID \(environment\) is missing/],
    [{ AUTH_TYPE: "iamAssume", IAM_PROFILE_ID: "p" }, "SVC_APIKEY (environment) is missing."],
    [
      { AUTH_TYPE: "iamAssume", APIKEY: "k" },
      /exactly one .*SVC_IAM_PROFILE_ID.*SVC_IAM_PROFILE_CRN.*SVC_IAM_PROFILE_NAME/,
    ],
    [
      { AUTH_TYPE: "iamAssume", APIKEY: "k", IAM_PROFILE_ID: "p", IAM_PROFILE_CRN: "c" },
      /exactly one of SVC_IAM_PROFILE_ID/,
    ],
    [
      { AUTH_TYPE: "iamAssume", APIKEY: "k", IAM_PROFILE_NAME: "p" },
      /SVC_IAM_ACCOUNT_ID and SVC_IAM_PROFILE_NAME belong together/,
    ],
    [
      { AUTH_TYPE: "iamAssume", APIKEY: "k", IAM_PROFILE_ID: "p", IAM_ACCOUNT_ID: "a" },
      /SVC_IAM_ACCOUNT_ID and SVC_IAM_PROFILE_NAME belong together/,
    ],
    [{ AUTH_TYPE: "container" }, /give at least one of SVC_IAM_PROFILE_ID/],
    [
      { AUTH_TYPE: "vpc", IAM_PROFILE_ID: "p", IAM_PROFILE_CRN: "c" },
      /give at most one of SVC_IAM_PROFILE_ID/,
    ],
    [
      { AUTH_TYPE: "vpc", VPC_IMS_VERSION: "2020-01-01" },
      /SVC_VPC_IMS_VERSION must be one of 2022-03-01, 2025-08-26/,
    ],
    [
      { AUTH_TYPE: "vpc", TOKEN_LIFETIME: "4" },
      /SVC_TOKEN_LIFETIME must be a whole number of seconds from 5 to 3600/,
    ],
    [
      { AUTH_TYPE: "vpc", TOKEN_LIFETIME: "5m" },
      "SVC_TOKEN_LIFETIME (environment) must be a whole number of 0 or more.",
    ],
    [{ AUTH_TYPE: "vpc", AUTH_URL: "canary" }, /SVC_AUTH_URL must be an absolute URL/],
    [cp4d, "SVC_APIKEY (environment) is missing."],
    [{ ...cp4d, PASSWORD: "canary", APIKEY: "k" }, /give exactly one of SVC_PASSWORD, SVC_APIKEY/],
    [{ ...cp4d, PASSWORD: "{canary}" }, /SVC_PASSWORD /],
    [
      { AUTH_TYPE: "cp4d", AUTH_URL: "https://cp.example.com", PASSWORD: "canary" },
      "SVC_USERNAME (environment) is missing.",
    ],
    [{ AUTH_TYPE: "cp4d", USERNAME: "ada", PASSWORD: "canary" }, "SVC_AUTH_URL (environment) is missing."],
    [{ AUTH_TYPE: "mcsp", APIKEY: "k" }, "SVC_AUTH_URL (environment) is missing."],
    [{ AUTH_TYPE: "mcsp", AUTH_URL: console }, "SVC_APIKEY (environment) is missing."],
    [{ ...mcspv2, SCOPE_ID: "" }, "SVC_SCOPE_ID (environment) is empty."],
    [{ ...mcspv2, SCOPE_COLLECTION_TYPE: "groups" }, /SVC_SCOPE_COLLECTION_TYPE .*accounts, subscriptions/],
    [{ ...mcspv2, INCLUDE_ROLES: "yes" }, "SVC_INCLUDE_ROLES (environment) must be true or false."],
    [{ ...mcspv2, CALLER_EXT_CLAIM: "canary" }, "SVC_CALLER_EXT_CLAIM (environment) must be a JSON object."],
    [
      { ...mcspv2, CALLER_EXT_CLAIM: '["canary"]' },
      "SVC_CALLER_EXT_CLAIM (environment) must be a JSON object.",
    ],
    [{ AUTH_TYPE: "bearerToken" }, "SVC_BEARER_TOKEN (environment) is missing."],
    [{ AUTH_TYPE: "bearerToken", BEARER_TOKEN: "{canary}" }, /no token/],
    [{ AUTH_TYPE: "basic", USERNAME: "ada" }, "SVC_PASSWORD (environment) is missing."],
    [{ AUTH_TYPE: "basic", PASSWORD: "canary" }, "SVC_USERNAME (environment) is missing."],
    [
      { AUTH_TYPE: "basic", USERNAME: "{ada", PASSWORD: "canary" },
      "SVC_USERNAME (environment) must not begin or end with braces or quotes.",
    ],
    [
      { AUTH_TYPE: "basic", USERNAME: "ada", PASSWORD: 'canary"' },
      "SVC_PASSWORD (environment) must not begin or end with braces or quotes.",
    ],
    [
      { AUTH_TYPE: "basic", USERNAME: "a:b", PASSWORD: "canary" },
      "SVC_USERNAME (environment) must not have a colon in it.",
    ],
    [{ AUTH_TYPE: "noAuth", ENABLE_GZIP: "maybe" }, "SVC_ENABLE_GZIP (environment) must be true or false."],
    [
      { AUTH_TYPE: "noAuth", MAX_RETRIES: "-1" },
      "SVC_MAX_RETRIES (environment) must be a whole number of 0 or more.",
    ],
  ])("%j", ([env, message]) => {
    const error = thrownBy(() => serviceOf(env));
    expect(error).toMatchObject({ name: "IamError", code: "ERR_IAM_CONFIG", retryable: false });
    if (typeof message === "string") expect(error.message).toBe(message);
    else expect(error.message).toMatch(message);
    expect(error.message).toContain("environment");
    const everything = inspect(error, { depth: Infinity, showHidden: true });
    for (const [name, value] of Object.entries(env)) {
      if (value.includes("canary")) expect(everything, name).not.toContain("canary");
    }
  });

  test.for<unknown>([undefined, "", 7])("a service named %j", (service) => {
    const error = thrownBy(() => serviceFromEnvironment({ service: service as string, ...surroundings() }));
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
    expect(error.message).toContain('{ service: "cloudant" }');
  });

  test.for<unknown>(["", 7])("a service named %j, also where there need not be one", (service) => {
    const options = { service: service as string, ...surroundings({ env: { IBMCLOUD_API_KEY: "k" } }) };
    for (const find of [credentialsFromEnvironment, defaultGrant]) {
      const error = thrownBy(() => find(options));
      expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
      expect(error.message).toContain('{ service: "cloudant" }');
    }
  });

  test("members of VCAP_SERVICES are named as they are spelt there", () => {
    const credentials = {
      apikey: "k",
      authType: "iamAssume",
      iamProfileId: "p",
      iamProfileCrn: { canary: 1 },
    };
    const env = { VCAP_SERVICES: JSON.stringify({ svc: [{ credentials }] }) };
    const error = thrownBy(() => credentialsFromEnvironment({ service: "svc", ...surroundings({ env }) }));
    expect(error.message).toBe("iamProfileCrn (VCAP_SERVICES) must be text.");
  });
});
