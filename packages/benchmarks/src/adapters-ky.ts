// What iamKy adds to ky with a constant header: requests per second over loopback, and time in process.
import { apiKeyGrant, createTokenManager } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import { iamKy } from "@iam/ky";
import ky from "ky";
import { judgeInProcess, judgeOverLoopback } from "./adapter-figures.ts";
import { startLoopback } from "./loopback.ts";

await using emulator = await startEmulator();
await using loopback = await startLoopback();
await using manager = createTokenManager({
  grant: apiKeyGrant(emulator.apiKey),
  tokenEndpoint: emulator.url,
});
const { accessToken } = await manager.getToken();
const api = `${loopback.url}/things`;
const headers = { authorization: `Bearer ${accessToken}` };
const settings = { manager, origins: [loopback.url] };

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
