import { iamAxios } from "@iam/axios";
import { apiKeyGrant, createTokenManager } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import axios, { isAxiosError } from "axios";
import axiosRetry from "axios-retry";

// A local IAM that stands in for https://iam.cloud.ibm.com and for the API behind it.
await using emulator = await startEmulator();

await using manager = createTokenManager({
  grant: apiKeyGrant(emulator.apiKey),
  tokenEndpoint: emulator.url,
});
const api = axios.create({ baseURL: `${emulator.url}/resource` });
iamAxios(api, { manager, origins: [emulator.url] });
axiosRetry(api, { retries: 2, retryDelay: () => 10 });

const first = await Promise.all(["a", "b", "c"].map((path) => api.get<{ path: string }>(path)));
console.log("three requests:", ...first.map(({ data }) => data.path), "- grants:", emulator.counters.grants);

// A token that is revoked costs its request nothing but one more try, with a new token.
emulator.revokeAll();
const { data } = await api.post<{ body: string }>("orders", { item: 1 });
console.log("after a revocation:", data.body, "- grants:", emulator.counters.grants);

// The API stumbles: axios-retry sends again, and each send carries the token of its time.
emulator.fault({ kind: "status", status: 503 }, { target: "resource" });
console.log("after a 503:", (await api.get("d")).status);

// One request that should go without a token; the API's own 401 is then an ordinary AxiosError.
const error: unknown = await api.get("e", { iam: false }).catch((reason: unknown) => reason);
console.log("without a token:", isAxiosError(error) && error.response?.status);
