import { iamAxios } from "@iam/axios";
import { apiKeyGrant, createTokenManager } from "@iam/core";
import axios from "axios";

const manager = createTokenManager({ grant: apiKeyGrant("key") });
const client = axios.create();
const { eject, requestInterceptor } = iamAxios(client, { manager });
export const id: number = requestInterceptor;
await client.get("https://api.test", { iam: false });
await client.get("https://api.test", { iam: { replay: false } });
// @ts-expect-error: true says nothing
await client.get("https://api.test", { iam: true });
// @ts-expect-error: an option that does not exist
await client.get("https://api.test", { iam: { retries: 1 } });
// @ts-expect-error: an instance, not a class
iamAxios(axios.Axios, { manager });
eject();
