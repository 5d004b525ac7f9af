import { describe, expect, test } from "vitest";
import type { Configuration, Outcome } from "./configured-clients.ts";
import {
  both,
  bound,
  container,
  cp4d,
  crToken,
  good,
  iam,
  inEachSource,
  known,
  mcspV2,
  prefixed,
  vcap,
  vpc,
} from "./differential-scene.ts";

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
