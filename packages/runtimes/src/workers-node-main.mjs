// For Workers with `nodejs_compat`: the packages that stand on Node's own modules too, bundled into one module.

import { httpServerHandler } from "cloudflare:node";
import { writeFileSync } from "node:fs";
import { credentials } from "./checks/credentials.mjs";
import { express } from "./checks/express.mjs";
import { ibmSdk } from "./checks/ibm-sdk.mjs";
import { storeRedis } from "./checks/store-redis.mjs";
import { runChecks } from "./run-checks.mjs";
import { webPackages } from "./web-main.mjs";

/** A server in a Worker is no socket: requests are handed to it. */
const callServer = (url, init) =>
  httpServerHandler({ port: Number(new URL(url).port) }).fetch(
    new Request(url, init),
    {},
    { waitUntil() {} },
  );

export function runChecksOnNodeModules({ credentialsFile, ...place }) {
  // The one folder that can be written to, for as long as the request lasts.
  writeFileSync("/tmp/ibm-credentials.env", credentialsFile);
  // http-proxy-middleware never gets its answer there, with our hooks or without.
  const { gateway: _, ...withoutGateway } = express;
  const packages = {
    ...webPackages,
    credentials,
    express: withoutGateway,
    "ibm-sdk": ibmSdk,
    "store-redis": storeRedis,
  };
  return runChecks(packages, { ...place, isBundled: true, folder: "/tmp", callServer });
}
