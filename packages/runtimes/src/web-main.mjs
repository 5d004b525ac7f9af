// For Workers, edge runtimes and browsers: the packages that need no more than web standards, bundled into one module.
import { axiosChecks } from "./checks/axios.mjs";
import { browser } from "./checks/browser.mjs";
import { core } from "./checks/core.mjs";
import { emulator } from "./checks/emulator.mjs";
import { fetch } from "./checks/fetch.mjs";
import { ky } from "./checks/ky.mjs";
import { openidClient } from "./checks/openid-client.mjs";
import { verify } from "./checks/verify.mjs";
import { runChecks } from "./run-checks.mjs";

export const runWebChecks = (place) => {
  const axios = axiosChecks({ isWeb: true });
  const packages = { core, fetch, axios, ky, emulator, verify, "openid-client": openidClient };
  if (place.allowBrowser) packages.core = { ...core, ...browser };
  return runChecks(packages, place);
};
