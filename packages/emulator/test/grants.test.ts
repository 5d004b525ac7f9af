import { decodeJwt } from "jose";
import { describe, expect, test } from "vitest";
import {
  defaultCrToken,
  defaultPassword,
  defaultProfile,
  defaultUser,
  iamErrors,
  type RunningEmulator,
} from "../src/index.ts";
import {
  apiKeyGrantType,
  askResource,
  askToken,
  basic,
  emulating,
  type Json,
  jsonOf,
  post,
  tokenOf,
} from "./emulating.ts";

const urn = (name: string) => `urn:ibm:params:oauth:grant-type:${name}`;
const bx = basic("bx", "bx");
const account = "0123456789abcdef0123456789abcdef";
const profileCrn = `crn:v1:bluemix:public:iam-identity::a/${account}::profile:${defaultProfile.id}`;

async function ask(emulator: RunningEmulator, fields: Record<string, string>, headers = {}): Promise<Json> {
  return jsonOf(await post(emulator.url, fields, headers));
}

const claimsOf = (body: Json) => decodeJwt(String(body.access_token));

describe("refresh_token", () => {
  const refresh = (emulator: RunningEmulator, token: unknown, headers = bx) =>
    ask(emulator, { grant_type: "refresh_token", refresh_token: String(token) }, headers);

  test("gives a new access token and a new refresh token for the same identity, once", async () => {
    const emulator = await emulating();
    const first = await jsonOf(await askToken(emulator, bx));
    const second = await refresh(emulator, first.refresh_token);
    expect(claimsOf(second)).toMatchObject({
      iam_id: defaultUser.iamId,
      grant_type: "refresh_token",
      client_id: "bx",
    });
    expect(second.refresh_token).not.toBe(first.refresh_token);
    expect((await refresh(emulator, first.refresh_token)).errorCode).toBe("BXNIM0407E");
    expect((await refresh(emulator, second.refresh_token)).access_token).toBeDefined();
  });

  test("is refused to no client, to another client, and for what is no refresh token", async () => {
    const emulator = await emulating();
    const { refresh_token } = await jsonOf(await askToken(emulator, bx));
    expect((await refresh(emulator, refresh_token, {})).errorCode).toBe("BXNIM0308E");
    expect((await refresh(emulator, refresh_token, basic("kube", "kube"))).errorCode).toBe("BXNIM0407E");
    expect((await refresh(emulator, "not_supported")).errorCode).toBe("BXNIM0407E");
    expect((await refresh(emulator, "")).errorCode).toBe("BXNIM0109E");
    expect((await refresh(emulator, refresh_token)).access_token).toBeDefined();
  });

  test("is refused after three days", async () => {
    const emulator = await emulating();
    const { refresh_token } = await jsonOf(await askToken(emulator, bx));
    emulator.clock.advance(259_200_000);
    expect((await refresh(emulator, refresh_token)).errorCode).toBe("BXNIM0408E");
  });

  test("is refused when the session has ended by inactivity, which it names", async () => {
    const emulator = await emulating();
    const login = { grant_type: "password", username: defaultUser.email, password: defaultPassword };
    const { refresh_token, session_id } = await ask(emulator, login, bx);
    emulator.endSessions();
    const refused = await refresh(emulator, refresh_token);
    expect(refused).toMatchObject({ errorCode: "BXNIM0439E" });
    expect(refused.errorMessage).toContain(String(session_id));
  });
});

describe("delegated-refresh-token", () => {
  const delegate = (emulator: RunningEmulator, more: Record<string, string> = {}) =>
    ask(emulator, {
      ...{ grant_type: apiKeyGrantType, apikey: emulator.apiKey, response_type: "delegated_refresh_token" },
      ...{ receiver_client_ids: "ce,kube", ...more },
    });
  const redeem = (emulator: RunningEmulator, token: unknown, headers = {}) =>
    ask(emulator, { grant_type: urn("delegated-refresh-token"), refresh_token: String(token) }, headers);

  test("comes alone, or beside the access token", async () => {
    const emulator = await emulating();
    expect(Object.keys(await delegate(emulator))).toEqual(["delegated_refresh_token"]);
    const both = await delegate(emulator, { response_type: "cloud_iam delegated_refresh_token" });
    expect(both).toMatchObject({
      access_token: expect.any(String),
      delegated_refresh_token: expect.any(String),
    });
  });

  test("is redeemed by each receiver, as often as they like, and by nobody else", async () => {
    const emulator = await emulating();
    const { delegated_refresh_token: token } = await delegate(emulator);
    for (const id of ["ce", "kube", "ce"]) {
      const body = await redeem(emulator, token, basic(id, id));
      expect(claimsOf(body)).toMatchObject({ iam_id: defaultUser.iamId, client_id: id });
    }
    expect((await redeem(emulator, token, bx)).errorCode).toBe("BXNIM0407E");
    expect((await redeem(emulator, token)).errorCode).toBe("BXNIM0308E");
    const misused = { grant_type: "refresh_token", refresh_token: String(token) };
    expect((await ask(emulator, misused, basic("ce", "ce"))).errorCode).toBe("BXNIM0407E");
  });

  test.for([
    [{}, 518_400],
    [{ delegated_refresh_token_expiry: "600" }, 600],
  ] as const)("expires as told (%o)", async ([more, seconds]) => {
    const emulator = await emulating();
    emulator.clock.freeze();
    const { delegated_refresh_token: token } = await delegate(emulator, more);
    emulator.clock.advance(seconds * 1000 - 1);
    expect((await redeem(emulator, token, basic("ce", "ce"))).access_token).toBeDefined();
    emulator.clock.advance(1);
    expect((await redeem(emulator, token, basic("ce", "ce"))).errorCode).toBe("BXNIM0408E");
  });

  test("wants receivers, and a number of seconds", async () => {
    const emulator = await emulating();
    expect((await delegate(emulator, { receiver_client_ids: "" })).errorCode).toBe("BXNIM0109E");
    expect((await delegate(emulator, { delegated_refresh_token_expiry: "soon" })).errorCode).toBe(
      "BXNIM0106E",
    );
  });
});

describe("password and passcode", () => {
  const login = { grant_type: "password", username: defaultUser.email, password: defaultPassword };

  test("open a session, for an account", async () => {
    const emulator = await emulating();
    const body = await ask(emulator, { ...login, account }, bx);
    expect(body).toMatchObject({
      session_id: expect.stringMatching(/^C-[0-9a-f-]{36}$/),
      ims_user_id: 1_234_567,
    });
    expect(claimsOf(body)).toMatchObject({ session_id: body.session_id, account: { bss: account } });
    expect((await askResource(emulator.url, String(body.access_token))).status).toBe(200);
  });

  test("without an account give a token that resources refuse, also after a refresh", async () => {
    const emulator = await emulating();
    const body = await ask(emulator, login, bx);
    const again = await ask(
      emulator,
      { grant_type: "refresh_token", refresh_token: String(body.refresh_token) },
      bx,
    );
    for (const { access_token } of [body, again]) {
      expect(decodeJwt(String(access_token))).not.toHaveProperty("account");
      expect((await askResource(emulator.url, String(access_token))).status).toBe(401);
    }
  });

  test.for<[string, Record<string, string>, Record<string, string>, string]>([
    ["without client authentication", {}, {}, "BXNIM0308E"],
    ["with a wrong password", { password: "wrong" }, bx, "BXNIM0602E"],
    ["for an unknown user", { username: "nobody@example.com" }, bx, "BXNIM0602E"],
    ["for a federated user", { username: "federated@example.com" }, bx, "BXNIM0608E"],
    ["for an inactive user", { username: "inactive@example.com" }, bx, "BXNIM0410E"],
    ["for a suspended user", { username: "suspended@example.com" }, bx, "BXNIM0436E"],
    ["for an account of others", { account: "f".repeat(32) }, bx, "BXNIM0141E"],
    ["without a password", { password: "" }, bx, "BXNIM0109E"],
  ])("are refused %s", async ([, fields, headers, code]) => {
    const emulator = await emulating();
    for (const state of ["federated", "inactive", "suspended"] as const) {
      const identity = { ...defaultUser, iamId: `IBMid-${state}`, email: `${state}@example.com` };
      emulator.directory.addUser({ identity, password: defaultPassword, state });
    }
    const response = await post(emulator.url, { ...login, ...fields }, headers);
    expect(await jsonOf(response)).toMatchObject({ errorCode: code });
    expect(response.status).toBe(Object.entries(iamErrors).find(([name]) => name === code)?.[1].status);
  });

  test("a passcode is good once", async () => {
    const emulator = await emulating();
    const fields = { grant_type: urn("passcode"), passcode: emulator.directory.createPasscode(), account };
    expect((await ask(emulator, fields)).errorCode).toBe("BXNIM0308E");
    expect(claimsOf(await ask(emulator, fields, bx))).toMatchObject({
      iam_id: defaultUser.iamId,
      client_id: "bx",
    });
    expect((await ask(emulator, fields, bx)).errorCode).toBe("BXNIM0602E");
    expect(() => emulator.directory.createPasscode("nobody@example.com")).toThrow("No such user");
  });

  test("a passcode can be made with a refresh token, which stays good", async () => {
    const emulator = await emulating();
    const { refresh_token } = await ask(emulator, login, bx);
    const url = `${emulator.url}/identity/passcode`;
    const fields = {
      grant_type: "refresh_token",
      refresh_token: String(refresh_token),
      response_type: "cloud_iam",
    };
    const { passcode } = await jsonOf(await post(url, fields, bx));
    const body = await ask(emulator, { grant_type: urn("passcode"), passcode: String(passcode) }, bx);
    expect(claimsOf(body).iam_id).toBe(defaultUser.iamId);
    expect((await jsonOf(await post(url, fields))).errorCode).toBe("BXNIM0308E");
    expect((await jsonOf(await post(url, { ...fields, grant_type: "password" }, bx))).errorCode).toBe(
      "BXNIM0106E",
    );
    expect((await ask(emulator, fields, bx)).access_token).toBeDefined();
  });
});

describe("derive", () => {
  test("gives a token of the classic infrastructure, alone or beside an access token", async () => {
    const emulator = await emulating();
    const fields = {
      grant_type: urn("derive"),
      access_token: await tokenOf(emulator),
      response_type: "ims_portal",
    };
    expect(await ask(emulator, fields, bx)).toEqual({
      ims_token: expect.any(String),
      ims_user_id: 1_234_567,
    });
    const both = await ask(emulator, { ...fields, response_type: "cloud_iam,ims_portal" }, bx);
    expect(both).toMatchObject({ ims_token: expect.any(String), access_token: expect.any(String) });
    expect((await ask(emulator, fields)).errorCode).toBe("BXNIM0308E");
  });

  test("tells a malformed, a foreign, a revoked and an expired token apart", async () => {
    const emulator = await emulating();
    const codeFor = async (access_token: string) =>
      (await ask(emulator, { grant_type: urn("derive"), access_token }, bx)).errorCode;
    const [foreign, revoked, expired] = [
      await emulating(),
      await emulator.issueToken(),
      await emulator.issueToken(),
    ];
    emulator.revoke(revoked.value);
    expect(await codeFor("nonsense")).toBe("BXNIM0401E");
    expect(await codeFor((await foreign.issueToken()).value)).toBe("BXNIM0407E");
    expect(await codeFor(revoked.value)).toBe("BXNIM0407E");
    emulator.clock.advance(3_600_000);
    expect(await codeFor(expired.value)).toBe("BXNIM0405E");
  });
});

describe("assume", () => {
  const assume = (emulator: RunningEmulator, access_token: string, fields: Record<string, string>) =>
    ask(emulator, { grant_type: urn("assume"), access_token, ...fields });

  test.for<Record<string, string>>([
    { profile_id: defaultProfile.id },
    { profile_id: `iam-${defaultProfile.id}` },
    { profile_crn: profileCrn },
    { profile_name: defaultProfile.name, account },
  ])("gives a token of the profile, by %o", async (fields) => {
    const emulator = await emulating();
    const body = await assume(emulator, await tokenOf(emulator), fields);
    expect(body).toMatchObject({ refresh_token: "not_supported" });
    const byClient = { grant_type: urn("assume"), access_token: await tokenOf(emulator), ...fields };
    expect(await ask(emulator, byClient, bx)).toMatchObject({ refresh_token: "not_supported" });
    expect(claimsOf(body)).toMatchObject({
      iam_id: `iam-${defaultProfile.id}`,
      realmid: "iam",
      identifier: defaultProfile.id,
      sub: defaultProfile.id,
      sub_type: "Profile",
      name: defaultProfile.name,
      authn: { iam_id: defaultUser.iamId, sub: defaultUser.email },
      grant_type: urn("assume"),
    });
    expect((await askResource(emulator.url, String(body.access_token))).status).toBe(200);
  });

  test("clips the life of the token to what is left of the source", async () => {
    const emulator = await emulating();
    emulator.clock.freeze(Date.UTC(2030, 0, 1));
    const source = await tokenOf(emulator);
    emulator.clock.advance(3000);
    const body = await assume(emulator, source, { profile_id: defaultProfile.id });
    expect(body.expires_in).toBe(3597);
    expect(claimsOf(body).exp).toBe(decodeJwt(source).exp);
    emulator.configure({ expiresInS: 60 });
    expect((await assume(emulator, source, { profile_id: defaultProfile.id })).expires_in).toBe(60);
  });

  test.for<[string, Record<string, string>, string]>([
    ["names no profile", {}, "BXNIM0109E"],
    ["gives a name without an account", { profile_name: defaultProfile.name }, "BXNIM0109E"],
    ["gives a CRN that is none", { profile_crn: "nonsense" }, "BXNIM0113E"],
    ["names an unknown profile", { profile_id: "Profile-unknown" }, "BXNIM0398E"],
    [
      "names an account of others",
      { profile_name: defaultProfile.name, account: "f".repeat(32) },
      "BXNIM0398E",
    ],
    ["may not assume it", { profile_id: "Profile-closed" }, "BXNIM0398E"],
  ])("is refused to who %s", async ([, fields, code]) => {
    const emulator = await emulating();
    const identity = { kind: "profile", id: "Profile-closed", name: "closed" } as const;
    emulator.directory.addProfile({ identity, assumableBy: ["IBMid-someone"] });
    const refused = await assume(emulator, await tokenOf(emulator), fields);
    expect(refused.errorCode).toBe(code);
    if (code === "BXNIM0398E") expect(refused.errorDetails).toContain(defaultUser.iamId);
  });

  test("the profiles that an identity may assume can be listed", async () => {
    const emulator = await emulating();
    const identity = { kind: "profile", id: "Profile-closed", name: "closed" } as const;
    emulator.directory.addProfile({ identity, assumableBy: ["IBMid-someone"] });
    const url = `${emulator.url}/identity/profiles`;
    expect(await jsonOf(await post(url, { access_token: await tokenOf(emulator) }))).toMatchObject({
      count: 1,
      profiles: [
        { id: defaultProfile.id, crn: profileCrn, iam_id: `iam-${defaultProfile.id}`, account_id: account },
      ],
    });
    expect((await jsonOf(await post(url, { access_token: "nonsense" }))).errorCode).toBe("BXNIM0401E");
  });
});

describe("cr-token", () => {
  const fields = { grant_type: urn("cr-token"), cr_token: defaultCrToken };

  test.for<Record<string, string>>([
    { profile_id: defaultProfile.id },
    { profile_name: defaultProfile.name },
    { profile_crn: profileCrn },
    { profile_id: defaultProfile.id, profile_name: defaultProfile.name },
  ])("gives a token of the profile, by %o", async (by) => {
    const emulator = await emulating();
    const body = await ask(emulator, { ...fields, ...by, cr_token: `${defaultCrToken}\n` });
    expect(body).toMatchObject({ refresh_token: "not_supported", expires_in: 3600 });
    expect(claimsOf(body)).toMatchObject({
      iam_id: `iam-${defaultProfile.id}`,
      grant_type: urn("cr-token"),
      authn: { iam_id: expect.stringMatching(/^crn-crn:/), sub_type: "CRN" },
    });
  });

  test.for<[string, Record<string, string>, string]>([
    ["no token", { cr_token: "" }, "BXNIM0109E"],
    ["no profile", { profile_id: "" }, "BXNIM0109E"],
    ["an unknown token", { cr_token: "unknown" }, "BXNIM0401E"],
    ["an expired token", { cr_token: "old" }, "BXNIM0405E"],
    ["a token that is not linked to the profile", { cr_token: "unlinked" }, "BXNIM0398E"],
    ["an id and a name that do not agree", { profile_name: "other" }, "BXNIM0398E"],
  ])("is refused for %s", async ([, more, code]) => {
    const emulator = await emulating({
      directory: {
        computeResources: [
          { token: "unlinked", profileIds: [] },
          { token: "old", expiresAt: 1 },
        ],
      },
    });
    emulator.directory.addComputeResource({ token: defaultCrToken });
    const refused = await ask(emulator, { ...fields, profile_id: defaultProfile.id, ...more });
    expect(refused.errorCode).toBe(code);
    if (code === "BXNIM0398E") expect(refused.errorDetails).toContain(defaultProfile.id);
  });
});

describe("iam-authz", () => {
  const desired_iam_id = "crn-crn:v1:bluemix:public:cloud-object-storage::a/1:2::";
  const fields = { grant_type: urn("iam-authz"), desired_iam_id };

  test("gives a token of the service, which lives 1796 seconds", async () => {
    const emulator = await emulating();
    const body = await ask(emulator, { ...fields, access_token: await tokenOf(emulator) });
    expect(body).toMatchObject({ expires_in: 1796, refresh_token: "not_supported" });
    const crn = desired_iam_id.slice(4);
    expect(claimsOf(body)).toMatchObject({
      iam_id: desired_iam_id,
      realmid: "crn",
      identifier: crn,
      sub: crn,
    });
    expect(claimsOf(body)).toMatchObject({ sub_type: "CRN", acr: 0, amr: [] });
  });

  test("is refused for an expired source and for what is no resource", async () => {
    const emulator = await emulating();
    const access_token = await tokenOf(emulator);
    expect((await ask(emulator, { ...fields, access_token, desired_iam_id: "x" })).errorCode).toBe(
      "BXNIM0113E",
    );
    emulator.clock.advance(3_600_000);
    expect((await ask(emulator, { ...fields, access_token })).errorCode).toBe("BXNIM0405E");
  });
});

test.for(Object.entries(iamErrors))("%s can be had on demand", async ([errorCode, { status, message }]) => {
  const emulator = await emulating();
  emulator.fault(JSON.parse(JSON.stringify({ kind: "refuse", errorCode, details: "why" })));
  const response = await askToken(emulator);
  expect(response.status).toBe(status);
  expect(await jsonOf(response)).toMatchObject({ errorCode, errorMessage: message, errorDetails: "why" });
});
