// What iamAxios adds to axios with a constant header: requests per second over loopback, and time in process.
import { Agent } from "node:http";
import { iamAxios } from "@iam/axios";
import { apiKeyGrant, createTokenManager } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import axios, { type AxiosAdapter, type CreateAxiosDefaults } from "axios";
import { judgeInProcess, judgeOverLoopback, type Sides } from "./adapter-figures.ts";
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

function sides(defaults: CreateAxiosDefaults): Sides {
  const constant = axios.create({ ...defaults, headers });
  const authorized = axios.create(defaults);
  iamAxios(authorized, { manager, origins: [loopback.url] });
  return { constant: () => constant.get(api), authorized: () => authorized.get(api) };
}

const httpAgent = new Agent({ keepAlive: true });
await judgeOverLoopback("axios", sides({ adapter: "http", httpAgent }));
httpAgent.destroy();

const adapter: AxiosAdapter = async (config) => ({
  data: "{}",
  status: 200,
  statusText: "OK",
  headers: {},
  config,
});
await judgeInProcess("axios", 5, sides({ adapter }));
