import { join } from "node:path";
import { isIamError } from "@iam/core";
import { describe, expect, test } from "vitest";
import { credentialsFromEnvironment, serviceFromEnvironment } from "../src/index.ts";
import { askedWith } from "./asked.ts";
import { directoryWith, surroundings, thrownBy } from "./places.ts";

type Env = Readonly<Record<string, string>>;
const credentialsOf = (env: Env) => credentialsFromEnvironment({ service: "svc", ...surroundings({ env }) });
const urlsOf = async (env: Env) => (await askedWith(credentialsOf(env))).map(({ url }) => url);

/** Each is a fault of IBM's own SDK, version 5.9.1 for Node; packages/integration runs both side by side. */
describe("what goes wrong in IBM's SDK:", () => {
  test("a file that IBM_CREDENTIALS_FILE names and that is missing is named in the error, with what to do", () => {
    const cwd = directoryWith();
    const env = { IBM_CREDENTIALS_FILE: "gone/credentials.env", SVC_APIKEY: "good" };
    const error = thrownBy(() =>
      credentialsFromEnvironment({ service: "svc", ...surroundings({ cwd, env }) }),
    );
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
    expect(error.message).toBe(
      `IBM_CREDENTIALS_FILE is gone/credentials.env, but ${join(cwd, "gone/credentials.env")} does not exist. Correct the variable, or unset it to use other sources.`,
    );
  });

  test("a directory that IBM_CREDENTIALS_FILE names and that has no credentials in it is an error that names the file", () => {
    const directory = directoryWith();
    const error = thrownBy(() => credentialsOf({ IBM_CREDENTIALS_FILE: directory }));
    expect(error.message).toContain(`${join(directory, "ibm-credentials.env")} does not exist`);
  });

  test("when nothing is configured the error says where was looked, and nothing about trusted profiles", () => {
    const { message } = thrownBy(() => credentialsOf({}));
    expect(message).toMatch(
      /^There are no credentials for the service svc\. Looked at:\n- credentials file: none at /,
    );
    expect(message).not.toMatch(/profile/i);
  });

  test("an API key that is empty is called empty, not a missing trusted profile", () => {
    expect(thrownBy(() => credentialsOf({ SVC_APIKEY: "" })).message).toBe(
      "SVC_APIKEY (environment) is empty.",
    );
  });

  test("without an API key and a type the error says which properties there are, and which are not read", () => {
    const { message } = thrownBy(() =>
      credentialsOf({ SVC_URL: "https://svc.example.com", SVC_API_KEY: "canary" }),
    );
    expect(message).toBe(
      "Nothing says how to authenticate: set SVC_APIKEY, or SVC_AUTH_TYPE with what it needs, in the same source (environment). It has only SVC_URL, SVC_API_KEY (not read).",
    );
  });

  test("VPC_IMS_VERSION chooses the version of the metadata service, as documented", async () => {
    expect(await urlsOf({ SVC_AUTH_TYPE: "vpc", SVC_VPC_IMS_VERSION: "2025-08-26" })).toEqual([
      "http://169.254.169.254/identity/v1/token?version=2025-08-26",
      "http://169.254.169.254/identity/v1/iam_tokens?version=2025-08-26",
    ]);
  });

  test("TOKEN_LIFETIME is a number when it reaches the metadata service", async () => {
    const [asked] = await askedWith(credentialsOf({ SVC_AUTH_TYPE: "vpc", SVC_TOKEN_LIFETIME: "60" }));
    expect(asked?.fields).toEqual({ expires_in: 60 });
  });

  test.for([
    ["true", true],
    ["TRUE", true],
    ["True", true],
    ["t", true],
    ["1", true],
    [" true ", true],
    ["false", false],
    ["FALSE", false],
    ["F", false],
    ["0", false],
  ] as const)("a boolean may be in any case: %j is %j", ([text, value]) => {
    const env = {
      SVC_AUTH_TYPE: "noAuth",
      SVC_DISABLE_SSL: text,
      SVC_ENABLE_GZIP: text,
      SVC_ENABLE_RETRIES: text,
    };
    const service = serviceFromEnvironment({ service: "svc", ...surroundings({ env }) });
    expect(service).toMatchObject({ disableSsl: value, enableGzip: value, enableRetries: value });
  });

  test.for(["true", "TRUE", "1"])(
    "AUTH_DISABLE_SSL=%s is seen, and refused: certificates are always verified",
    (text) => {
      const error = thrownBy(() => credentialsOf({ SVC_APIKEY: "k", SVC_AUTH_DISABLE_SSL: text }));
      expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
      expect(error.message).toMatch(
        /^SVC_AUTH_DISABLE_SSL \(environment\) is true, but .*NODE_EXTRA_CA_CERTS/,
      );
      expect(credentialsOf({ SVC_APIKEY: "k", SVC_AUTH_DISABLE_SSL: "False" }).authType).toBe("iam");
    },
  );

  test("Cloud Pak for Data with the URL of the service alone is told the name of the property that is missing", () => {
    const env = {
      SVC_AUTH_TYPE: "cp4d",
      SVC_URL: "https://s.example.com",
      SVC_USERNAME: "ada",
      SVC_PASSWORD: "canary",
    };
    expect(thrownBy(() => credentialsOf(env)).message).toBe(
      "SVC_AUTH_URL (environment) is missing: it is the cluster that gives tokens, such as https://host/icp4d-api; SVC_URL is the service.",
    );
  });

  test.for(["https://host.example.com", "https://host.example.com/", "https://host.example.com///"])(
    "slashes behind an AUTH_URL, as in %s, never become two slashes in the path",
    async (url) => {
      const mcsp = { SVC_APIKEY: "k", SVC_SCOPE_COLLECTION_TYPE: "accounts", SVC_SCOPE_ID: "1" };
      const cp4d = { SVC_USERNAME: "ada", SVC_PASSWORD: "p" };
      for (const env of [
        { SVC_APIKEY: "k" },
        { SVC_AUTH_TYPE: "vpc" },
        { SVC_AUTH_TYPE: "mcsp", SVC_APIKEY: "k" },
        { SVC_AUTH_TYPE: "mcspv2", ...mcsp },
        { SVC_AUTH_TYPE: "cp4d", ...cp4d },
      ]) {
        for (const asked of await urlsOf({ ...env, SVC_AUTH_URL: url }))
          expect(asked).toMatch(/^https:\/\/host\.example\.com(\/[^/?]+)+(\?|$)/);
      }
    },
  );

  test.for<[string, string]>([
    ["https://iam.example.com", "https://iam.example.com/identity/token"],
    ["https://iam.example.com/identity/token", "https://iam.example.com/identity/token"],
    ["https://iam.example.com/identity/token/", "https://iam.example.com/identity/token"],
    ["https://iam.example.com//identity/token//", "https://iam.example.com/identity/token"],
    ["https://gateway.example.com/iam/", "https://gateway.example.com/iam/identity/token"],
  ])("AUTH_URL may be IAM, or its token endpoint: %s asks %s", async ([url, endpoint]) => {
    expect(await urlsOf({ SVC_APIKEY: "k", SVC_AUTH_URL: url })).toEqual([endpoint]);
  });

  test.for(["k\n", " k", "k \r\n", "\tk"])(
    "white space around an API key is not sent: %j, as a Kubernetes secret often has it",
    async (key) => {
      expect((await askedWith(credentialsOf({ SVC_APIKEY: key })))[0]?.fields.apikey).toBe("k");
    },
  );

  test.for([
    ["CLIENT_ID", "CLIENT_SECRET"],
    ["CLIENT_SECRET", "CLIENT_ID"],
  ])("a client has an id and a secret, or neither: %s without %s is an error", ([given, missing]) => {
    for (const env of [
      { SVC_APIKEY: "k" },
      { SVC_AUTH_TYPE: "iamAssume", SVC_APIKEY: "k", SVC_IAM_PROFILE_ID: "p" },
      { SVC_AUTH_TYPE: "container", SVC_IAM_PROFILE_ID: "p" },
    ]) {
      const error = thrownBy(() => credentialsOf({ ...env, [`SVC_${given}`]: "canary" }));
      expect(isIamError(error)).toBe(true);
      expect(error.message).toBe(
        `SVC_${given} (environment) is set without SVC_${missing}: set both or neither.`,
      );
    }
  });
});
