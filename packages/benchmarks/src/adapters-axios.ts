// What iamAxios adds to axios with a constant header: requests per second over loopback, and time in process.
import { Agent } from "node:http";
import { iamAxios } from "@iam/axios";
import axios, { type AxiosAdapter, type CreateAxiosDefaults } from "axios";
import { judgeInProcess, judgeOverLoopback, type Sides } from "./adapter-figures.ts";
import { startAdapterScene } from "./adapter-scene.ts";

await using scene = await startAdapterScene();
const { api, headers, settings } = scene;

function sides(defaults: CreateAxiosDefaults): Sides {
  const constant = axios.create({ ...defaults, headers });
  const authorized = axios.create(defaults);
  iamAxios(authorized, settings);
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
