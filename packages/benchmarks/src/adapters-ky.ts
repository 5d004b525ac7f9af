// What iamKy adds to ky with a constant header: requests per second over loopback, and time in process.
import { iamKy } from "@iam/ky";
import ky from "ky";
import { judgeInProcess, judgeOverLoopback } from "./adapter-figures.ts";
import { startAdapterScene } from "./adapter-scene.ts";

await using scene = await startAdapterScene();
const { api, headers, settings } = scene;

const constant = ky.extend({ headers });
const authorized = ky.extend(iamKy(settings));
await judgeOverLoopback("ky", {
  constant: () => constant.get(api).text(),
  authorized: () => authorized.get(api).text(),
});

const ready = new Response("{}");
const fetch = async () => ready;
const constantReady = ky.extend({ fetch, headers });
const authorizedReady = ky.extend({ fetch }).extend(iamKy(settings));
await judgeInProcess("ky", 3, {
  constant: () => constantReady.get(api),
  authorized: () => authorizedReady.get(api),
});
