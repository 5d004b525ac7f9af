import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTokenManager } from "@iam/core";
import {
  credentialsFromEnvironment,
  crTokenFile,
  defaultGrant,
  secretFile,
  serviceFromEnvironment,
} from "@iam/credentials";
import { onTestFinished } from "vitest";

/** A value that has no business where it is put: what somebody did who mixed two settings up. */
type Misplaced = never;

/** What each type of authentication needs, without the endpoint that nobody may be asked at. */
const complete: Readonly<Record<string, string>> = {
  ...{ APIKEY: "k", AUTH_URL: "http://127.0.0.1:1", IAM_PROFILE_ID: "Profile-1", USERNAME: "ada" },
  ...{ SCOPE_COLLECTION_TYPE: "accounts", SCOPE_ID: "1", BEARER_TOKEN: "a b" },
};

/** Where a secret breaks the credentials of a type, by property. What is public, such as an id of a profile, is shown. */
const breaking: Readonly<Record<string, readonly string[]>> = {
  basic: ["PASSWORD"],
  bearerToken: ["BEARER_TOKEN"],
  container: ["CR_TOKEN_FILENAME", "CLIENT_SECRET"],
  cp4d: ["APIKEY_FILE", "AUTH_URL", "AUTH_DISABLE_SSL"],
  iam: ["APIKEY", "APIKEY_FILE", "AUTH_URL", "CLIENT_SECRET", "REFRESH_TOKEN", "DISABLE_SSL", "MAX_RETRIES"],
  iamAssume: ["APIKEY", "APIKEY_FILE", "AUTH_URL"],
  mcsp: ["APIKEY", "APIKEY_FILE", "AUTH_URL"],
  mcspv2: ["APIKEY", "CALLER_EXT_CLAIM", "INCLUDE_ROLES", "SCOPE_COLLECTION_TYPE"],
  noAuth: ["RETRY_INTERVAL"],
  vpc: ["VPC_IMS_VERSION", "TOKEN_LIFETIME", "AUTH_URL"],
};

/** Credentials that fail, each with the secret where one can get to. */
export function wrongCredentials(secret: string): Readonly<Record<string, () => unknown>> {
  const cwd = mkdtempSync(join(tmpdir(), "canary-"));
  onTestFinished(() => rmSync(cwd, { recursive: true }));
  const places = { cwd, home: cwd };
  const loud = () => {
    throw Object.assign(new Error(`no ${secret}`), { secret });
  };
  const getToken = (found: Parameters<typeof createTokenManager>[0]) =>
    createTokenManager({ ...found, deadlineMs: 100, fetch: async () => loud() }).getToken();
  const fromEnvironment = (env: Record<string, string | undefined>, service?: string) =>
    getToken(credentialsFromEnvironment({ env, service, ...places }));
  const file = (name: string, text: string) => {
    writeFileSync(join(cwd, name), text);
    return join(cwd, name);
  };

  const calls: Record<string, () => unknown> = {};
  // As it is, as a template leaves it, and as the file or the answer that it came in.
  const spoilt = [secret, `"${secret}"`, `{${secret}}`, `{"apikey":"${secret}"}`, `KEY=${secret}\n`];
  for (const [type, properties] of Object.entries(breaking)) {
    for (const property of properties) {
      for (const value of spoilt) {
        const env: Record<string, string> = {};
        for (const [name, usual] of Object.entries(complete)) env[`SVC_${name}`] = usual;
        Object.assign(env, { SVC_AUTH_TYPE: type, [`SVC_${property}`]: value });
        if (property === "APIKEY_FILE") delete env.SVC_APIKEY;
        calls[`${type}: ${value.replace(secret, "a secret")} as ${property}`] = () =>
          fromEnvironment(env, "svc");
      }
    }
  }
  for (const value of spoilt) {
    const what = value.replace(secret, "a secret");
    for (const name of [
      "IBM_CREDENTIALS_FILE",
      "IBMCLOUD_API_KEY",
      "IBMCLOUD_API_KEY_FILE",
      "IC_API_KEY_FILE",
    ])
      calls[`${what} as ${name}`] = () => fromEnvironment({ [name]: value });
    calls[`${what} as the type of authentication`] = () =>
      fromEnvironment({ SVC_AUTH_TYPE: value, SVC_APIKEY: value }, "svc");
    calls[`${what} as VCAP_SERVICES`] = () => fromEnvironment({ VCAP_SERVICES: value }, "svc");
    calls[`${what} as the path of a file`] = () => secretFile(value)();
    calls[`${what} as the path of a token`] = () => crTokenFile(value)();
    calls[`${what} as the files of a token`] = () =>
      defaultGrant({ env: {}, crTokenFiles: [value], profileName: "p", ...places });
  }
  for (const members of [secret, [secret], { apikey: { secret } }, { authType: secret, apikey: secret }]) {
    const instances = JSON.stringify({ svc: [{ name: "svc", credentials: members }] });
    calls[`an instance of ${JSON.stringify(members).replaceAll(secret, "a secret")}`] = () =>
      fromEnvironment({ VCAP_SERVICES: instances }, "svc");
  }
  return {
    ...calls,
    "a secret as the grant": () => defaultGrant({ grant: secret as Misplaced, ...places }),
    "a list as the key": () => defaultGrant({ apiKey: [secret] as Misplaced, ...places }),
    "a file of half a JSON": () => secretFile(file("half", `{"apikey":"${secret}`))(),
    "a file of another JSON": () => secretFile(file("other", `{"key":"${secret}"}`))(),
    "a file of two lines": () =>
      getToken(
        credentialsFromEnvironment({
          env: { IBMCLOUD_API_KEY_FILE: file("two", `${secret}\n${secret}`) },
          ...places,
        }),
      ),
    "a credentials file that is none": () =>
      credentialsFromEnvironment({ env: { IBM_CREDENTIALS_FILE: file("none", secret) }, ...places }),
    "a credentials file with the secret in the wrong line": () =>
      serviceFromEnvironment({
        service: "svc",
        env: { IBM_CREDENTIALS_FILE: file("wrong", `SVC_APIKEY=\nSVC_OTHER=${secret}\n${secret}`) },
        ...places,
      }),
  };
}
