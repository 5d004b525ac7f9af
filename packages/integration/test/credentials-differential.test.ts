import { decodeJwt } from "jose";
import { describe, expect, test } from "vitest";
import type { Configuration } from "./configured-clients.ts";
import {
  account,
  both,
  bound,
  client,
  container,
  cp4d,
  crToken,
  good,
  iam,
  inEachSource,
  known,
  line,
  mcspV2,
  other,
  prefixed,
  variables,
  vcap,
  vpc,
} from "./differential-scene.ts";
import type { Recorded } from "./recorded-emulator.ts";

/**
 * What must be equal: method, path, query, fields, and the headers that matter. A token is told by what it says of itself,
 * because each client has its own.
 */
function essence({ method, path, query, headers, body }: Recorded) {
  const { authorization, "content-type": contentType, "metadata-flavor": flavor } = headers;
  return {
    method,
    path,
    query,
    fields: withoutDefaults(mapText(body, tokenAsClaims)),
    // The SDK says of an empty body that it is JSON.
    contentType: body === undefined ? undefined : contentType?.split(";")[0],
    acceptsJson: /application\/json|\*\/\*/.test(headers.accept ?? "*/*"),
    flavor,
    authorization: authorization?.replace(/\S+$/, tokenAsClaims),
  };
}

/** `cloud_iam` is what IAM gives when `response_type` is not sent: the SDK sends it with API keys. */
function withoutDefaults(body: unknown): unknown {
  if (typeof body !== "object" || body === null || !("response_type" in body)) return body;
  const { response_type, ...fields } = body;
  expect(response_type).toBe("cloud_iam");
  return fields;
}

function tokenAsClaims(text: string): string {
  if (!/^ey[\w-]+\.[\w-]+\.[\w-]+$/.test(text)) return text;
  const { sub, iss, grant_type, client_id, scope } = decodeJwt(text);
  return JSON.stringify({ sub, iss, grant_type, client_id, scope });
}

function mapText(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, mapText(member, change)]));
}

/** Every authentication type: its properties, and how many requests it makes before the one to the service. */
const types: readonly [
  name: string,
  requests: number,
  properties: Record<string, string>,
  files?: Record<string, string>,
][] = [
  ["iam by default", 1, iam],
  ["iam", 1, { ...iam, AUTH_TYPE: "iam" }],
  ["IAM in capitals, as AUTHTYPE", 1, { ...iam, AUTHTYPE: "IAM" }],
  ["iam with a client and a scope", 1, { ...iam, ...client }],
  ["iam at a URL with a slash", 1, { ...iam, AUTH_URL: "$IAM/" }],
  ["iam at its token endpoint", 1, { ...iam, AUTH_URL: "$IAM/identity/token" }],
  ["iam at its token endpoint with a slash", 1, { ...iam, AUTH_URL: "$IAM/identity/token/" }],
  ["iamAssume by id", 2, { ...iam, AUTH_TYPE: "iamAssume", IAM_PROFILE_ID: "$PROFILE" }],
  [
    "iamAssume with a client and a scope",
    2,
    { ...iam, ...client, AUTH_TYPE: "IAMASSUME", IAM_PROFILE_ID: "$PROFILE" },
  ],
  ["iamAssume by CRN", 2, { ...iam, AUTH_TYPE: "iamAssume", IAM_PROFILE_CRN: "$CRN" }],
  [
    "iamAssume by name and account",
    2,
    { ...iam, AUTH_TYPE: "iamAssume", IAM_PROFILE_NAME: "emulator-profile", IAM_ACCOUNT_ID: account },
  ],
  ["container by name", 1, { ...container, IAM_PROFILE_NAME: "emulator-profile" }, crToken],
  ["container by id", 1, { ...container, IAM_PROFILE_ID: "$PROFILE" }, crToken],
  [
    "container by both",
    1,
    { ...container, IAM_PROFILE_ID: "$PROFILE", IAM_PROFILE_NAME: "emulator-profile" },
    crToken,
  ],
  [
    "container with a client and a scope",
    1,
    { ...container, ...client, IAM_PROFILE_ID: "$PROFILE" },
    crToken,
  ],
  ["container by default", 1, { ...container, AUTH_TYPE: "", IAM_PROFILE_ID: "$PROFILE" }, crToken],
  [
    "container by id and CRN",
    1,
    { ...container, IAM_PROFILE_ID: "$PROFILE", IAM_PROFILE_CRN: "$CRN" },
    crToken,
  ],
  ["vpc for the instance's own profile", 2, vpc],
  ["vpc by id", 2, { ...vpc, IAM_PROFILE_ID: "$PROFILE" }],
  ["vpc by CRN", 2, { ...vpc, IAM_PROFILE_CRN: "$CRN" }],
  ["vpc by name", 2, { ...vpc, IAM_PROFILE_NAME: "emulator-profile" }],
  ["vpc of the second generation", 2, { ...vpc, SERVICE_VERSION: "2025-08-26", IAM_PROFILE_ID: "$PROFILE" }],
  ["cp4d with a password", 1, { ...cp4d, PASSWORD: "emulator-password" }],
  ["cp4d with an API key", 1, { ...cp4d, APIKEY: "emulator-user-api-key" }],
  ["cp4d at its endpoint", 1, { ...cp4d, AUTH_URL: "$IAM/v1/authorize", PASSWORD: "emulator-password" }],
  // The SDK has an option `cp4dAccountId`, but makes `cp4DAccountId` of this name and does not read that.
  [
    "cp4d with an account id, which neither reads",
    1,
    { ...cp4d, PASSWORD: "emulator-password", CP4D_ACCOUNT_ID: "a1" },
  ],
  ["mcsp", 1, { ...iam, AUTH_TYPE: "mcsp" }],
  ["mcspv2", 1, mcspV2],
  [
    "mcspv2 with everything",
    1,
    {
      ...mcspV2,
      INCLUDE_BUILTIN_ACTIONS: "true",
      INCLUDE_CUSTOM_ACTIONS: "TRUE",
      INCLUDE_ROLES: "false",
      PREFIX_ROLES: "True",
      CALLER_EXT_CLAIM: '{"productID":"prod-123"}',
    },
  ],
  ["bearerToken", 0, { AUTH_TYPE: "bearerToken", BEARER_TOKEN: "$TOKEN" }],
  ["basic", 0, { AUTH_TYPE: "basic", USERNAME: "ada", PASSWORD: "pässword" }],
  ["noAuth", 0, { AUTH_TYPE: "noAuth" }],
];

/** Both did the same, and it worked unless the service itself refuses what they sent. */
async function expectSame(configuration: Configuration, tokenRequests: number) {
  const outcomes = await both(await known(configuration));
  const [theirs, own] = [outcomes.official.requests, outcomes.ours.requests].map((each) => each.map(essence));
  expect(own).toEqual(theirs);
  expect(own).toHaveLength(tokenRequests + 1);
  expect(own?.at(-1)).toMatchObject({ method: "GET", path: "/resource" });
  return outcomes;
}

describe("the official core and this project send equivalent requests for", () => {
  const cases = types.flatMap(([name, requests, properties, files]) =>
    Object.entries(inEachSource(properties, files))
      // There the SDK takes a user name for basic, whatever the type says: see the differences below.
      .filter(([source]) => !(source === "VCAP_SERVICES" && name.startsWith("cp4d")))
      .map(([source, configuration]) => [name, source, requests, configuration] as const),
  );

  test.for(cases)("%s from %s", async ([name, , requests, configuration]) => {
    const outcomes = await expectSame(configuration, requests);
    // The resource of the emulator wants bearer tokens only.
    const isRefused = /^(basic|noAuth)$/.test(name);
    expect(outcomes.ours.error?.message).toBe(isRefused ? "HTTP 401" : undefined);
    expect(outcomes.official.error === undefined).toBe(!isRefused);
  });
});

const fileOf = (text: string): Configuration => ({ files: { "cwd/ibm-credentials.env": text } });

describe("both find the same credentials in", () => {
  test.for<[string, Configuration]>([
    ["a file, before the environment", { ...fileOf(line(good)), env: variables(other) }],
    [
      "the environment, before VCAP_SERVICES",
      { env: { ...variables(good), ...vcap({ svc: [bound(other)] }) } },
    ],
    [
      "the environment, when the file is of another service",
      { ...fileOf("OTHER_APIKEY=o"), env: variables(good) },
    ],
    [
      "the working directory, before the home directory",
      { files: { "cwd/ibm-credentials.env": line(good), "home/ibm-credentials.env": line(other) } },
    ],
    ["the home directory", { files: { "home/ibm-credentials.env": line(good) } }],
    [
      "the file that is named, before the working directory",
      {
        files: { "named.txt": line(good), "cwd/ibm-credentials.env": line(other) },
        env: { IBM_CREDENTIALS_FILE: "$ROOT/named.txt" },
      },
    ],
    [
      "the directory that is named",
      { files: { "named/ibm-credentials.env": line(good) }, env: { IBM_CREDENTIALS_FILE: "$ROOT/named" } },
    ],
    [
      "the environment, when the file in the working directory hides the one at home",
      {
        files: { "cwd/ibm-credentials.env": "OTHER_APIKEY=o", "home/ibm-credentials.env": line(other) },
        env: variables(good),
      },
    ],
    [
      "a prefix of capitals and underscores",
      { service: "my-svc", env: { MY_SVC_APIKEY: good, MY_SVC_AUTH_URL: "$IAM" } },
    ],
    [
      "an instance by name, before one by key",
      { env: vcap({ svc: [bound(other)], x: [bound(good, "svc")] }) },
    ],
    ["the first instance under the key", { env: vcap({ svc: [bound(good, "a"), bound(other, "b")] }) }],
    ["a file with line ends of Windows", fileOf(line(good).replaceAll("\n", "\r\n"))],
    ["a file with a byte order mark", fileOf(`\uFEFF${line(good)}`)],
    ["a file with quotes", fileOf(`SVC_APIKEY="${good}"\nSVC_AUTH_URL='$IAM'`)],
    ["a file with export", fileOf(`export SVC_APIKEY=${good}\nexport  SVC_AUTH_URL=$IAM`)],
    [
      "a file with spaces and comments",
      fileOf(`# c\n\n SVC_APIKEY = ${good} # c\n\tSVC_AUTH_URL\t=\t$IAM\t`),
    ],
    ["a file with duplicates", fileOf(`SVC_APIKEY=${other}\nSVC_AUTH_URL=$IAM\nSVC_APIKEY=${good}`)],
  ])("%s", async ([, configuration]) => {
    const { ours: own } = await expectSame(configuration, 1);
    expect(own.error).toBeUndefined();
    expect(own.requests[0]?.body).toMatchObject({ apikey: good });
  });

  test("a file with = in values", async () => {
    const client = { CLIENT_ID: "an=id=", CLIENT_SECRET: "a=secret==" };
    const text = Object.entries(prefixed({ ...iam, ...client })).map(([name, value]) => `${name}=${value}`);
    const { ours: own } = await both(fileOf(text.join("\n")));
    const { official: theirs } = await both(fileOf(text.join("\n")));
    expect(own.requests.map(essence)).toEqual(theirs.requests.map(essence));
    expect(own.requests[0]?.headers.authorization).toBe(`Basic ${btoa("an=id=:a=secret==")}`);
  });
});
