import { chmodSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { staticTokenGrant } from "@iam/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { type DefaultGrantOptions, defaultGrant } from "../src/index.ts";
import { askedWith } from "./asked.ts";
import { asNobody, directoryWith, surroundings, thrownBy } from "./places.ts";

const fileName = "ibm-credentials.env";

/** Every link of the chain with something in it. */
function everywhere(): DefaultGrantOptions {
  const cwd = directoryWith({ [fileName]: "SVC_APIKEY=file", "cr-token": "cr" });
  const vcap = { svc: [{ credentials: { apikey: "vcap" } }] };
  return {
    ...surroundings({ cwd }),
    env: { SVC_APIKEY: "environment", VCAP_SERVICES: JSON.stringify(vcap) },
    service: "svc",
    crTokenFiles: [join(cwd, "cr-token")],
    profileName: "p",
    vpc: true,
  };
}

const keyOf = async (options: DefaultGrantOptions) => {
  const [asked] = await askedWith(defaultGrant(options));
  return asked?.fields.apikey ?? asked?.fields.cr_token ?? asked?.url;
};

describe("the default grant", () => {
  test("is the first of: explicit, file, environment, VCAP_SERVICES, CR token file, VPC metadata", async () => {
    let options: DefaultGrantOptions = { ...everywhere(), apiKey: "explicit" };
    expect(await keyOf(options)).toBe("explicit");
    options = { ...options, apiKey: undefined };
    expect(await keyOf(options)).toBe("file");
    options = { ...options, cwd: directoryWith() };
    expect(await keyOf(options)).toBe("environment");
    options = { ...options, env: { VCAP_SERVICES: options.env?.VCAP_SERVICES } };
    expect(await keyOf(options)).toBe("vcap");
    options = { ...options, env: {} };
    expect(await keyOf(options)).toBe("cr");
    options = { ...options, crTokenFiles: [] };
    expect(await keyOf(options)).toBe("http://169.254.169.254/instance_identity/v1/token?version=2022-03-01");
    options = { ...options, vpc: undefined };
    expect(thrownBy(() => defaultGrant(options))).toMatchObject({ code: "ERR_IAM_CONFIG" });
  });

  test("says of every link up to the one that was used what it found, and why it was skipped", () => {
    const options = everywhere();
    const cwd = directoryWith();
    const { links } = defaultGrant({ ...options, cwd, env: {} });
    expect(links).toEqual([
      { name: "explicit", used: false, reason: "neither grant nor apiKey is given" },
      {
        name: "credentials file",
        used: false,
        reason: `none at ${cwd}/${fileName}, ${options.home}/${fileName}`,
      },
      {
        name: "environment",
        used: false,
        reason: "no variable begins with SVC_; IBMCLOUD_API_KEY and IC_API_KEY are not set",
      },
      { name: "VCAP_SERVICES", used: false, reason: "the variable is not set" },
      { name: "CR token file", used: true, reason: options.crTokenFiles?.[0] },
    ]);
  });

  test("that is nowhere is an error that lists every link", () => {
    const [cwd, home] = [directoryWith(), directoryWith()];
    const crTokenFiles = [join(cwd, "cr-token")];
    expect(
      thrownBy(() => defaultGrant({ env: {}, cwd, home, crTokenFiles })).message,
    ).toBe(`There are no credentials for IBM Cloud. Looked at:
- explicit: neither grant nor apiKey is given
- credentials file: none at ${cwd}/${fileName}, ${home}/${fileName}
- environment: IBMCLOUD_API_KEY and IC_API_KEY are not set
- VCAP_SERVICES: no service is named
- CR token file: none at ${cwd}/cr-token
- VPC metadata: not asked for: give vpc: true`);
  });

  test("is not made of a key in the place of a grant", () => {
    const read = () => defaultGrant({ grant: "the-key" as never, ...surroundings() });
    expect(thrownBy(read)).toMatchObject({
      code: "ERR_IAM_CONFIG",
      message: expect.not.stringMatching("the-key"),
    });
  });

  test("holds no secret in what it says", () => {
    const env = {
      IBMCLOUD_API_KEY: "canary",
      SVC_PASSWORD: "canary",
      VCAP_SERVICES: '{"a":[{"credentials":"canary"}]}',
    };
    for (const options of [
      { env },
      { env: { ...env, IBMCLOUD_API_KEY: undefined } },
      { env: {}, apiKey: "canary" },
    ]) {
      const said = (() => {
        try {
          return defaultGrant({ ...surroundings(), crTokenFiles: [], ...options });
        } catch (error) {
          return error;
        }
      })();
      expect(inspect(said, { depth: Infinity, showHidden: true, getters: true })).not.toContain("canary");
      expect(JSON.stringify(said)).not.toContain("canary");
    }
  });

  test("may be a grant that is passed in", () => {
    const grant = staticTokenGrant("the-token");
    const found = defaultGrant({ grant });
    expect(found.grant).toBe(grant);
    expect(found.links).toEqual([{ name: "explicit", used: true, reason: "the option grant" }]);
  });

  test("is not made of two explicit ones", () => {
    const grant = staticTokenGrant("the-token");
    expect(thrownBy(() => defaultGrant({ grant, apiKey: "k" })).message).toMatch(/give one/);
  });

  test.for<DefaultGrantOptions>([
    { env: { SVC_APIKEY: "{canary}", IBMCLOUD_API_KEY: "good" }, service: "svc" },
    { env: { IBM_CREDENTIALS_FILE: "gone", IBMCLOUD_API_KEY: "good" } },
    { env: { VCAP_SERVICES: "canary" }, service: "svc", vpc: true },
    { env: { IBMCLOUD_API_KEY: "{canary}" }, vpc: true },
    {
      env: { SVC_AUTH_TYPE: "basic", SVC_USERNAME: "ada", SVC_PASSWORD: "canary" },
      service: "svc",
      vpc: true,
    },
    { env: {}, apiKey: "" },
  ])("is not passed over when it is there but wrong: %j", (options) => {
    const error = thrownBy(() => defaultGrant({ ...surroundings(), crTokenFiles: [], ...options }));
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
    expect(error.message).not.toContain("Looked at");
    expect(inspect(error, { depth: Infinity, showHidden: true })).not.toContain("canary");
  });

  test("of a service is its own before the key of everything, in each source", async () => {
    const env = { IBMCLOUD_API_KEY: "everything", SVC_APIKEY: "own" };
    const options = { service: "svc", ...surroundings(), crTokenFiles: [] };
    expect(await keyOf({ ...options, env })).toBe("own");
    expect(await keyOf({ ...options, env: { IBMCLOUD_API_KEY: "everything" } })).toBe("everything");
    const cwd = directoryWith({ [fileName]: "IC_API_KEY=in the file" });
    expect(await keyOf({ ...options, cwd, env })).toBe("in the file");
  });

  test("keeps the token endpoint that the properties name", () => {
    const env = { SVC_APIKEY: "k", SVC_AUTH_URL: "https://iam.test.example.com/" };
    const { tokenEndpoint } = defaultGrant({ service: "svc", ...surroundings({ env }) });
    expect(tokenEndpoint).toBe("https://iam.test.example.com/identity/token");
  });

  test.for([
    [{ profileName: "n" }, {}, { profile_name: "n" }],
    [{ profileId: "Profile-1" }, { IBMCLOUD_CR_PROFILE: "other" }, { profile_id: "Profile-1" }],
    [{}, { IBMCLOUD_CR_PROFILE: "n" }, { profile_name: "n" }],
    [{}, { IBMCLOUD_CR_PROFILE: " Profile-1\n" }, { profile_id: "Profile-1" }],
  ] as const)("of a compute resource is for the profile in %j and %j", async ([profile, env, fields]) => {
    const cwd = directoryWith({ "cr-token": "cr\n" });
    const options = { ...surroundings({ cwd, env }), crTokenFiles: [join(cwd, "cr-token")], ...profile };
    const [asked] = await askedWith(defaultGrant(options));
    const grant_type = "urn:ibm:params:oauth:grant-type:cr-token";
    expect(asked?.fields).toEqual({ grant_type, cr_token: "cr", ...fields });
  });

  test("of a compute resource without a profile is skipped, and the reason says what to set", () => {
    const cwd = directoryWith({ "cr-token": "cr" });
    const file = join(cwd, "cr-token");
    const { links } = defaultGrant({ ...surroundings({ cwd }), crTokenFiles: [file], vpc: true });
    expect(links.at(-2)).toEqual({
      name: "CR token file",
      used: false,
      reason: `${file} is there, but no trusted profile is named: give profileId or profileName, or set IBMCLOUD_CR_PROFILE`,
    });
    expect(links.at(-1)).toEqual({
      name: "VPC metadata",
      used: true,
      reason: "asked for with the option vpc",
    });
  });

  test("of a compute resource is not passed over when this process may not look where its token is", async () => {
    const closed = directoryWith({ "cr-token": "cr" });
    chmodSync(closed, 0o000);
    onTestFinished(() => chmodSync(closed, 0o700));
    const options = {
      ...surroundings(),
      profileName: "p",
      crTokenFiles: [join(closed, "cr-token")],
      vpc: true,
    };
    const { grant } = asNobody(() => defaultGrant(options));
    await expect(asNobody(() => grant.secret?.())).rejects.toMatchObject({
      code: "ERR_IAM_CONFIG",
      retryable: true,
      message: expect.stringContaining("cr-token may not be read by this process"),
    });
  });

  test("of a VPC instance takes the options of its grant", async () => {
    const vpc = { version: "2025-08-26", profileCrn: "crn:v1:p" } as const;
    const asked = await askedWith(defaultGrant({ ...surroundings(), crTokenFiles: [], vpc }));
    expect(asked[1]).toMatchObject({
      url: "http://169.254.169.254/identity/v1/iam_tokens?version=2025-08-26",
      fields: { trusted_profile: { crn: "crn:v1:p" } },
    });
  });
});
