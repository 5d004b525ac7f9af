import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { inspect } from "node:util";
import * as core from "@iam/core";
import {
  apiKeyGrant,
  assumeGrant,
  type Clock,
  cloudPakForDataGrant,
  createTokenManager,
  crTokenGrant,
  delegatedRefreshTokenGrant,
  delegatingGrant,
  type Grant,
  iamAuthzGrant,
  isIamError,
  mcspGrant,
  passcodeGrant,
  passwordGrant,
  refreshTokenGrant,
  staticTokenGrant,
  systemClock,
  type TokenManager,
  type TokenManagerOptions,
  vpcInstanceGrant,
} from "@iam/core";
import {
  defaultCrToken,
  defaultPassword,
  defaultProfile,
  defaultUser,
  type RunningEmulator,
  startEmulator,
} from "@iam/emulator";
import { iamFetch } from "@iam/fetch";
import { build } from "esbuild";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";

const account = "0123456789abcdef0123456789abcdef";
const otherAccount = "f".repeat(32);
const profileId = defaultProfile.id;
const profileName = defaultProfile.name;
const profileCrn = `crn:v1:bluemix:public:iam-identity::a/${account}::profile:${profileId}`;
const serviceId = "crn-crn:v1:bluemix:public:cloud-object-storage:global:a/1:2::";
const username = defaultUser.email;
const bx = { clientId: "bx", clientSecret: "bx" };
const kube = { clientId: "kube", clientSecret: "kube" };

let emulator: RunningEmulator;
let metadataUrl: string;

beforeAll(async () => {
  emulator = await startEmulator();
  metadataUrl = (await emulator.listen({ service: "metadata" })).url;
});
beforeEach(() => emulator.reset());
afterAll(() => emulator.close());

function managing(grant: Grant, options: Partial<TokenManagerOptions> = {}): TokenManager {
  const manager = createTokenManager({ grant, tokenEndpoint: emulator.url, ...options });
  onTestFinished(() => manager[Symbol.asyncDispose]());
  return manager;
}

/** Reads the protected resource with a token of the manager's, through fetch: who the emulator takes the caller for. */
async function read(manager: TokenManager): Promise<Record<string, unknown>> {
  const fetch = iamFetch({ manager, origins: [emulator.url] });
  const response = await fetch(`${emulator.url}/resource/things`);
  const body: unknown = await response.json();
  return { status: response.status, ...(body as object) };
}

async function failureOf(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isIamError(error)) throw new Error("an IamError was expected");
  return error as unknown as Error & Record<string, unknown>;
}

/** A refresh token of the user, for the client `bx`. */
async function refreshTokenOf(): Promise<string> {
  const { refreshToken } = await managing(
    passwordGrant({ username, password: defaultPassword, account }),
  ).getToken();
  if (refreshToken === undefined) throw new Error("a refresh token was expected");
  return refreshToken;
}

async function delegatedTo(receiver: string): Promise<string> {
  const grant = delegatingGrant(apiKeyGrant(emulator.apiKey), { receiverClientIds: [receiver] });
  return (await managing(grant).getToken()).refreshToken ?? "";
}

const asUser = { status: 200, iam_id: defaultUser.iamId };
const asProfile = { status: 200, iam_id: `iam-${profileId}` };
const asService = { status: 200, iam_id: serviceId };

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

describe("one after the other", () => {
  test("refresh tokens replace each other, and the API key takes over when the session has ended", async () => {
    const clock = steppedClock();
    const login = passwordGrant({ username, password: defaultPassword, account });
    const refreshToken = (await managing(login).getToken()).refreshToken;
    const grant = refreshTokenGrant({ ...bx, refreshToken, primary: apiKeyGrant(emulator.apiKey, bx) });
    const manager = managing(grant, { clock });
    for (const endsSessions of [false, false, true, false]) {
      if (endsSessions) emulator.endSessions();
      await read(manager);
      clock.advance(3_600_000);
      emulator.clock.advance(3_600_000);
    }
    const sent = emulator.log
      .filter(({ target }) => target === "token")
      .map(({ fields, errorCode }) => [fields.grant_type?.split(":").at(-1), errorCode]);
    expect(sent).toEqual([
      ["password", undefined],
      ["refresh_token", undefined],
      ["refresh_token", undefined],
      ["refresh_token", "BXNIM0439E"],
      ["apikey", undefined],
      ["refresh_token", undefined],
    ]);
    expect(emulator.counters.resourceRequestsByStatus).toEqual({ 200: 4 });
  });

  test("a used passcode is not sent again by a second call, nor by another manager", async () => {
    const grant = passcodeGrant(emulator.directory.createPasscode(), { account });
    await read(managing(grant));
    const error = await failureOf(read(managing(grant)));
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
    expect(error.message).toMatch(/passcode has been sent before.* Get a new one at https:/);
    expect(emulator.counters.tokenRequests).toBe(1);
  });

  test("a passcode whose connection was cut is not sent again", async () => {
    const manager = managing(passcodeGrant(emulator.directory.createPasscode(), { account }));
    emulator.fault({ kind: "reset" });
    expect(await failureOf(manager.getToken())).toMatchObject({ retryable: true });
    await expect
      .poll(async () => (await failureOf(manager.getToken())).message, { timeout: 5000 })
      .toMatch(/has been sent before/);
    expect(emulator.counters.tokenRequests).toBe(1);
  });

  test("a rotated API key is seen by each grant that has one, without a restart", async () => {
    const keys: Record<string, (key: () => string) => Grant> = {
      apikey: (key) => apiKeyGrant(key),
      assume: (key) => assumeGrant(apiKeyGrant(key), { profileId }),
      mcsp: (key) => mcspGrant(key, { url: emulator.url }),
      cp4d: (apiKey) => cloudPakForDataGrant({ url: emulator.url, username, apiKey }),
    };
    for (const [name, make] of Object.entries(keys)) {
      emulator.reset();
      emulator.apiKeys.add("key-1");
      let key = "key-1";
      const clock = steppedClock();
      const manager = managing(
        make(() => key),
        { clock },
      );
      await manager.getToken();
      emulator.apiKeys.delete("key-1");
      clock.advance(86_400_000);
      emulator.clock.advance(86_400_000);
      expect(await failureOf(manager.getToken()), name).toMatchObject({ retryable: false });
      key = "key-2";
      emulator.apiKeys.add("key-2");
      clock.advance(1000);
      expect(await read(manager), name).toMatchObject({ status: 200 });
    }
  });

  test("a profile token made late in its source's life comes from a new source token", async () => {
    const clock = steppedClock();
    const manager = managing(assumeGrant(apiKeyGrant(emulator.apiKey), { profileId }), { clock });
    const lives = [];
    for (let hour = 0; hour < 4; hour++) {
      const { expiresAt = 0, obtainedAt } = await manager.getToken();
      lives.push((expiresAt - obtainedAt) / 1000);
      clock.advance(expiresAt - obtainedAt);
      emulator.clock.advance(expiresAt - obtainedAt);
    }
    expect(Math.min(...lives)).toBeGreaterThan(3500);
  });
});

describe("the metadata service of an instance", () => {
  test("that is silent is given up in seconds, with words about it", async () => {
    const server = createServer(() => {}).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const manager = managing(vpcInstanceGrant({ url: `http://127.0.0.1:${port}` }));
    const startedAt = performance.now();
    const error = await failureOf(read(manager));
    expect(performance.now() - startedAt).toBeLessThan(6000);
    expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", retryable: true });
    expect(error.message).toMatch(
      /metadata service of a VPC instance: does this run on one, and is the service enabled there\?$/,
    );
  });

  test("is asked at its link-local address over http, with the headers it wants", async () => {
    const sent: string[] = [];
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const request = new Request(input, init);
      sent.push(`${request.method} ${request.url} ${request.headers.get("metadata-flavor")}`);
      return emulator.metadataFetch(request);
    };
    const manager = managing(vpcInstanceGrant({ version: "2025-08-26" }), { fetch });
    expect((await manager.getToken()).accessToken).toBeDefined();
    expect(sent).toEqual([
      "PUT http://169.254.169.254/identity/v1/token?version=2025-08-26 ibm",
      "POST http://169.254.169.254/identity/v1/iam_tokens?version=2025-08-26 ibm",
    ]);
  });

  test("of another generation than was asked for says so", async () => {
    const url = `${metadataUrl}/identity/v1`;
    const error = await failureOf(managing(vpcInstanceGrant({ url })).getToken());
    expect(error).toMatchObject({ status: 404, errorCode: "not_found" });
    expect(error.message).toMatch(
      /does not know version 2022-03-01 of the metadata service; give another version/,
    );
  });
});

/** A text that only the code of a grant has. */
const markers: Record<string, string> = {
  apiKeyGrant: "grant-type:apikey",
  assumeGrant: "grant-type:assume",
  cloudPakForDataGrant: "/v1/authorize",
  crTokenGrant: "grant-type:cr-token",
  delegatedRefreshTokenGrant: "grant-type:delegated-refresh-token",
  delegatingGrant: "receiver_client_ids",
  iamAuthzGrant: "grant-type:iam-authz",
  mcspGrant: "siusermgr",
  passcodeGrant: "grant-type:passcode",
  passwordGrant: "ims_account",
  refreshTokenGrant: "the refresh token has expired",
  staticTokenGrant: "there is no token",
  vpcInstanceGrant: "metadata-flavor",
};

test("each grant of core has its marker", () => {
  expect(Object.keys(core).filter((name) => name.endsWith("Grant"))).toEqual(Object.keys(markers).sort());
});

test.for(Object.keys(markers))("%s drags in no other grant", async (name) => {
  const text = await bundled(name);
  expect(Object.keys(markers).filter((each) => text.includes(markers[each] ?? ""))).toEqual([name]);
});

test("a manager of an API key holds no code and no words of other grants", async () => {
  const text = await bundled("apiKeyGrant, createTokenManager");
  const others =
    /grant-type:(?!apikey)|metadata|siusermgr|authorize|receiver|log in again|trusted|passcode|allowed addresses/;
  expect(others.exec(text)?.[0]).toBeUndefined();
});

/** What a bundler keeps of core for some of its exports. */
async function bundled(names: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: `export { ${names} } from "@iam/core";`, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "neutral",
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

/** The system's clock, which can be moved on; timers are real. */
function steppedClock(): Clock & { advance(ms: number): void } {
  let ahead = 0;
  return {
    wallNow: () => systemClock.wallNow() + ahead,
    monotonicNow: () => systemClock.monotonicNow() + ahead,
    setTimer: systemClock.setTimer,
    advance(ms) {
      ahead += ms;
    },
  };
}
