// Compiled with the types of the oldest axios that is supported, of one in between, and of the latest.

import { type IamAxiosHandle, iamAxios } from "@iam/axios";
import { createTokenManager, type Grant } from "@iam/core";
import axios, { type AxiosRequestConfig, type CreateAxiosDefaults } from "axios";

declare const grant: Grant;

const client = axios.create({ baseURL: "https://api.example.com", iam: { replay: false } });
export const handle: IamAxiosHandle = iamAxios(client, { manager: createTokenManager({ grant }) });
export const handles: IamAxiosHandle[] = [
  iamAxios(axios, { manager: createTokenManager({ grant }), origins: ["https://api.example.com"] }),
];

export const configs: AxiosRequestConfig[] = [
  { iam: false },
  { iam: undefined },
  { iam: { replay: false, waitUntil: (promise) => void promise.catch(() => {}) } },
];
export const defaults: CreateAxiosDefaults = { iam: false };
export const requests = () => [
  client.get<string>("/things", { iam: false }),
  client.post("/things", { a: 1 }, { iam: { replay: false } }),
  client.request<string, string, { a: number }>({ url: "/things", data: { a: 1 }, iam: {} }),
];

client.interceptors.request.use((config) => {
  if (config.iam !== false) config.iam = { ...config.iam, replay: false };
  return config;
});

type Refused<Key extends string> = Key extends keyof NonNullable<Exclude<AxiosRequestConfig["iam"], false>>
  ? never
  : true;
/** Neither `any` nor an index signature: what is no option is refused. */
export const noOption: Refused<"retry"> = true;
