import {
  apiKeyGrant,
  assumeGrant,
  cloudPakForDataGrant,
  crTokenGrant,
  delegatedRefreshTokenGrant,
  delegatingGrant,
  type Grant,
  iamAuthzGrant,
  mcspGrant,
  passcodeGrant,
  passwordGrant,
  refreshTokenGrant,
  staticTokenGrant,
  vpcInstanceGrant,
} from "@iam/core";
import { defaultCrToken, defaultPassword } from "@iam/emulator";
import { describe, expect, test } from "vitest";
import {
  account,
  asProfile,
  asService,
  asUser,
  bx,
  delegatedTo,
  emulator,
  kube,
  managing,
  metadataUrl,
  profileCrn,
  profileId,
  profileName,
  read,
  refreshTokenOf,
  serviceId,
  username,
} from "./grant-scene.ts";

/** What is granted: how the grant is made in the emulator, who it is then, and how many token requests it takes. */
const granted: Record<string, [make: () => Grant | Promise<Grant>, who: object, requests: number]> = {
  "an API key": [() => apiKeyGrant(emulator.apiKey), asUser, 1],
  "an API key by a client, with scope and account": [
    () => apiKeyGrant(async () => emulator.apiKey, { ...bx, scope: "ibm openid", account }),
    asUser,
    1,
  ],
  "a refresh token": [
    async () => refreshTokenGrant({ ...bx, refreshToken: await refreshTokenOf() }),
    asUser,
    2,
  ],
  "a refresh token that its primary grant gives": [
    () => refreshTokenGrant({ ...bx, primary: apiKeyGrant(emulator.apiKey, bx) }),
    asUser,
    1,
  ],
  "a delegated refresh token": [
    async () => delegatedRefreshTokenGrant({ ...kube, refreshToken: await delegatedTo("kube") }),
    asUser,
    2,
  ],
  "delegating with an API key": [
    () =>
      delegatingGrant(apiKeyGrant(emulator.apiKey), { receiverClientIds: ["kube", "ce"], expiresInS: 600 }),
    asUser,
    1,
  ],
  "a passcode": [() => passcodeGrant(emulator.directory.createPasscode(), { account }), asUser, 1],
  "a password": [() => passwordGrant({ username, password: defaultPassword, account }), asUser, 1],
  "a trusted profile by id": [
    () => assumeGrant(apiKeyGrant(emulator.apiKey, bx), { profileId }),
    asProfile,
    2,
  ],
  "a trusted profile by CRN": [() => assumeGrant(apiKeyGrant(emulator.apiKey), { profileCrn }), asProfile, 2],
  "a trusted profile by name": [
    () => assumeGrant(apiKeyGrant(emulator.apiKey), { profileName, account }),
    asProfile,
    2,
  ],
  "a trusted profile over a login": [
    () => assumeGrant(passcodeGrant(emulator.directory.createPasscode(), { account }), { profileId }),
    asProfile,
    2,
  ],
  "a trusted profile over an instance": [
    () => assumeGrant(vpcInstanceGrant({ url: metadataUrl }), { profileCrn }),
    asProfile,
    2,
  ],
  "a compute resource token by name": [
    () => crTokenGrant(`${defaultCrToken}\n`, { profileName }),
    asProfile,
    1,
  ],
  "a compute resource token by id and name, by a client": [
    () => crTokenGrant(async () => defaultCrToken, { ...bx, profileId, profileName, scope: "ibm" }),
    asProfile,
    1,
  ],
  "service to service": [
    () => iamAuthzGrant(apiKeyGrant(emulator.apiKey), { desiredIamId: serviceId }),
    asService,
    2,
  ],
  "an instance": [() => vpcInstanceGrant({ url: metadataUrl }), asProfile, 1],
  "an instance by id, of the second generation": [
    () => vpcInstanceGrant({ url: `${metadataUrl}/`, version: "2025-08-26", profileId, tokenLifetimeS: 5 }),
    asProfile,
    1,
  ],
  "an instance by CRN": [() => vpcInstanceGrant({ url: metadataUrl, profileCrn }), asProfile, 1],
  "an instance by name": [() => vpcInstanceGrant({ url: metadataUrl, profileName }), asProfile, 1],
  "the SaaS console": [() => mcspGrant(emulator.apiKey, { url: `${emulator.url}/` }), asUser, 1],
  "the SaaS console, version 2": [
    () =>
      mcspGrant(emulator.apiKey, {
        url: emulator.url,
        scopeCollectionType: "services",
        scopeId: "a b",
        includeRoles: false,
        callerExtClaim: { productID: "p" },
      }),
    asUser,
    1,
  ],
  "Cloud Pak for Data with a password": [
    () => cloudPakForDataGrant({ url: `${emulator.url}/icp4d-api/`, username, password: defaultPassword }),
    asUser,
    1,
  ],
  "Cloud Pak for Data with an API key": [
    () => cloudPakForDataGrant({ url: emulator.url, username, apiKey: emulator.apiKey }),
    asUser,
    1,
  ],
  "a token that is there": [async () => staticTokenGrant((await emulator.issueToken()).value), asUser, 0],
  "a function that gets a token": [
    () =>
      staticTokenGrant(async () => ({ access_token: (await emulator.issueToken()).value, expires_in: 60 })),
    asUser,
    0,
  ],
};

describe("the grant of", () => {
  test.for(Object.entries(granted))(
    "%s reaches the resource, with one token for many requests",
    async ([, [make, who, requests]]) => {
      const manager = managing(await make());
      const answers = await Promise.all(Array.from({ length: 10 }, () => read(manager)));
      for (const answer of answers) expect(answer).toMatchObject(who);
      expect(emulator.counters).toMatchObject({ tokenRequests: requests, refusals: 0 });
      expect(new Set(answers.map(({ jti }) => jti)).size).toBe(1);
    },
  );

  test.for(Object.entries(granted).filter(([name]) => !/token that is there/.test(name)))(
    "%s gets another token when that one is revoked, unless it is good for one time",
    async ([name, [make, who]]) => {
      const manager = managing(await make());
      const { jti } = await read(manager);
      emulator.revokeAll();
      const again = await read(manager);
      if (name === "a passcode") expect(again).toMatchObject({ status: 401 });
      else if (name === "a trusted profile over a login") expect(again).toMatchObject({ status: 401 });
      else expect(again).toMatchObject({ ...who, jti: expect.not.stringMatching(`^${jti}$`) });
    },
  );
});
