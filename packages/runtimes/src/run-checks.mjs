import { createScene } from "./scene.mjs";

/**
 * Runs checks one after the other against an emulator.
 *
 * @param packages package name -> check name -> check
 * @returns package name -> check name -> "ok" or what went wrong
 */
export async function runChecks(packages, place) {
  const scene = createScene(place);
  const results = {};
  for (const [name, checks] of Object.entries(packages)) {
    results[name] = {};
    for (const [check, run] of Object.entries(checks)) {
      try {
        await run(scene);
        results[name][check] = "ok";
      } catch (error) {
        results[name][check] = `${error?.stack ?? error}`;
      }
    }
  }
  return results;
}
