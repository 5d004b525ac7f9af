import { apiKeyGrant, createTokenManager, systemClock, type WaitUntil } from "@iam/core";
import { iamFetch } from "@iam/fetch";

/** What runs in workerd: one manager for the isolate, as anybody would write it, and beside it what people write by hand. */
interface Env {
  readonly IAM: string;
  readonly API_KEY: string;
}
interface Context {
  waitUntil: WaitUntil;
}

let aheadMs = 0;
let manager: ReturnType<typeof createTokenManager> | undefined;
let promised: Promise<string> | undefined;
const events: string[] = [];

function managerOf(env: Env) {
  manager ??= createTokenManager({
    grant: apiKeyGrant(env.API_KEY),
    tokenEndpoint: env.IAM,
    // Shorter than the default, so that a dead background refresh is begun again sooner.
    deadlineMs: 3_000,
    clock: { ...systemClock, wallNow: () => Date.now() + aheadMs },
    onEvent: ({ type }) => events.push(type),
  });
  return manager;
}

/** A promise kept in the module: one request to the token endpoint for everybody, or so it seems. */
function byHand(env: Env): Promise<string> {
  const form = { grant_type: "urn:ibm:params:oauth:grant-type:apikey", apikey: env.API_KEY };
  promised ??= fetch(`${env.IAM}/identity/token`, { method: "POST", body: new URLSearchParams(form) })
    .then((response) => response.json() as Promise<{ access_token: string }>)
    .then(({ access_token }) => access_token);
  return promised;
}

async function answer(path: string, url: URL, env: Env, context: Context): Promise<unknown> {
  switch (path) {
    case "/leave":
      // The request ends before the exchange that it began does.
      void managerOf(env)
        .getToken()
        .catch(() => {});
      return "left";
    case "/get":
      return (await managerOf(env).getToken()).tokenType;
    case "/resource": {
      const fetch = iamFetch({
        manager: managerOf(env),
        origins: [env.IAM],
        waitUntil: context.waitUntil.bind(context),
      });
      return (await fetch(`${env.IAM}/resource`)).status;
    }
    case "/request": {
      // With a body, and with whatever else this runtime has on a Request.
      const headers = { "content-length": "4" };
      const init = { method: "POST", body: "text", headers, cf: { cacheTtl: 5 } };
      const fetch = iamFetch({ manager: managerOf(env), origins: [env.IAM] });
      return (await fetch(new Request(`${env.IAM}/resource`, init))).json();
    }
    case "/platform": {
      // What the runtime's own redirects do with a header that the caller set.
      const { accessToken } = await managerOf(env).getToken();
      return (await fetch(`${env.IAM}/resource`, { headers: { authorization: `Bearer ${accessToken}` } }))
        .status;
    }
    case "/refresh":
      return (await managerOf(env).getToken({ waitUntil: context.waitUntil.bind(context) })).tokenType;
    case "/ahead":
      aheadMs += Number(url.searchParams.get("ms"));
      return aheadMs;
    case "/fresh":
      return managerOf(env).peek() !== undefined;
    case "/events":
      return events;
    case "/by-hand/leave":
      void byHand(env).catch(() => {});
      return "left";
    case "/by-hand/get":
      return (await byHand(env)).length;
    default:
      throw new Error(`no ${path}`);
  }
}

export default {
  async fetch(request: Request, env: Env, context: Context): Promise<Response> {
    const url = new URL(request.url);
    try {
      return Response.json(await answer(url.pathname, url, env, context));
    } catch (error) {
      return Response.json(String(error), { status: 500 });
    }
  },
};
