import { describe, expect, test } from "vitest";
import {
  defaultCrToken,
  defaultPassword,
  defaultProfile,
  defaultUser,
  type RunningEmulator,
} from "../src/index.ts";
import { apiKeyGrantType, basic, emulating, jsonOf, post, tokenOf } from "./emulating.ts";

const urn = (name: string) => `urn:ibm:params:oauth:grant-type:${name}`;
const account = "0123456789abcdef0123456789abcdef";
const profileCrn = `crn:v1:bluemix:public:iam-identity::a/${account}::profile:${defaultProfile.id}`;

/** A form of each grant that is granted, and the fields without which it is not. */
const grants: Record<string, [fields: Record<string, string>, required: string[]]> = {
  apikey: [{ grant_type: apiKeyGrantType, apikey: "{apikey}" }, ["apikey"]],
  "apikey, delegating": [
    {
      grant_type: apiKeyGrantType,
      apikey: "{apikey}",
      response_type: "delegated_refresh_token",
      receiver_client_ids: "kube",
    },
    ["apikey", "receiver_client_ids"],
  ],
  refresh_token: [{ grant_type: "refresh_token", refresh_token: "{refresh_token}" }, ["refresh_token"]],
  "delegated-refresh-token": [
    { grant_type: urn("delegated-refresh-token"), refresh_token: "{delegated}" },
    ["refresh_token"],
  ],
  password: [
    { grant_type: "password", username: defaultUser.email, password: defaultPassword },
    ["username", "password"],
  ],
  passcode: [{ grant_type: urn("passcode"), passcode: "{passcode}" }, ["passcode"]],
  derive: [{ grant_type: urn("derive"), access_token: "{access_token}" }, ["access_token"]],
  "assume by id": [
    { grant_type: urn("assume"), access_token: "{access_token}", profile_id: defaultProfile.id },
    ["access_token", "profile_id"],
  ],
  "assume by name": [
    {
      grant_type: urn("assume"),
      access_token: "{access_token}",
      profile_name: defaultProfile.name,
      account,
    },
    ["access_token", "account"],
  ],
  "cr-token": [
    { grant_type: urn("cr-token"), cr_token: defaultCrToken, profile_id: defaultProfile.id },
    ["cr_token", "profile_id"],
  ],
  "iam-authz": [
    { grant_type: urn("iam-authz"), access_token: "{access_token}", desired_iam_id: "crn-crn:v1:a" },
    ["access_token", "desired_iam_id"],
  ],
};

/** The client that may use a grant. */
const clientOf = (name: string) => (name.startsWith("delegated") ? basic("kube", "kube") : basic("bx", "bx"));

/** The form with values of this emulator in it. */
async function filled(
  emulator: RunningEmulator,
  fields: Record<string, string>,
): Promise<Record<string, string>> {
  const apikey = { grant_type: apiKeyGrantType, apikey: emulator.apiKey };
  const values: Record<string, () => Promise<string>> = {
    "{apikey}": async () => emulator.apiKey,
    "{passcode}": async () => emulator.directory.createPasscode(),
    "{access_token}": () => tokenOf(emulator),
    "{refresh_token}": async () =>
      String((await jsonOf(await post(emulator.url, apikey, basic("bx", "bx")))).refresh_token),
    "{delegated}": async () => {
      const form = { ...apikey, response_type: "delegated_refresh_token", receiver_client_ids: "kube" };
      return String((await jsonOf(await post(emulator.url, form))).delegated_refresh_token);
    },
  };
  const entries = Object.entries(fields).map(
    async ([name, value]) => [name, (await values[value]?.()) ?? value] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

describe("validation", () => {
  const cases = Object.entries(grants).flatMap(([name, [fields, required]]) =>
    required.flatMap((property) => [
      [name, property, "missing", fields] as const,
      [name, property, "empty", fields] as const,
    ]),
  );

  test.for(Object.entries(grants))("of %s takes the whole form", async ([name, [fields]]) => {
    const emulator = await emulating();
    const response = await post(emulator.url, await filled(emulator, fields), clientOf(name));
    expect([response.status, await jsonOf(response)]).toMatchObject([200, {}]);
  });

  test.for(cases)("of %s names %s when it is %s", async ([name, property, how, fields]) => {
    const emulator = await emulating();
    const form = await filled(emulator, fields);
    if (how === "empty") form[property] = "";
    else delete form[property];
    const response = await post(emulator.url, form, clientOf(name));
    expect(response.status).toBe(400);
    const { context, ...said } = await jsonOf(response);
    expect(said).toEqual({
      errorCode: "BXNIM0109E",
      errorMessage: "Property missing or empty.",
      errorDetails: `Property '${property}' either missing or empty.`,
    });
    expect(context).toMatchObject({ requestType: "incoming.Identity_Token" });
    expect(emulator.log.at(-1)).toMatchObject({ status: 400, errorCode: "BXNIM0109E" });
  });

  test.for(["refresh_token", "delegated-refresh-token", "password", "passcode", "derive"])(
    "of %s wants a client that authenticates itself, and a known one",
    async (name) => {
      const emulator = await emulating();
      const [fields = {}] = grants[name] ?? [];
      const form = await filled(emulator, fields);
      for (const [headers, errorCode, errorMessage] of [
        [{}, "BXNIM0308E", "No authorization header found."],
        [basic("nobody", "knows"), "BXNIM0310E", "Provided client could not be found."],
        [basic("bx", "wrong"), "BXNIM0310E", "Provided client could not be found."],
      ] as const) {
        const response = await post(emulator.url, form, { ...headers });
        expect([response.status, await jsonOf(response)]).toMatchObject([401, { errorCode, errorMessage }]);
      }
      // None of them has spent anything.
      expect((await post(emulator.url, form, clientOf(name))).status).toBe(200);
    },
  );

  test.for<[string, Record<string, string>, string]>([
    [
      "response_type",
      { response_type: "uaa" },
      "Validation of property 'response_type' with value 'uaa' failed. Valid values: 'cloud_iam'",
    ],
    [
      "delegated_refresh_token_expiry",
      {
        response_type: "delegated_refresh_token",
        receiver_client_ids: "kube",
        delegated_refresh_token_expiry: "1.5",
      },
      "Validation of property 'delegated_refresh_token_expiry' with value '1.5' failed. Valid values: 'a number of seconds'",
    ],
  ])("names the valid values of %s", async ([, more, errorMessage]) => {
    const emulator = await emulating();
    const form = { grant_type: apiKeyGrantType, apikey: emulator.apiKey, ...more };
    const response = await post(emulator.url, form);
    expect(response.status).toBe(400);
    expect(await jsonOf(response)).toMatchObject({ errorCode: "BXNIM0106E", errorMessage });
  });

  test("of a profile that is assumed refuses a second name, even one that agrees", async () => {
    const emulator = await emulating();
    const form = { grant_type: urn("assume"), access_token: await tokenOf(emulator) };
    const both = { ...form, profile_id: defaultProfile.id, profile_crn: profileCrn };
    expect(await jsonOf(await post(emulator.url, both))).toMatchObject({
      errorCode: "BXNIM0106E",
      errorMessage: `Validation of property 'profile_crn' with value '${profileCrn}' failed. Valid values: 'none beside another name of the profile'`,
    });
  });

  test("of an API key refuses the account of others, and takes its own", async () => {
    const emulator = await emulating();
    const form = { grant_type: apiKeyGrantType, apikey: emulator.apiKey };
    expect((await post(emulator.url, { ...form, account })).status).toBe(200);
    const refused = await jsonOf(await post(emulator.url, { ...form, account: "f".repeat(32) }));
    expect(refused).toMatchObject({
      errorCode: "BXNIM0141E",
      errorMessage: "User is not a member of the requested account.",
    });
  });
});

describe("a service that is not IAM", () => {
  const json = (url: string, method: string, body?: unknown) =>
    fetch(url, {
      method,
      headers: { "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });

  test.for<[string, string, unknown, string]>([
    [
      "a switch that is neither true nor false",
      "?includeRoles=yes",
      {},
      "includeRoles must be true or false",
    ],
    ["an empty switch", "?includeBuiltinActions=", {}, "includeBuiltinActions must be true or false"],
    ["claims in letters", "", { callerExtClaim: "{}" }, "callerExtClaim must be an object"],
    ["claims in a list", "", { callerExtClaim: [] }, "callerExtClaim must be an object"],
    ["claims that are null", "", { callerExtClaim: null }, "callerExtClaim must be an object"],
  ])("refuses %s at the console, version 2", async ([, query, more, words]) => {
    const emulator = await emulating();
    const url = `${emulator.url}/api/2.0/accounts/a/apikeys/token`;
    const response = await json(url + query, "POST", { apikey: emulator.apiKey, ...(more as object) });
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).message).toContain(words);
    const fine = { apikey: emulator.apiKey, callerExtClaim: {} };
    expect((await json(`${url}?includeRoles=true`, "POST", fine)).status).toBe(200);
  });

  test("answers a wrong method and an unknown path in its own shape", async () => {
    const emulator = await emulating();
    const metadata = await emulator.listen({ service: "metadata" });
    const wrong = await json(`${metadata.url}/identity/v1/token?version=2025-08-26`, "POST", {});
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "PUT"]);
    expect(await jsonOf(wrong)).toMatchObject({ errors: [{ code: "service_error" }], status_code: 405 });
    const unknown = await json(`${metadata.url}/identity/v2/token`, "PUT", {});
    expect(unknown.status).toBe(404);
    expect(await jsonOf(unknown)).toMatchObject({ errors: [{ code: "not_found" }], status_code: 404 });
    const console = await json(`${emulator.url}/siusermgr/api/1.0/apikeys/token`, "GET");
    expect([console.status, await jsonOf(console)]).toEqual([405, { message: "HTTP 405" }]);
  });
});
