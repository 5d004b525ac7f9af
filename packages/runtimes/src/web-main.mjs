// For Workers, edge runtimes and browsers: the checks of `checks`, bundled with this into one module.
import { browserChecks } from "./browser-checks.mjs";
import { runChecks } from "./run-checks.mjs";

export function runBundled(packages, place) {
  const core = place.allowBrowser ? { ...packages.core, ...browserChecks } : packages.core;
  return runChecks({ ...packages, core }, { ...place, isBundled: true });
}
