import { expect, test } from "vitest";
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
  memoryStore,
  passcodeGrant,
  passwordGrant,
  refreshTokenGrant,
  sharedStore,
  staticTokenGrant,
  vpcInstanceGrant,
} from "../src/index.ts";
import { exchangeOf } from "./exchanging.ts";
import { thrownBy } from "./thrown.ts";

const secret = "s3cret-Value_0123456789";
const account = "0123456789abcdef0123456789abcdef";
const profileId = "Profile-9d0b8c3e-7a41-4f6e-b0d5-2f3c1e6a7b89";
const profileCrn = `crn:v1:bluemix:public:iam-identity::a/${account}::profile:${profileId}`;
const profileName = "my profile";
const client = { clientId: "my-client", clientSecret: secret };
const consoleUrl = "https://account-iam.platform.saas.ibm.com";
const cluster = "https://cpd.example.com/icp4d-api";
const cloudPakAnswer = { _messageCode_: "200", message: "Success", token: "t" };
const serviceId = "crn-crn:v1:bluemix:public:cloud-object-storage:global:a/1:2::";

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
