// For Workers with `nodejs_compat`: the checks of `checks` and of `checks/node`, bundled with this into one module.

import { httpServerHandler } from "cloudflare:node";
import { writeFileSync } from "node:fs";
import { runChecks } from "./run-checks.mjs";

/** What does not work there; the page says why. */
const cannot = { emulator: ["as a server"], express: ["gateway"] };

/** A server in a Worker is no socket: requests are handed to it. */
const callServer = (url, init) =>
  httpServerHandler({ port: Number(new URL(url).port) }).fetch(
    new Request(url, init),
    {},
    { waitUntil() {} },
  );

export function runBundled(packages, { credentialsFile, ...place }) {
  // The one folder that can be written to, for as long as the request lasts.
  writeFileSync("/tmp/ibm-credentials.env", credentialsFile);
  const able = Object.entries(packages).map(([name, checks]) => [
    name,
    Object.fromEntries(Object.entries(checks).filter(([check]) => !cannot[name]?.includes(check))),
  ]);
  return runChecks(Object.fromEntries(able), { ...place, folder: "/tmp", callServer });
}
