// For Node, Bun and Deno: every package, found by the runtime itself in node_modules. Usage: server-main.mjs URL KEY REDIS
import { dirname } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { axios } from "./checks/axios.mjs";
import { core } from "./checks/core.mjs";
import { credentials } from "./checks/credentials.mjs";
import { emulator } from "./checks/emulator.mjs";
import { emulatorServer } from "./checks/emulator-server.mjs";
import { express } from "./checks/express.mjs";
import { fetch } from "./checks/fetch.mjs";
import { ibmSdk } from "./checks/ibm-sdk.mjs";
import { ky } from "./checks/ky.mjs";
import { openidClient } from "./checks/openid-client.mjs";
import { storeRedis } from "./checks/store-redis.mjs";
import { verify } from "./checks/verify.mjs";
import { runChecks } from "./run-checks.mjs";

const [iam, apiKey, redis] = argv.slice(2);
const packages = {
  core,
  fetch,
  axios,
  ky,
  express,
  verify,
  credentials,
  "ibm-sdk": ibmSdk,
  "openid-client": openidClient,
  "store-redis": storeRedis,
  emulator: { ...emulator, ...emulatorServer },
};
const folder = dirname(fileURLToPath(import.meta.url));
console.log(JSON.stringify(await runChecks(packages, { iam, apiKey, redis, folder })));
