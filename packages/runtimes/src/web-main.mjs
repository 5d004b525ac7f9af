// For Workers, edge runtimes and browsers: the packages that need no more than web standards, bundled into one module.
import { axios } from "./checks/axios.mjs";
import { browser } from "./checks/browser.mjs";
import { core } from "./checks/core.mjs";
import { emulator } from "./checks/emulator.mjs";
import { fetch } from "./checks/fetch.mjs";
import { ky } from "./checks/ky.mjs";
import { openidClient } from "./checks/openid-client.mjs";
import { verify } from "./checks/verify.mjs";
import { runChecks } from "./run-checks.mjs";

export const webPackages = { core, fetch, axios, ky, emulator, verify, "openid-client": openidClient };

export const runWebChecks = (place) => {
  const core = place.allowBrowser ? { ...webPackages.core, ...browser } : webPackages.core;
  return runChecks({ ...webPackages, core }, { ...place, isBundled: true });
};
