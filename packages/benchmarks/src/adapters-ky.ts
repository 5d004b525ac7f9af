// What iamKy adds to ky with a constant header: requests per second over loopback, and time in process.
import { apiKeyGrant, createTokenManager } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import { iamKy } from "@iam/ky";
import ky from "ky";
import { contender, startLoopback } from "./loopback.ts";
import { measure, report } from "./measure.ts";

await using emulator = await startEmulator();
await using loopback = await startLoopback();
const grant = apiKeyGrant(emulator.apiKey);
await using manager = createTokenManager({ grant, tokenEndpoint: emulator.url });
const { accessToken } = await manager.getToken();

const constant = ky.extend({ headers: { authorization: `Bearer ${accessToken}` } });
const authorized = ky.extend(iamKy({ manager, origins: [loopback.url] }));

for (const concurrency of [1, 50]) {
  const [bare, ours] = await measure(
    [
      contender("ky, constant header", concurrency, () => constant.get(loopback.url).text()),
      contender("ky, iamKy", concurrency, () => authorized.get(loopback.url).text()),
    ],
    { rounds: 121, calls: 100 },
  );
  const ratio = (bare?.nsPerCall ?? Number.NaN) / (ours?.nsPerCall ?? Number.NaN);
  report(`ky, requests per second at concurrency ${concurrency}, ratio`, ratio, ">= 0.97", ratio >= 0.97);
}

const fetch = async () => new Response("{}");
const [bare, ours] = await measure(
  [
    contender("ky in process, constant header", 1, () => constant.get(loopback.url, { fetch }).text()),
    contender("ky in process, iamKy", 1, () => authorized.get(loopback.url, { fetch }).text()),
  ],
  { rounds: 301, calls: 200 },
);
const addedUs = ((ours?.nsPerCall ?? Number.NaN) - (bare?.nsPerCall ?? Number.NaN)) / 1000;
report("ky, microseconds added in process", addedUs, "<= 3", addedUs <= 3);
