// What iamFetch adds to fetch with a constant header: requests per second over loopback, and time in process.
import { iamFetch } from "@iam/fetch";
import { judgeInProcess, judgeOverLoopback } from "./adapter-figures.ts";
import { startAdapterScene } from "./adapter-scene.ts";

await using scene = await startAdapterScene();
const { api, headers, settings } = scene;

const authorized = iamFetch(settings);
await judgeOverLoopback("fetch", {
  constant: async () => (await fetch(api, { headers })).text(),
  authorized: async () => (await authorized(api)).text(),
});

const ready = new Response("{}");
const transport = async (_input: RequestInfo | URL, _init?: RequestInit) => ready;
const authorizedReady = iamFetch({ ...settings, fetch: transport });
await judgeInProcess("fetch of a URL", 3, {
  constant: () => transport(api, { headers }),
  authorized: () => authorizedReady(api),
});

const init = { method: "POST", body: "{}", headers: { "content-type": "application/json", accept: "*/*" } };
const constantInit = { ...init, headers: { ...init.headers, ...headers } };
await judgeInProcess("fetch of a URL with an init", 3, {
  constant: () => transport(api, constantInit),
  authorized: () => authorizedReady(api, init),
});

const request = new Request(api, { headers: { accept: "*/*" } });
await judgeInProcess("fetch of a Request", 3, {
  constant: () => transport(request, { headers }),
  authorized: () => authorizedReady(request),
});
