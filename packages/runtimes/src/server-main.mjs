// For Node, Bun and Deno: every package, found by the runtime itself in node_modules. Usage: server-main.mjs URL KEY REDIS
import { argv } from "node:process";
import { axiosChecks } from "./checks/axios.mjs";
import { core } from "./checks/core.mjs";
import { credentials } from "./checks/credentials.mjs";
import { emulator } from "./checks/emulator.mjs";
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
  axios: axiosChecks({ isWeb: false }),
  ky,
  express,
  verify,
  credentials,
  "ibm-sdk": ibmSdk,
  "openid-client": openidClient,
  "store-redis": storeRedis,
  emulator,
};
console.log(JSON.stringify(await runChecks(packages, { iam, apiKey, redis })));
