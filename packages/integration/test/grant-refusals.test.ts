import { inspect } from "node:util";
import {
  apiKeyGrant,
  assumeGrant,
  cloudPakForDataGrant,
  crTokenGrant,
  delegatedRefreshTokenGrant,
  type Grant,
  iamAuthzGrant,
  mcspGrant,
  passcodeGrant,
  passwordGrant,
  refreshTokenGrant,
  vpcInstanceGrant,
} from "@iam/core";
import { defaultCrToken, defaultPassword, defaultUser } from "@iam/emulator";
import { describe, expect, test } from "vitest";
import {
  bx,
  delegatedTo,
  emulator,
  failureOf,
  kube,
  managing,
  metadataUrl,
  otherAccount,
  profileId,
  profileName,
  read,
  refreshTokenOf,
  serviceId,
  username,
} from "./grant-scene.ts";

/** What is refused: how the grant is made, the error's code, status and words. */
const refused: Record<
  string,
  [make: () => Grant | Promise<Grant>, errorCode: string | undefined, status: number, words: RegExp]
> = {
  "an unknown API key": [
    () => apiKeyGrant("unknown"),
    "BXNIM0415E",
    400,
    /the API key was not found among https:/,
  ],
  "an API key by an unknown client": [
    () => apiKeyGrant(emulator.apiKey, { clientId: "nobody", clientSecret: "knows" }),
    "BXNIM0310E",
    401,
    /check the credentials/,
  ],
  "an API key for an account of others": [
    () => apiKeyGrant(emulator.apiKey, { account: otherAccount }),
    "BXNIM0141E",
    400,
    /check the credentials/,
  ],
  "a disabled API key": [
    () => {
      emulator.apiKeys.disable(emulator.apiKey);
      return apiKeyGrant(emulator.apiKey);
    },
    "BXNIM0462E",
    400,
    /check the credentials/,
  ],
  "a refresh token of another client": [
    async () => refreshTokenGrant({ ...kube, refreshToken: await refreshTokenOf() }),
    "BXNIM0407E",
    400,
    /refresh token is invalid, has been used, or is another client's; log in again/,
  ],
  "a refresh token that has expired": [
    async () => {
      const grant = refreshTokenGrant({ ...bx, refreshToken: await refreshTokenOf() });
      emulator.clock.advance(259_200_000);
      return grant;
    },
    "BXNIM0408E",
    400,
    /refresh token has expired; log in again/,
  ],
  "a refresh token of a session that has ended": [
    async () => {
      const grant = refreshTokenGrant({ ...bx, refreshToken: await refreshTokenOf() });
      emulator.endSessions();
      return grant;
    },
    "BXNIM0439E",
    400,
    /session has ended because it was not used; log in again/,
  ],
  "a delegated refresh token for another client": [
    async () => delegatedRefreshTokenGrant({ ...kube, refreshToken: await delegatedTo("ce") }),
    "BXNIM0407E",
    400,
    /invalid, or not for the client kube; get a new one from who delegated/,
  ],
  "a delegated refresh token that has expired": [
    async () => {
      const grant = delegatedRefreshTokenGrant({ ...kube, refreshToken: await delegatedTo("kube") });
      emulator.clock.advance(518_400_000);
      return grant;
    },
    "BXNIM0408E",
    400,
    /has expired; get a new one from who delegated/,
  ],
  "a wrong passcode": [
    () => passcodeGrant("wrong"),
    "BXNIM0602E",
    401,
    /passcode is wrong, has been used or has expired; get a new one at https:\S+\/passcode\./,
  ],
  "a passcode by an unknown client": [
    () => passcodeGrant("wrong", { clientId: "nobody", clientSecret: "knows" }),
    "BXNIM0310E",
    401,
    /client is unknown or its secret is wrong; check clientId and clientSecret/,
  ],
  "a passcode for an account of others": [
    () => passcodeGrant(emulator.directory.createPasscode(), { account: otherAccount }),
    "BXNIM0141E",
    400,
    /not a member of the account; check the option account/,
  ],
  "a wrong password": [
    () => passwordGrant({ username, password: "wrong" }),
    "BXNIM0602E",
    401,
    /the user name or the password is wrong/,
  ],
  "a password of a federated user": [
    () => {
      const identity = { ...defaultUser, iamId: "IBMid-federated", email: "federated@example.com" };
      emulator.directory.addUser({ identity, password: defaultPassword, state: "federated" });
      return passwordGrant({ username: identity.email, password: defaultPassword });
    },
    "BXNIM0608E",
    400,
    /cannot use a password here; use an API key or a passcode/,
  ],
  "a password of a suspended user": [
    () => {
      const identity = { ...defaultUser, iamId: "IBMid-suspended", email: "suspended@example.com" };
      emulator.directory.addUser({ identity, password: defaultPassword, state: "suspended" });
      return passwordGrant({ username: identity.email, password: defaultPassword });
    },
    "BXNIM0436E",
    401,
    /suspended in the account; ask an administrator/,
  ],
  "an unknown trusted profile": [
    () => assumeGrant(apiKeyGrant(emulator.apiKey), { profileId: "Profile-unknown" }),
    "BXNIM0398E",
    400,
    /trusted profile does not exist or does not trust this identity; check its name and its trust at https:/,
  ],
  "a trusted profile in an account of others": [
    () => assumeGrant(apiKeyGrant(emulator.apiKey), { profileName, account: otherAccount }),
    "BXNIM0398E",
    400,
    /trusted profile does not exist/,
  ],
  "a trusted profile by something that is no CRN": [
    () => assumeGrant(apiKeyGrant(emulator.apiKey), { profileCrn: "nonsense" }),
    "BXNIM0113E",
    400,
    /profileCrn is not the CRN of a trusted profile/,
  ],
  "a trusted profile over an unknown API key": [
    () => assumeGrant(apiKeyGrant("unknown"), { profileId }),
    "BXNIM0415E",
    400,
    /the API key was not found/,
  ],
  "a compute resource that is not linked": [
    () => {
      emulator.directory.addComputeResource({ token: "unlinked", profileIds: [] });
      return crTokenGrant("unlinked", { profileId });
    },
    "BXNIM0398E",
    400,
    /not linked to this compute resource; check its name and its trust/,
  ],
  "an expired compute resource token": [
    () => {
      emulator.directory.addComputeResource({ token: "old", expiresAt: 1 });
      return crTokenGrant("old", { profileId });
    },
    "BXNIM0405E",
    400,
    /has expired; give a function that reads it anew/,
  ],
  "something that is no compute resource token": [
    () => crTokenGrant("nonsense", { profileId }),
    "BXNIM0401E",
    400,
    /is none; is it the right file\?/,
  ],
  "a service that is none": [
    () => iamAuthzGrant(apiKeyGrant("unknown"), { desiredIamId: serviceId }),
    "BXNIM0415E",
    400,
    /the API key was not found/,
  ],
  "an instance that is not linked to the profile": [
    () => vpcInstanceGrant({ url: metadataUrl, profileId: "Profile-unknown" }),
    "profile_not_linked",
    400,
    /does not exist or is not linked to this instance/,
  ],
  "an unknown key of the SaaS console": [
    () => mcspGrant("unknown", { url: emulator.url }),
    undefined,
    401,
    /API key is unknown, disabled or expired there; keys of IBM Cloud are others/,
  ],
  "a wrong path of the SaaS console": [
    () => mcspGrant(emulator.apiKey, { url: `${emulator.url}/wrong` }),
    "BXNIM0102E",
    404,
    /no token endpoint of the SaaS console; check url and scopeId/,
  ],
  "a wrong password of Cloud Pak for Data": [
    () => cloudPakForDataGrant({ url: emulator.url, username, password: "wrong" }),
    undefined,
    401,
    /user name, the password or the API key is wrong/,
  ],
  "a wrong path of Cloud Pak for Data": [
    () => cloudPakForDataGrant({ url: `${emulator.url}/wrong`, username, apiKey: "k" }),
    "BXNIM0102E",
    404,
    /no \/v1\/authorize of Cloud Pak for Data; check url, which often ends in \/icp4d-api/,
  ],
};

const secrets = ["emulator-user-api-key", defaultPassword, defaultCrToken, "knows", btoa("nobody:knows")];

describe("the error for", () => {
  test.for(Object.entries(refused))(
    "%s says what is wrong and what to do, through fetch",
    async ([, [make, errorCode, status, words]]) => {
      const grant = await make();
      const error = await failureOf(read(managing(grant)));
      expect(error).toMatchObject({
        code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
        status,
        errorCode,
        retryable: false,
      });
      expect(error.message).toMatch(words);
      expect(error.message).toContain(`HTTP ${status}${errorCode === undefined ? "" : `, ${errorCode}`}`);
      const shown = inspect(error, { depth: Infinity, showHidden: true, getters: true });
      for (const secret of secrets) expect(shown).not.toContain(secret);
      expect(emulator.counters.resourceRequests).toBe(0);
    },
  );
});
