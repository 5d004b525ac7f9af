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
  memoryStore,
  parseTokenResponse,
  passcodeGrant,
  passwordGrant,
  refreshTokenGrant,
  sharedStore,
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

/** Options that are wrong in themselves, and what the message has to say. */
const refused: Record<string, [() => unknown, RegExp]> = {
  "a trusted profile that is not named": [
    () => assumeGrant(apiKeyGrant("k"), {}),
    /assumeGrant: give exactly one of profileId, profileCrn, profileName; none is given/,
  ],
  "a trusted profile that is named twice": [
    () => assumeGrant(apiKeyGrant("k"), { profileId, profileCrn }),
    /exactly one of .*; profileId and profileCrn are given/,
  ],
  "a trusted profile by name without its account": [
    () => assumeGrant(apiKeyGrant("k"), { profileName }),
    /account and profileName belong together/,
  ],
  "a trusted profile by id with an account": [
    () => assumeGrant(apiKeyGrant("k"), { profileId, account }),
    /account and profileName belong together/,
  ],
  "an empty profile id": [() => assumeGrant(apiKeyGrant("k"), { profileId: "" }), /profileId must be/],
  "a padded profile name": [
    () => assumeGrant(apiKeyGrant("k"), { profileName: " a", account }),
    /profileName must be .*white space/,
  ],
  "an account with a line feed": [
    () => assumeGrant(apiKeyGrant("k"), { profileName: "a", account: "1\n2" }),
    /account must be .*control/,
  ],
  "a trusted profile over no grant": [
    () => assumeGrant(undefined as unknown as Grant, { profileId }),
    /assumeGrant needs a grant to build on, such as apiKeyGrant/,
  ],
  "a trusted profile over an API key": [
    () => assumeGrant("the-api-key" as unknown as Grant, { profileId }),
    /assumeGrant needs a grant to build on/,
  ],
  "a service without an id": [
    () => iamAuthzGrant(apiKeyGrant("k"), { desiredIamId: undefined }),
    /iamAuthzGrant: desiredIamId is missing/,
  ],
  "a service by its CRN alone": [
    () => iamAuthzGrant(apiKeyGrant("k"), { desiredIamId: "crn:v1:a" }),
    /desiredIamId .*"crn-" and its CRN/,
  ],
  "service to service over no grant": [
    () => iamAuthzGrant({} as unknown as Grant, { desiredIamId: serviceId }),
    /iamAuthzGrant needs a grant/,
  ],
  "a compute resource without a profile": [
    () => crTokenGrant("t", {}),
    /crTokenGrant: give at least one of profileId, profileCrn, profileName; none is given/,
  ],
  "a compute resource without a token": [
    () => crTokenGrant(undefined, { profileId }),
    /compute resource token is missing or empty/,
  ],
  "a compute resource with a blank token": [
    () => crTokenGrant(" \n", { profileId }),
    /compute resource token is missing or empty/,
  ],
  "a compute resource with half a client": [
    () => crTokenGrant("t", { profileId, clientId: "c" }),
    /clientId .*and clientSecret: give both or neither/,
  ],
  "an instance with two profiles": [
    () => vpcInstanceGrant({ profileId, profileCrn }),
    /vpcInstanceGrant: give at most one of .*; profileId and profileCrn are given/,
  ],
  "an instance with an empty profile": [() => vpcInstanceGrant({ profileCrn: "" }), /profileCrn must be/],
  "an unknown version of the metadata service": [
    () => vpcInstanceGrant({ version: "2023-01-01" as "2022-03-01" }),
    /version must be one of 2022-03-01, 2025-08-26/,
  ],
  "a version that every object knows": [
    () => vpcInstanceGrant({ version: "toString" as "2022-03-01" }),
    /version must be one of/,
  ],
  "an identity token of 4 s": [() => vpcInstanceGrant({ tokenLifetimeS: 4 }), /tokenLifetimeS .*5 to 3600/],
  "an identity token of 3601 s": [
    () => vpcInstanceGrant({ tokenLifetimeS: 3601 }),
    /tokenLifetimeS .*5 to 3600/,
  ],
  "an identity token of half a second more": [
    () => vpcInstanceGrant({ tokenLifetimeS: 5.5 }),
    /tokenLifetimeS .*whole/,
  ],
  "an identity token with a lifetime in letters": [
    () => vpcInstanceGrant({ tokenLifetimeS: "300" as unknown as number }),
    /tokenLifetimeS .*whole number/,
  ],
  "a metadata service that is not a URL": [() => vpcInstanceGrant({ url: "169.254.169.254" }), /url must be/],
  "a console without a URL": [() => mcspGrant("k", { url: undefined }), /mcspGrant: url must be/],
  "a console without a key": [() => mcspGrant(undefined, { url: consoleUrl }), /API key is missing/],
  "a console with a key in braces": [
    () => mcspGrant("{key}", { url: consoleUrl }),
    /API key is no string, .*brackets/,
  ],
  "a console with half a scope": [
    () => mcspGrant("k", { url: consoleUrl, scopeId: "a" }),
    /scopeCollectionType and scopeId belong together/,
  ],
  "a console with the other half": [
    () => mcspGrant("k", { url: consoleUrl, scopeCollectionType: "accounts" }),
    /scopeCollectionType and scopeId belong together/,
  ],
  "a console with an unknown collection": [
    () => mcspGrant("k", { url: consoleUrl, scopeCollectionType: "users" as "accounts", scopeId: "a" }),
    /scopeCollectionType must be accounts, subscriptions or services/,
  ],
  "a console with an empty scope": [
    () => mcspGrant("k", { url: consoleUrl, scopeCollectionType: "accounts", scopeId: "" }),
    /scopeId must be/,
  ],
  "a console with a scope that is a step in the path": [
    () => mcspGrant("k", { url: consoleUrl, scopeCollectionType: "accounts", scopeId: ".." }),
    /scopeId must be an id, not "\." or "\.\."/,
  ],
  "a console with a scope that is no step in the path": [
    () => mcspGrant("k", { url: consoleUrl, scopeCollectionType: "accounts", scopeId: "." }),
    /scopeId must be an id/,
  ],
  "a console with a switch in letters": [
    () =>
      mcspGrant("k", {
        url: consoleUrl,
        scopeCollectionType: "accounts",
        scopeId: "a",
        includeRoles: "true" as unknown as boolean,
      }),
    /includeRoles must be true or false/,
  ],
  "a console with claims in letters": [
    () =>
      mcspGrant("k", {
        url: consoleUrl,
        scopeCollectionType: "accounts",
        scopeId: "a",
        callerExtClaim: "{}" as unknown as Record<string, unknown>,
      }),
    /callerExtClaim must be an object/,
  ],
  "a switch of version 2 without a scope": [
    () => mcspGrant("k", { url: consoleUrl, includeCustomActions: true }),
    /includeCustomActions is of version 2; give scopeCollectionType and scopeId/,
  ],
  "claims of version 2 without a scope": [
    () => mcspGrant("k", { url: consoleUrl, callerExtClaim: {} }),
    /callerExtClaim is of version 2/,
  ],
  "a cluster without a URL": [
    () => cloudPakForDataGrant({ url: undefined, username: "ada", password: "p" }),
    /cloudPakForDataGrant: url must be/,
  ],
  "a cluster without a user name": [
    () => cloudPakForDataGrant({ url: cluster, username: undefined, password: "p" }),
    /username is missing/,
  ],
  "a cluster with a user name in quotes": [
    () => cloudPakForDataGrant({ url: cluster, username: '"ada"', password: "p" }),
    /username .*quotes or braces/,
  ],
  "a cluster with a user name in braces": [
    () => cloudPakForDataGrant({ url: cluster, username: "{ada", password: "p" }),
    /username .*quotes or braces/,
  ],
  "a cluster with an empty account": [
    () => cloudPakForDataGrant({ url: cluster, username: "ada", password: "p", accountId: "" }),
    /cloudPakForDataGrant: accountId must/,
  ],
  "a cluster without a secret": [
    () => cloudPakForDataGrant({ url: cluster, username: "ada" }),
    /exactly one of password, apiKey; none is given/,
  ],
  "a cluster with two secrets": [
    () => cloudPakForDataGrant({ url: cluster, username: "ada", password: "p", apiKey: "k" }),
    /exactly one of password, apiKey; password and apiKey are given/,
  ],
  "a cluster with a password in quotes": [
    () => cloudPakForDataGrant({ url: cluster, username: "ada", password: '"p"' }),
    /password is no string, .*quotes/,
  ],
  "a cluster with an API key in braces": [
    () => cloudPakForDataGrant({ url: cluster, username: "ada", apiKey: "{k}" }),
    /API key is no string, .*brackets/,
  ],
  "a passcode that is missing": [() => passcodeGrant(undefined), /passcode is missing/],
  "a passcode with half a client": [() => passcodeGrant("p", { clientId: "c" }), /give both or neither/],
  "a passcode with an empty account": [
    () => passcodeGrant("p", { account: "" }),
    /passcodeGrant: account must/,
  ],
  "a password without a user": [
    () => passwordGrant({ username: undefined, password: "p" }),
    /passwordGrant: username is missing/,
  ],
  "a password that is missing": [
    () => passwordGrant({ username: "ada", password: "" }),
    /password is missing/,
  ],
  "a password with half a client": [
    () => passwordGrant({ username: "ada", password: "p", clientSecret: "s" }),
    /give both or neither/,
  ],
  "a refresh token without a client": [
    () => refreshTokenGrant({ refreshToken: "r", clientId: undefined, clientSecret: undefined }),
    /refreshTokenGrant: IAM wants a client .*clientId and clientSecret/,
  ],
  "a refresh token without its client's secret": [
    () => refreshTokenGrant({ refreshToken: "r", clientId: "c", clientSecret: undefined }),
    /give both or neither/,
  ],
  "a refresh token that is none": [
    () => refreshTokenGrant({ ...client, refreshToken: "not_supported" }),
    /"not_supported" is what IAM writes/,
  ],
  "neither a refresh token nor a primary grant": [
    () => refreshTokenGrant({ ...client, refreshToken: undefined }),
    /refresh token is missing/,
  ],
  "a primary grant that is none": [
    () => refreshTokenGrant({ ...client, primary: "key" as unknown as Grant }),
    /refreshTokenGrant: primary needs a grant/,
  ],
  "a delegated refresh token without a client": [
    () => delegatedRefreshTokenGrant({ refreshToken: "r", clientId: undefined, clientSecret: undefined }),
    /delegatedRefreshTokenGrant: IAM wants a client/,
  ],
  "a delegated refresh token that is missing": [
    () => delegatedRefreshTokenGrant({ ...client, refreshToken: undefined }),
    /delegated refresh token is missing/,
  ],
  "delegating without receivers": [
    () => delegatingGrant(apiKeyGrant("k"), { receiverClientIds: [] }),
    /receiverClientIds must list client ids/,
  ],
  "delegating to a receiver that is two": [
    () => delegatingGrant(apiKeyGrant("k"), { receiverClientIds: ["ce,kube"] }),
    /receiverClientIds must list client ids/,
  ],
  "delegating to a string": [
    () => delegatingGrant(apiKeyGrant("k"), { receiverClientIds: "kube" as unknown as string[] }),
    /receiverClientIds must list client ids/,
  ],
  "delegating for no time": [
    () => delegatingGrant(apiKeyGrant("k"), { receiverClientIds: ["ce"], expiresInS: 0 }),
    /expiresInS must be a whole number of seconds/,
  ],
  "delegating with a password": [
    () => delegatingGrant(passwordGrant({ username: "ada", password: "p" }), { receiverClientIds: ["ce"] }),
    /IAM delegates for apiKeyGrant and refreshTokenGrant, not for the grant password/,
  ],
  "no token at all": [() => staticTokenGrant(undefined), /there is no token.*environment variable/],
  "a token with its scheme": [() => staticTokenGrant("Bearer abc"), /without "Bearer"/],
  "a token in quotes": [() => staticTokenGrant('"abc"'), /no token .*quotes/],
};

test.for(Object.entries(refused))("%s is refused when the grant is made", ([, [make, words]]) => {
  const error = thrownBy(make);
  expect(error).toMatchObject({ code: "ERR_IAM_CONFIG", retryable: false });
  expect(error.message).toMatch(words);
});

test.for([
  ["assumeGrant", () => assumeGrant(apiKeyGrant("k"), undefined as never)],
  ["cloudPakForDataGrant", () => cloudPakForDataGrant(undefined as never)],
  ["apiKeyGrant", () => apiKeyGrant("k", null as never)],
  ["crTokenGrant", () => crTokenGrant("t", undefined as never)],
  ["delegatedRefreshTokenGrant", () => delegatedRefreshTokenGrant(undefined as never)],
  ["delegatingGrant", () => delegatingGrant(apiKeyGrant("k"), undefined as never)],
  ["iamAuthzGrant", () => iamAuthzGrant(apiKeyGrant("k"), null as never)],
  ["mcspGrant", () => mcspGrant("k", "https://host" as never)],
  ["passcodeGrant", () => passcodeGrant("p", null as never)],
  ["passwordGrant", () => passwordGrant(undefined as never)],
  ["refreshTokenGrant", () => refreshTokenGrant("r" as never)],
  ["sharedStore", () => sharedStore(memoryStore(), null as never)],
  ["staticTokenGrant", () => staticTokenGrant("t", null as never)],
  ["vpcInstanceGrant", () => vpcInstanceGrant(null as never)],
] as const)("%s without options is refused", ([name, make]) => {
  const error = thrownBy(make);
  expect(error).toMatchObject({ code: "ERR_IAM_CONFIG", message: `${name} needs an object of options.` });
});

test.for([
  ["http://user:pa55word@host", "credentials"],
  ["https://host/?a=1", "query"],
  ["https://host/?", "query"],
  ["https://host/#a", "fragment"],
  ["ftp://host", "https"],
  ["host", "absolute"],
  ["", "absolute"],
] as const)("the URL %s of a service is refused, which has to do with its %s", ([url, word]) => {
  for (const make of [
    () => mcspGrant("k", { url }),
    () => vpcInstanceGrant({ url }),
    () => cloudPakForDataGrant({ url, username: "ada", password: "p" }),
  ]) {
    const error = thrownBy(make);
    expect(error.code).toBe("ERR_IAM_CONFIG");
    expect(error.message).toMatch(/^(mcsp|vpcInstance|cloudPakForData)Grant: url/);
    expect(error.message).toContain(word);
    expect(error.message).not.toContain("pa55word");
  }
});

test.for(["}", '{"', "a b ", "'", " "])(
  "a password of IAM may begin and end as it likes: %j",
  async (password) => {
    const { sent } = await exchangeOf(passwordGrant({ username: "ada@example.com", password }));
    expect(sent[0]?.form?.password).toBe(password);
  },
);

test.for([" p", "p ", "p'", "`p", "}p{"])(
  "a password of Cloud Pak for Data may have around it what IBM's SDKs take: %j",
  async (password) => {
    const grant = cloudPakForDataGrant({ url: cluster, username: "ada", password });
    const { sent } = await exchangeOf(grant, [cloudPakAnswer]);
    expect(sent[0]?.json).toEqual({ username: "ada", password });
  },
);

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
