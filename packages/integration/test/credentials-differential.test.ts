import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Configuration, type Outcome, official, ours, outcomeOf } from "./configured-clients.ts";
import { type Recorded, type RecordedEmulator, recordedEmulator } from "./recorded-emulator.ts";

/**
 * The official core (`ibm-cloud-sdk-core`) and this project, given the same environment, files and VCAP_SERVICES, send
 * equivalent requests to the emulator: method, path, query, fields, and the headers that matter.
 */
let recorded: RecordedEmulator;
beforeAll(async () => {
  recorded = await recordedEmulator();
});
afterAll(() => recorded.close());

async function both(configuration: Configuration): Promise<{ official: Outcome; ours: Outcome }> {
  const root = mkdtempSync(join(tmpdir(), "differential-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  return {
    official: await outcomeOf(official, configuration, root, recorded),
    ours: await outcomeOf(ours, configuration, root, recorded),
  };
}

/** What must be equal. A token is told by what it says of itself, because each client has its own. */
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

const prefixed = (env: Record<string, string>) =>
  Object.fromEntries(Object.entries(env).map(([name, value]) => [`SVC_${name}`, value]));

/** The same properties as variables, as a credentials file, and as members of VCAP_SERVICES. */
function inEachSource(properties: Record<string, string>, files: Record<string, string> = {}) {
  const lines = Object.entries(prefixed(properties)).map(([name, value]) => `${name}='${value}'\n`);
  const member = (name: string) =>
    name.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  const credentials = Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [member(name), value]),
  );
  return {
    environment: { env: prefixed(properties), files },
    file: { files: { ...files, "cwd/ibm-credentials.env": lines.join("") } },
    VCAP_SERVICES: { env: { VCAP_SERVICES: JSON.stringify({ svc: [{ name: "any", credentials }] }) }, files },
  } satisfies Record<string, Configuration>;
}

const iam = { AUTH_URL: "$IAM", APIKEY: "emulator-user-api-key" };
const client = { CLIENT_ID: "bx", CLIENT_SECRET: "bx", SCOPE: "openid ibm" };
const account = "0123456789abcdef0123456789abcdef";
const container = { AUTH_URL: "$IAM", AUTH_TYPE: "container", CR_TOKEN_FILENAME: "$ROOT/cr-token" };
const crToken = { "cr-token": "emulator-cr-token" };
const vpc = { AUTH_TYPE: "vpc", AUTH_URL: "$METADATA" };
const cp4d = { AUTH_TYPE: "cp4d", AUTH_URL: "$IAM/icp4d-api", USERNAME: "ada@example.com" };
const mcspV2 = {
  ...iam,
  AUTH_TYPE: "mcspv2",
  SCOPE_COLLECTION_TYPE: "subscriptions",
  SCOPE_ID: "20250313-0000-1111-2222-333333333333",
};

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

/** What only the emulator knows. */
async function known(configuration: Configuration): Promise<Configuration> {
  const { emulator } = recorded;
  const [profile] = emulator.directory.profiles();
  const token = (await emulator.issueToken()).value;
  const text = JSON.stringify(configuration).replaceAll("$TOKEN", token);
  return JSON.parse(
    text.replaceAll("$CRN", profile?.crn ?? "").replaceAll("$PROFILE", profile?.identity.id ?? ""),
  );
}

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

/** The API key that is sent tells which source it is from. */
const [good, other] = ["emulator-user-api-key", "emulator-service-id-api-key"];
const line = (apikey: string) => `SVC_APIKEY=${apikey}\nSVC_AUTH_URL=$IAM\n`;
const variables = (apikey: string) => prefixed({ APIKEY: apikey, AUTH_URL: "$IAM" });
const vcap = (services: unknown) => ({ VCAP_SERVICES: JSON.stringify(services) });
const bound = (apikey: string, name?: string) => ({ name, credentials: { apikey, authUrl: "$IAM" } });
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

/** One difference that is wanted: what each side does with the same configuration. */
interface Difference {
  readonly what: string;
  readonly reason: string;
  readonly configuration: Configuration;
  readonly official: (outcome: Outcome) => void;
  readonly ours: (outcome: Outcome) => void;
}

const svc = (properties: Record<string, string>, more: Record<string, string> = {}): Configuration => ({
  env: { ...prefixed(properties), ...more },
});

const works = ({ error, requests }: Outcome) => {
  expect(error).toBeUndefined();
  expect(requests.at(-1)).toMatchObject({ path: "/resource" });
};
const worksWith = (first: unknown) => (outcome: Outcome) => {
  works(outcome);
  expect(outcome.requests[0]).toMatchObject(first as object);
};
const failsWith =
  (message: RegExp, requests = 0) =>
  (outcome: Outcome) => {
    expect(outcome.error?.message).toMatch(message);
    expect(outcome.requests).toHaveLength(requests);
  };
const refuses = (message: RegExp) => (outcome: Outcome) => {
  failsWith(message)(outcome);
  expect(outcome.error).toMatchObject({ name: "IamError", code: "ERR_IAM_CONFIG" });
};

const differences: readonly Difference[] = [
  {
    what: "IBM_CREDENTIALS_FILE names a file that is missing",
    reason: "the error names the variable and the file",
    configuration: svc(iam, { IBM_CREDENTIALS_FILE: "/gone/credentials" }),
    official: failsWith(/^The "?path"? argument must be/i),
    ours: refuses(/^IBM_CREDENTIALS_FILE is .gone.credentials, but .gone.credentials does not exist/),
  },
  {
    what: "nothing is configured",
    reason: "the error says where was looked, not that a profile is missing",
    configuration: {},
    official: failsWith(/^At least one of `iamProfileName` or `iamProfileId` must be specified/),
    ours: refuses(/^There are no credentials for the service svc\. Looked at:/),
  },
  {
    what: "the API key is empty",
    reason: "the same",
    configuration: svc({ APIKEY: "" }),
    official: failsWith(/^At least one of `iamProfileName`/),
    ours: refuses(/^SVC_APIKEY \(environment\) is empty/),
  },
  {
    what: "VPC_IMS_VERSION",
    reason: "it is the documented name, and Go reads it",
    configuration: svc({ ...vpc, VPC_IMS_VERSION: "2025-08-26" }),
    official: worksWith({ path: "/instance_identity/v1/token", query: { version: "2022-03-01" } }),
    ours: worksWith({ path: "/identity/v1/token", query: { version: "2025-08-26" } }),
  },
  {
    what: "TOKEN_LIFETIME",
    reason: "a variable is text; the service wants a number",
    configuration: svc({ ...vpc, TOKEN_LIFETIME: "600" }),
    official: failsWith(/^tokenLifetime must be a non-negative number/),
    ours: worksWith({ body: { expires_in: 600 } }),
  },
  {
    what: "AUTH_DISABLE_SSL=true",
    reason: "certificates are always verified",
    configuration: svc({ ...iam, AUTH_DISABLE_SSL: "true" }),
    official: works,
    ours: refuses(/^SVC_AUTH_DISABLE_SSL .* NODE_EXTRA_CA_CERTS/),
  },
  {
    what: "AUTH_DISABLE_SSL=TRUE",
    reason: "a boolean in any case: the SDK takes this for false",
    configuration: svc({ ...iam, AUTH_DISABLE_SSL: "TRUE" }),
    official: works,
    ours: refuses(/^SVC_AUTH_DISABLE_SSL/),
  },
  {
    what: "Cloud Pak for Data with the URL of the service alone",
    reason: "the error names the property",
    configuration: svc({ AUTH_TYPE: "cp4d", URL: "$IAM", USERNAME: "ada@example.com", PASSWORD: "p" }),
    official: failsWith(/^Missing required parameters: url/),
    ours: refuses(/^SVC_AUTH_URL \(environment\) is missing/),
  },
  {
    what: "a slash behind the URL of the metadata service",
    reason: "two slashes in a path are another path",
    configuration: svc({ ...vpc, AUTH_URL: "$METADATA/" }),
    official: ({ requests }) => expect(requests[0]?.path).toBe("//instance_identity/v1/token"),
    ours: worksWith({ path: "/instance_identity/v1/token" }),
  },
  {
    what: "a slash behind the URL of mcspv2",
    reason: "the same",
    configuration: svc({ ...mcspV2, AUTH_URL: "$IAM/" }),
    official: ({ requests }) => expect(requests[0]?.path).toMatch(/^\/\/api\/2\.0/),
    ours: worksWith({ path: `/api/2.0/subscriptions/${mcspV2.SCOPE_ID}/apikeys/token` }),
  },
  {
    what: "two slashes behind the URL of IAM",
    reason: "the same",
    configuration: svc({ ...iam, AUTH_URL: "$IAM//" }),
    official: ({ requests }) => expect(requests[0]?.path).toBe("//identity/token"),
    ours: worksWith({ path: "/identity/token" }),
  },
  {
    what: "white space behind an API key",
    reason: "no key has any; mounted and decoded ones end in a line break",
    configuration: svc({ ...iam, APIKEY: `${iam.APIKEY}\n` }),
    official: ({ requests }) => expect(requests[0]?.body).toMatchObject({ apikey: `${iam.APIKEY}\n` }),
    ours: worksWith({ body: { apikey: iam.APIKEY } }),
  },
  {
    what: "a client id without a secret",
    reason: "who sets one means both; the SDK warns and sends neither",
    configuration: svc({ ...iam, CLIENT_ID: "bx" }),
    official: (outcome) => {
      works(outcome);
      expect(outcome.requests[0]?.headers.authorization).toBeUndefined();
    },
    ours: refuses(/^SVC_CLIENT_ID \(environment\) is set without SVC_CLIENT_SECRET/),
  },
  {
    what: "a CR token file that is empty",
    reason: "there is nothing to ask with; the next call reads the file again",
    configuration: { ...svc({ ...container, IAM_PROFILE_ID: "$PROFILE" }), files: { "cr-token": "\n" } },
    official: ({ requests }) => expect(requests[0]?.body).toMatchObject({ cr_token: "\n" }),
    ours: refuses(/^The CR token file .*cr-token is empty/),
  },
  {
    what: "a line break behind a CR token",
    reason: "it is not part of the token",
    configuration: {
      ...svc({ ...container, IAM_PROFILE_ID: "$PROFILE" }),
      files: { "cr-token": "emulator-cr-token\n" },
    },
    official: ({ requests }) => expect(requests[0]?.body).toMatchObject({ cr_token: "emulator-cr-token\n" }),
    ours: worksWith({ body: { cr_token: "emulator-cr-token" } }),
  },
  {
    what: "a property that neither side documents",
    reason: "the SDK makes each an option of its HTTP client: this one is a proxy that is not there",
    configuration: svc({ ...iam, PROXY: "http://127.0.0.1:9" }),
    official: ({ error }) => expect(error).toBeDefined(),
    ours: works,
  },
  {
    what: "such properties alone in the environment, and credentials in VCAP_SERVICES",
    reason: "what is not read hides nothing",
    configuration: svc({ TIMEOUT: "1" }, vcap({ svc: [bound(good)] })),
    official: failsWith(/^At least one of `iamProfileName`/),
    ours: worksWith({ body: { apikey: good } }),
  },
  {
    what: "an API key beside a user name in VCAP_SERVICES",
    reason: "a token is better than a password",
    configuration: {
      env: vcap({ svc: [{ credentials: { ...bound(good).credentials, username: "ada", password: "p" } }] }),
    },
    official: ({ requests }) => expect(requests[0]?.headers.authorization).toBe(`Basic ${btoa("ada:p")}`),
    ours: worksWith({ body: { apikey: good } }),
  },
  {
    what: "a type beside a user name in VCAP_SERVICES",
    reason: "what is said counts before what is guessed",
    configuration: inEachSource({ ...cp4d, PASSWORD: "emulator-password" }).VCAP_SERVICES,
    official: ({ requests }) => expect(requests[0]?.headers.authorization).toMatch(/^Basic /),
    ours: worksWith({ path: "/icp4d-api/v1/authorize" }),
  },
  {
    what: "VCAP_SERVICES that is not JSON",
    reason: "the error must not quote credentials",
    configuration: { env: { VCAP_SERVICES: "canary {" } },
    official: failsWith(/canary/),
    ours: refuses(/^VCAP_SERVICES is set, but is not a JSON object(?!.*canary)/),
  },
  {
    what: "CALLER_EXT_CLAIM that is not JSON",
    reason: "the same",
    configuration: svc({ ...mcspV2, CALLER_EXT_CLAIM: "canary {" }),
    official: failsWith(/canary/),
    ours: refuses(/^SVC_CALLER_EXT_CLAIM \(environment\) must be a JSON object\.$/),
  },
  {
    what: "a flag of mcspv2 that is neither true nor false",
    reason: "the SDK takes it for false",
    configuration: svc({ ...mcspV2, INCLUDE_ROLES: "yes" }),
    official: worksWith({ query: { includeRoles: "false" } }),
    ours: refuses(/^SVC_INCLUDE_ROLES \(environment\) must be true or false/),
  },
  {
    what: "a bearer token in braces",
    reason: "no token has any (RFC 6750 section 2.1)",
    configuration: svc({ AUTH_TYPE: "bearerToken", BEARER_TOKEN: "{abc}" }),
    official: ({ requests }) => expect(requests[0]?.headers.authorization).toBe("Bearer {abc}"),
    ours: refuses(/no token/),
  },
  {
    what: "a container with the CRN of a profile alone",
    reason: "IAM takes it, and IBM's CLI sends it",
    configuration: { ...svc({ ...container, IAM_PROFILE_CRN: "$CRN" }), files: crToken },
    official: failsWith(/^At least one of `iamProfileName`/),
    ours: worksWith({ body: { profile_crn: expect.stringMatching(/^crn:/) } }),
  },
  {
    what: "IAM_APIKEY",
    reason: "IBM's SDK for Java reads it",
    configuration: svc({ AUTH_URL: "$IAM", IAM_APIKEY: good }),
    official: failsWith(/^At least one of `iamProfileName`/),
    ours: worksWith({ body: { apikey: good } }),
  },
  {
    what: "APIKEY_FILE",
    reason: "a mounted secret is read again when it is rotated",
    configuration: { ...svc({ AUTH_URL: "$IAM", APIKEY_FILE: "$ROOT/key" }), files: { key: `${good}\n` } },
    official: failsWith(/^At least one of `iamProfileName`/),
    ours: worksWith({ body: { apikey: good } }),
  },
  {
    what: "REFRESH_TOKEN",
    reason: "IBM's SDK for Go reads it",
    configuration: svc({
      AUTH_TYPE: "iam",
      AUTH_URL: "$IAM",
      REFRESH_TOKEN: "r",
      CLIENT_ID: "bx",
      CLIENT_SECRET: "bx",
    }),
    official: failsWith(/^Missing required parameters: apikey/),
    ours: ({ requests, error }) => {
      expect(requests[0]?.body).toEqual({ grant_type: "refresh_token", refresh_token: "r" });
      expect(error).toMatchObject({ errorCode: "BXNIM0407E" });
    },
  },
  {
    what: "plain http to another machine",
    reason: "a key is never sent in the clear",
    configuration: svc({ ...iam, AUTH_URL: "http://iam.invalid" }),
    // It has no reason of its own not to send the key: the name leads nowhere.
    official: ({ error }) => expect(error).toMatchObject({ statusText: expect.stringMatching(/^E/) }),
    ours: refuses(/http:\/\/iam\.invalid.*https/),
  },
];

describe("what is different on purpose:", () => {
  test.for(differences)("$what, because $reason", async (difference) => {
    const outcomes = await both(await known(difference.configuration));
    difference.official(outcomes.official);
    difference.ours(outcomes.ours);
  });
});
