import { iamAxios } from "@iam/axios";
import {
  apiKeyGrant,
  createTokenManager,
  type Grant,
  originRules,
  parseTokenResponse,
  type TokenManagerOptions,
  tokenResponse,
} from "@iam/core";
import { iamExpress, iamProxy } from "@iam/express";
import { iamFetch } from "@iam/fetch";
import { iamKy } from "@iam/ky";
import axios from "axios";

/** A value that has no business where it is put: what somebody did who mixed two arguments up. */
type Misplaced = never;

/** Calls that fail, each with a secret where one can get to: the wrong place, a wrong shape, a function that throws it. */
export function wrongCalls(secret: string, clientSecret: string): Readonly<Record<string, () => unknown>> {
  const misplaced = secret as Misplaced;
  const loud = () => {
    throw Object.assign(new Error(`no ${secret}`, { cause: { secret } }), { config: { data: secret } });
  };
  const managerWith = (options: Partial<TokenManagerOptions>) =>
    createTokenManager({ grant: apiKeyGrant(secret), ...options });
  const getToken = (grant: Grant, options: Partial<TokenManagerOptions> = {}) =>
    createTokenManager({
      grant,
      tokenEndpoint: "http://127.0.0.1:1",
      deadlineMs: 1000,
      ...options,
    }).getToken();
  const answering = (status: number, answer: string) =>
    getToken(apiKeyGrant(secret), {
      transport: async () =>
        tokenResponse({
          status,
          body: answer,
          retryAfter: secret,
          date: secret,
          transactionId: `${secret}/`,
        }),
    });
  const proxy = (options: object) => iamProxy(Object.assign({ allowAnonymous: true }, options) as Misplaced);
  return {
    "a key in braces": () => apiKeyGrant(`{${secret}}`),
    "a key in quotes": () => apiKeyGrant(`"${secret}"`),
    "a key with a space": () => apiKeyGrant(`${secret} `),
    "a key with a line break": () => apiKeyGrant(`${secret}\n`),
    "a list of keys": () => apiKeyGrant([secret] as Misplaced),
    "a key as an object": () => apiKeyGrant({ apikey: secret } as Misplaced),
    "a client secret without a client": () => apiKeyGrant(secret, { clientSecret }),
    "a client secret in braces": () =>
      apiKeyGrant(secret, { clientId: "id", clientSecret: `{${clientSecret}}` }),
    "a key as options": () => createTokenManager(misplaced),
    "a key as the grant": () => createTokenManager({ grant: misplaced }),
    "a key as the token endpoint": () => managerWith({ tokenEndpoint: secret }),
    "a key in the path of an insecure token endpoint": () =>
      managerWith({ tokenEndpoint: `http://iam.example.com/${secret}` }),
    "a key in the query of the token endpoint": () =>
      managerWith({ tokenEndpoint: `https://iam.example.com/token?apikey=${encodeURIComponent(secret)}` }),
    "a key in the credentials of the token endpoint": () =>
      managerWith({ tokenEndpoint: `https://apikey:${encodeURIComponent(secret)}@iam.example.com` }),
    "a key as a deadline": () => managerWith({ deadlineMs: misplaced }),
    "a key as the clock": () => managerWith({ clock: misplaced }),
    "a key as the transport": () => managerWith({ transport: misplaced }),
    "a key as validity": () => managerWith({}).getToken({ minValidityMs: misplaced }),
    "a function without a key": () => getToken(apiKeyGrant(() => "")),
    "a function with a key in quotes": () => getToken(apiKeyGrant(() => `'${secret}'`)),
    "a function that throws the key": () => getToken(apiKeyGrant(loud)),
    "a function that rejects with the key": () => getToken(apiKeyGrant(async () => loud())),
    "a function that rejects with a string": () => getToken(apiKeyGrant(() => Promise.reject(secret))),
    "a client secret that throws": () =>
      getToken(apiKeyGrant(secret, { clientId: "id", clientSecret: loud })),
    "a grant that throws the key": () => getToken({ ...apiKeyGrant(secret), exchange: loud }),
    "a grant with no answer": () =>
      getToken({ ...apiKeyGrant(secret), exchange: async () => ({ secret }) as Misplaced }),
    "a transport that throws the request": () => getToken(apiKeyGrant(secret), { transport: loud }),
    "a transport that throws a key as a code": () =>
      getToken(apiKeyGrant(secret), {
        transport: async (request) => {
          throw Object.assign(new TypeError("fetch failed"), { request, code: secret, name: secret });
        },
      }),
    "a transport with no answer": () =>
      getToken(apiKeyGrant(secret), { transport: async () => secret as Misplaced }),
    "a listener that throws": () =>
      getToken(apiKeyGrant(secret), { onEvent: loud, transport: async () => loud() }),
    "an endpoint that echoes the key with 200": () =>
      answering(200, JSON.stringify({ access_token: `${secret} `, error: secret, errorCode: secret })),
    "an endpoint that echoes the key with 400": () =>
      answering(400, JSON.stringify({ errorCode: secret, errorMessage: secret, context: { url: secret } })),
    "an endpoint that echoes the key as text": () => answering(503, secret),
    "a key as a response": () => parseTokenResponse(tokenResponse({ status: 200, body: secret })),
    "a key as an origin": () => originRules({ origins: [`https://${secret}@api.example.com`] }),
    "a key as what to do elsewhere": () => originRules({ otherOrigins: misplaced }),
    "a key in the URL of a refused request": () =>
      originRules().judge(`https://apikey:${encodeURIComponent(secret)}@evil.example/${secret}?${secret}`),
    "a key where no URL is": () => originRules().judge(secret),
    "a key as the manager of fetch": () => iamFetch({ manager: misplaced }),
    "a key as the fetch": () => iamFetch({ manager: managerWith({}), fetch: misplaced }),
    "a key as the manager of axios": () => iamAxios(axios.create(), { manager: misplaced }),
    "a key as the axios": () => iamAxios(misplaced, { manager: managerWith({}) }),
    "a key as the manager of ky": () => iamKy({ manager: misplaced }),
    "a key as the manager of express": () => iamExpress({ manager: misplaced }),
    "a key as the manager of the proxy": () => proxy({ manager: secret }),
    "a key as the verifier of the proxy": () => proxy({ manager: managerWith({}), verifier: secret }),
  };
}
