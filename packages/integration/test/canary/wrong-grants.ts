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
  passcodeGrant,
  passwordGrant,
  refreshTokenGrant,
  type SecretSource,
  staticTokenGrant,
  type TokenTransport,
  tokenResponse,
  vpcInstanceGrant,
} from "@iam/core";

const url = "https://iam.example.com";

/** Each grant, with its secret from somewhere. */
function grants(secret: SecretSource, clientSecret: string): Readonly<Record<string, () => Grant>> {
  const client = { clientId: "a-client", clientSecret };
  return {
    apikey: () => apiKeyGrant(secret, client),
    assume: () => assumeGrant(apiKeyGrant(secret), { profileId: "Profile-1" }),
    "cp4d with a password": () => cloudPakForDataGrant({ url, username: "user", password: secret }),
    "cp4d with a key": () => cloudPakForDataGrant({ url, username: "user", apiKey: secret }),
    "cr-token": () => crTokenGrant(secret, { profileId: "Profile-1", ...client }),
    "delegated refresh token": () => delegatedRefreshTokenGrant({ refreshToken: secret, ...client }),
    delegating: () => delegatingGrant(apiKeyGrant(secret, client), { receiverClientIds: ["other"] }),
    "iam-authz": () => iamAuthzGrant(apiKeyGrant(secret), { desiredIamId: "crn-crn:v1:x" }),
    mcsp: () => mcspGrant(secret, { url }),
    passcode: () => passcodeGrant(secret, client),
    password: () => passwordGrant({ username: "user", password: secret, ...client }),
    "refresh token": () => refreshTokenGrant({ refreshToken: secret, ...client }),
    "static token": () =>
      staticTokenGrant(async () => `${typeof secret === "function" ? await secret() : secret} with spaces`),
    "vpc-instance": () => vpcInstanceGrant({ profileId: "Profile-1" }),
  };
}

/** Exchanges of each grant that fail, each with the secret where one can get to. */
export function wrongExchanges(
  secret: string,
  clientSecret: string,
): Readonly<Record<string, () => Promise<unknown>>> {
  const loud = () => {
    throw Object.assign(new Error(`no ${secret}`, { cause: { secret } }), { config: { data: secret } });
  };
  const echo = JSON.stringify({
    ...{ errorCode: secret, errorMessage: secret, errors: [{ code: secret, message: secret }] },
    ...{ access_token: `${secret} `, token: `${secret} `, error: secret },
  });
  const answering =
    (status: number): TokenTransport =>
    async () =>
      tokenResponse({ status, body: echo, retryAfter: secret, transactionId: `${secret}/` });
  const troubles: Readonly<Record<string, TokenTransport>> = {
    "a transport that throws": async () => loud(),
    "an echo with 200": answering(200),
    "an echo with 400": answering(400),
    "an echo with 401": answering(401),
    "an echo with 503": answering(503),
  };
  const calls: Record<string, () => Promise<unknown>> = {};
  const add = (what: string, make: () => Grant, transport: TokenTransport) => {
    calls[what] = () =>
      createTokenManager({
        grant: make(),
        transport,
        deadlineMs: 100,
        clock: { wallNow: Date.now, monotonicNow: () => performance.now(), setTimer: soon },
      }).getToken();
  };
  for (const [trouble, transport] of Object.entries(troubles)) {
    for (const [name, make] of Object.entries(grants(secret, clientSecret)))
      add(`${name}: ${trouble}`, make, transport);
  }
  for (const [name, make] of Object.entries(grants(loud, clientSecret)))
    add(`${name}: a secret that throws`, make, async () => loud());
  return calls;
}

/** Back-off takes no time here. */
function soon(run: () => void, delayMs: number): () => void {
  const timer = setTimeout(run, delayMs / 100);
  return () => clearTimeout(timer);
}
