import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import {
  apiKeyGrant,
  assumeGrant,
  cloudPakForDataGrant,
  createTokenManager,
  crTokenGrant,
  delegatedRefreshTokenGrant,
  delegatingGrant,
  type Grant,
  iamAuthzGrant,
  mcspGrant,
  parseTokenResponse,
  passcodeGrant,
  passwordGrant,
  refreshTokenGrant,
  staticTokenGrant,
  vpcInstanceGrant,
} from "../src/index.ts";
import { exchangeOf, type SentRequest, tokenEndpoint } from "./exchanging.ts";
import { thrownBy } from "./thrown.ts";

const secret = "s3cret-Value_0123456789";
const sourceToken = "source-access-token";
const account = "0123456789abcdef0123456789abcdef";
const profileId = "Profile-9d0b8c3e-7a41-4f6e-b0d5-2f3c1e6a7b89";
const profileCrn = `crn:v1:bluemix:public:iam-identity::a/${account}::profile:${profileId}`;
const profileName = "my profile";
const client = { clientId: "my-client", clientSecret: secret };
const clientHeader = `Basic ${btoa(`my-client:${secret}`)}`;
const bxHeader = "Basic Yng6Yng=";
const urn = (name: string) => `urn:ibm:params:oauth:grant-type:${name}`;
const accept = "application/json";

/** A request to the token endpoint. */
function form(fields: Record<string, string>, authorization?: string): SentRequest {
  return {
    method: "POST",
    url: tokenEndpoint,
    headers: {
      accept,
      "content-type": "application/x-www-form-urlencoded",
      ...(authorization && { authorization }),
    },
    form: fields,
  };
}

/** A request with a JSON body, or none. */
function json(
  method: string,
  url: string,
  value?: unknown,
  headers: Record<string, string> = {},
): SentRequest {
  return {
    method,
    url,
    headers: { accept, ...(value !== undefined && { "content-type": "application/json" }), ...headers },
    ...(value !== undefined && { json: value }),
  };
}

interface Row {
  readonly grant: () => Grant;
  readonly kind: string;
  readonly identity: Record<string, string>;
  readonly sends: readonly SentRequest[];
  readonly answers?: readonly unknown[];
  readonly tokens?: readonly string[];
  readonly retry?: "once";
  readonly hasSecret?: false;
}

const metadata = "http://169.254.169.254";
const flavor = { "metadata-flavor": "ibm" };
const instance = { access_token: "instance.identity.token" };
const bearer = { authorization: "Bearer instance.identity.token" };
const consoleUrl = "https://account-iam.platform.saas.ibm.com";
const consoleAnswer = { token: "t", token_type: "jwt", expires_in: 7200, expiration: 1_800_000_000 };
const cluster = "https://cpd.example.com/icp4d-api";
const cloudPakAnswer = { _messageCode_: "200", message: "Success", token: "t" };
const serviceId = "crn-crn:v1:bluemix:public:cloud-object-storage:global:a/1:2::";

const rows: Record<string, Row> = {
  "an API key": {
    grant: () => apiKeyGrant(secret),
    kind: "apikey",
    identity: {},
    sends: [form({ grant_type: urn("apikey"), apikey: secret })],
  },
  "an API key with everything": {
    grant: () => apiKeyGrant(() => secret, { ...client, scope: "ibm openid", account }),
    kind: "apikey",
    identity: { client_id: "my-client", scope: "ibm openid", account },
    sends: [form({ grant_type: urn("apikey"), apikey: secret, scope: "ibm openid", account }, clientHeader)],
  },
  "a refresh token": {
    grant: () => refreshTokenGrant({ ...client, refreshToken: secret }),
    kind: "refresh_token",
    identity: { client_id: "my-client" },
    sends: [form({ grant_type: "refresh_token", refresh_token: secret }, clientHeader)],
    retry: "once",
  },
  "a refresh token that its primary grant has to give": {
    grant: () => refreshTokenGrant({ ...client, primary: apiKeyGrant(secret, { scope: "x" }) }),
    kind: "refresh_token",
    identity: { client_id: "my-client", primary: "apikey", "primary.scope": "x" },
    sends: [form({ grant_type: urn("apikey"), apikey: secret, scope: "x" })],
  },
  "a delegated refresh token, at its receiver": {
    grant: () => delegatedRefreshTokenGrant({ ...client, refreshToken: secret }),
    kind: "delegated-refresh-token",
    identity: { client_id: "my-client" },
    sends: [form({ grant_type: urn("delegated-refresh-token"), refresh_token: secret }, clientHeader)],
  },
  "delegating with an API key": {
    grant: () =>
      delegatingGrant(apiKeyGrant(secret, { account }), {
        receiverClientIds: ["ce", "kube"],
        expiresInS: 600,
      }),
    kind: "delegating",
    identity: {
      receiver_client_ids: "ce,kube",
      delegated_refresh_token_expiry: "600",
      delegated: "apikey",
      "delegated.account": account,
    },
    sends: [
      form({
        grant_type: urn("apikey"),
        apikey: secret,
        account,
        response_type: "cloud_iam delegated_refresh_token",
        receiver_client_ids: "ce,kube",
        delegated_refresh_token_expiry: "600",
      }),
    ],
    answers: [{ access_token: "t", delegated_refresh_token: "d" }],
  },
  "delegating with a refresh token": {
    grant: () =>
      delegatingGrant(refreshTokenGrant({ ...client, refreshToken: secret }), {
        receiverClientIds: ["kube"],
      }),
    kind: "delegating",
    identity: {
      receiver_client_ids: "kube",
      delegated: "refresh_token",
      "delegated.client_id": "my-client",
    },
    sends: [
      form(
        {
          grant_type: "refresh_token",
          refresh_token: secret,
          response_type: "cloud_iam delegated_refresh_token",
          receiver_client_ids: "kube",
        },
        clientHeader,
      ),
    ],
    answers: [{ access_token: "t", delegated_refresh_token: "d" }],
    retry: "once",
  },
  "a passcode": {
    grant: () => passcodeGrant(secret),
    kind: "passcode",
    identity: { client_id: "bx" },
    sends: [form({ grant_type: urn("passcode"), passcode: secret }, bxHeader)],
    retry: "once",
  },
  "a passcode for an account, by a client": {
    grant: () => passcodeGrant(secret, { ...client, account }),
    kind: "passcode",
    identity: { client_id: "my-client", account },
    sends: [form({ grant_type: urn("passcode"), passcode: secret, account }, clientHeader)],
    retry: "once",
  },
  "a password": {
    grant: () => passwordGrant({ username: "ada@example.com", password: secret }),
    kind: "password",
    identity: { client_id: "bx", username: "ada@example.com" },
    sends: [form({ grant_type: "password", username: "ada@example.com", password: secret }, bxHeader)],
  },
  "a password for accounts, by a client": {
    grant: () =>
      passwordGrant({ ...client, username: "ada@example.com", password: secret, account, imsAccount: "12" }),
    kind: "password",
    identity: { client_id: "my-client", username: "ada@example.com", account, ims_account: "12" },
    sends: [
      form(
        {
          grant_type: "password",
          username: "ada@example.com",
          password: secret,
          account,
          ims_account: "12",
        },
        clientHeader,
      ),
    ],
  },
  "a trusted profile by id": {
    grant: () => assumeGrant(apiKeyGrant(secret, { ...client, scope: "x" }), { profileId }),
    kind: "assume",
    identity: {
      profile_id: profileId,
      source: "apikey",
      "source.client_id": "my-client",
      "source.scope": "x",
    },
    sends: [form({ grant_type: urn("assume"), access_token: sourceToken, profile_id: profileId })],
    tokens: [sourceToken],
  },
  "a trusted profile by CRN": {
    grant: () => assumeGrant(apiKeyGrant(secret), { profileCrn }),
    kind: "assume",
    identity: { profile_crn: profileCrn, source: "apikey" },
    sends: [form({ grant_type: urn("assume"), access_token: sourceToken, profile_crn: profileCrn })],
    tokens: [sourceToken],
  },
  "a trusted profile by name": {
    grant: () => assumeGrant(apiKeyGrant(secret), { profileName, account }),
    kind: "assume",
    identity: { profile_name: profileName, account, source: "apikey" },
    sends: [
      form({ grant_type: urn("assume"), access_token: sourceToken, profile_name: profileName, account }),
    ],
    tokens: [sourceToken],
  },
  "a trusted profile over a trusted profile": {
    grant: () => assumeGrant(assumeGrant(apiKeyGrant(secret), { profileCrn }), { profileId }),
    kind: "assume",
    identity: {
      profile_id: profileId,
      source: "assume",
      "source.profile_crn": profileCrn,
      "source.source": "apikey",
    },
    sends: [form({ grant_type: urn("assume"), access_token: sourceToken, profile_id: profileId })],
    tokens: [sourceToken],
  },
  "a trusted profile over one without a secret": {
    grant: () => assumeGrant(vpcInstanceGrant(), { profileId }),
    kind: "assume",
    identity: { profile_id: profileId, source: "vpc-instance", "source.url": metadata },
    sends: [form({ grant_type: urn("assume"), access_token: sourceToken, profile_id: profileId })],
    tokens: [sourceToken],
    hasSecret: false,
  },
  "service to service": {
    grant: () => iamAuthzGrant(apiKeyGrant(secret, { ...client, scope: "x" }), { desiredIamId: serviceId }),
    kind: "iam-authz",
    identity: {
      desired_iam_id: serviceId,
      source: "apikey",
      "source.client_id": "my-client",
      "source.scope": "x",
    },
    sends: [form({ grant_type: urn("iam-authz"), access_token: sourceToken, desired_iam_id: serviceId })],
    tokens: [sourceToken],
  },
  "a compute resource token": {
    grant: () => crTokenGrant(() => `\n${secret} \r\n`, { profileName }),
    kind: "cr-token",
    identity: { profile_name: profileName },
    sends: [form({ grant_type: urn("cr-token"), cr_token: secret, profile_name: profileName })],
  },
  "a compute resource token with everything": {
    grant: () => crTokenGrant(`${secret}\n`, { ...client, profileId, profileCrn, profileName, scope: "x" }),
    kind: "cr-token",
    identity: {
      client_id: "my-client",
      profile_id: profileId,
      profile_crn: profileCrn,
      profile_name: profileName,
      scope: "x",
    },
    sends: [
      form(
        {
          grant_type: urn("cr-token"),
          cr_token: secret,
          profile_id: profileId,
          profile_crn: profileCrn,
          profile_name: profileName,
          scope: "x",
        },
        clientHeader,
      ),
    ],
  },
  "a VPC instance": {
    grant: () => vpcInstanceGrant(),
    kind: "vpc-instance",
    identity: { url: metadata },
    sends: [
      json("PUT", `${metadata}/instance_identity/v1/token?version=2022-03-01`, { expires_in: 300 }, flavor),
      json("POST", `${metadata}/instance_identity/v1/iam_token?version=2022-03-01`, undefined, {
        ...flavor,
        ...bearer,
      }),
    ],
    answers: [instance, { access_token: "t" }],
    retry: "once",
    hasSecret: false,
  },
  "a VPC instance of the second generation, by id": {
    grant: () => vpcInstanceGrant({ version: "2025-08-26", profileId, tokenLifetimeS: 5 }),
    kind: "vpc-instance",
    identity: { url: metadata, profile_id: profileId },
    sends: [
      json("PUT", `${metadata}/identity/v1/token?version=2025-08-26`, { expires_in: 5 }, flavor),
      json(
        "POST",
        `${metadata}/identity/v1/iam_tokens?version=2025-08-26`,
        { trusted_profile: { id: profileId } },
        { ...flavor, ...bearer },
      ),
    ],
    answers: [instance, { access_token: "t" }],
    retry: "once",
    hasSecret: false,
  },
  "a VPC instance by CRN, at another address": {
    grant: () => vpcInstanceGrant({ url: "https://api.metadata.cloud.ibm.com//", profileCrn }),
    kind: "vpc-instance",
    identity: { url: "https://api.metadata.cloud.ibm.com", profile_crn: profileCrn },
    sends: [
      json(
        "PUT",
        "https://api.metadata.cloud.ibm.com/instance_identity/v1/token?version=2022-03-01",
        { expires_in: 300 },
        flavor,
      ),
      json(
        "POST",
        "https://api.metadata.cloud.ibm.com/instance_identity/v1/iam_token?version=2022-03-01",
        { trusted_profile: { crn: profileCrn } },
        { ...flavor, ...bearer },
      ),
    ],
    answers: [instance, { access_token: "t" }],
    retry: "once",
    hasSecret: false,
  },
  "the SaaS console": {
    grant: () => mcspGrant(secret, { url: `${consoleUrl}/` }),
    kind: "mcsp",
    identity: { url: consoleUrl },
    sends: [json("POST", `${consoleUrl}/siusermgr/api/1.0/apikeys/token`, { apikey: secret })],
    answers: [consoleAnswer],
  },
  "the SaaS console, version 2": {
    grant: () => mcspGrant(secret, { url: consoleUrl, scopeCollectionType: "accounts", scopeId: "a1" }),
    kind: "mcsp",
    identity: {
      url: consoleUrl,
      path: "/api/2.0/accounts/a1/apikeys/token",
      query:
        "includeBuiltinActions=false&includeCustomActions=false&includeRoles=true&prefixRolesWithDefinitionScope=false",
    },
    sends: [
      json(
        "POST",
        `${consoleUrl}/api/2.0/accounts/a1/apikeys/token?includeBuiltinActions=false&includeCustomActions=false&includeRoles=true&prefixRolesWithDefinitionScope=false`,
        { apikey: secret },
      ),
    ],
    answers: [consoleAnswer],
  },
  "the SaaS console, version 2, with everything": {
    grant: () =>
      mcspGrant(secret, {
        url: `${consoleUrl}/base/`,
        scopeCollectionType: "services",
        scopeId: "a/b?c",
        includeBuiltinActions: true,
        includeCustomActions: true,
        includeRoles: false,
        prefixRolesWithDefinitionScope: true,
        callerExtClaim: { productID: "p" },
      }),
    kind: "mcsp",
    identity: {
      url: `${consoleUrl}/base`,
      path: "/api/2.0/services/a%2Fb%3Fc/apikeys/token",
      query:
        "includeBuiltinActions=true&includeCustomActions=true&includeRoles=false&prefixRolesWithDefinitionScope=true",
      caller_ext_claim: '{"productID":"p"}',
    },
    sends: [
      json(
        "POST",
        `${consoleUrl}/base/api/2.0/services/a%2Fb%3Fc/apikeys/token?includeBuiltinActions=true&includeCustomActions=true&includeRoles=false&prefixRolesWithDefinitionScope=true`,
        { apikey: secret, callerExtClaim: { productID: "p" } },
      ),
    ],
    answers: [consoleAnswer],
  },
  "Cloud Pak for Data, with a password": {
    grant: () => cloudPakForDataGrant({ url: `${cluster}/`, username: "ada", password: secret }),
    kind: "cp4d",
    identity: { url: `${cluster}/v1/authorize`, username: "ada" },
    sends: [json("POST", `${cluster}/v1/authorize`, { username: "ada", password: secret })],
    answers: [cloudPakAnswer],
  },
  "Cloud Pak for Data, with an API key": {
    grant: () =>
      cloudPakForDataGrant({
        url: `${cluster}/v1/authorize`,
        username: "ada",
        apiKey: async () => secret,
        accountId: "a1",
      }),
    kind: "cp4d",
    identity: { url: `${cluster}/v1/authorize`, username: "ada", account_id: "a1" },
    sends: [json("POST", `${cluster}/v1/authorize`, { username: "ada", api_key: secret, account_id: "a1" })],
    answers: [cloudPakAnswer],
  },
  "a token that is there": {
    grant: () => staticTokenGrant(secret),
    kind: "static",
    identity: {},
    sends: [],
    hasSecret: false,
  },
};

describe("the grant of", () => {
  test.for(Object.entries(rows))("%s sends exactly this", async ([, row]) => {
    const { sent } = await exchangeOf(row.grant(), row.answers, row.tokens);
    expect(sent).toEqual(row.sends);
  });

  test.for(Object.entries(rows))("%s says what it is", ([, row]) => {
    const grant = row.grant();
    expect({ kind: grant.kind, identity: grant.identity(), retry: grant.retry }).toEqual({
      kind: row.kind,
      identity: row.identity,
      retry: row.retry ?? "safe",
    });
    // A grant with a secret is refused in browsers.
    expect(grant.secret !== undefined).toBe(row.hasSecret ?? true);
    expect(JSON.stringify(grant.identity())).not.toContain(secret);
  });

  test.for(Object.entries(rows))("%s hands over a token response", async ([, row]) => {
    const { response } = await exchangeOf(row.grant(), row.answers, row.tokens);
    expect(parseTokenResponse(response).accessToken).toMatch(/^(t|token|s3cret-Value_0123456789)$/);
  });

  test.for(Object.entries(rows))("%s shows no secret, nor do its requests", async ([, row]) => {
    const grant = row.grant();
    const { requests } = await exchangeOf(grant, row.answers, row.tokens);
    const shown = inspect([grant, requests], { depth: Infinity, showHidden: true, getters: true });
    for (const hidden of [secret, btoa(`my-client:${secret}`), instance.access_token, sourceToken])
      expect(shown).not.toContain(hidden);
  });
});

test("a secret in a browser is refused with every grant that has one, and with those built on it", () => {
  const page = globalThis as { location?: unknown; document?: unknown };
  page.location = {};
  page.document = {};
  try {
    for (const [name, { grant, hasSecret }] of Object.entries(rows)) {
      const make = () => createTokenManager({ grant: grant() });
      if (hasSecret === false) expect(make, name).not.toThrow();
      else expect(thrownBy(make).message, name).toMatch(/secret is public in a browser/);
    }
  } finally {
    delete page.location;
    delete page.document;
  }
});
