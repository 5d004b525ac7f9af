import { apiKeyGrant, createTokenManager } from "@iam/core";

/**
 * What a check works with: the emulator at `iam`, managers for its API key, whether all of it is one bundle for the web, and in
 * Node and its like a Redis, the folder of `ibm-credentials.env` and how a server of the check's own is called.
 */
export function createScene(place) {
  const { iam, apiKey, redis, folder, callServer = fetch, allowBrowser = false, isBundled = false } = place;
  const managerOptions = { tokenEndpoint: iam, allowBrowser };
  return {
    iam,
    apiKey,
    redis,
    folder,
    callServer,
    isBundled,
    managerOptions,
    createManager: (options) =>
      createTokenManager({ ...managerOptions, ...options, grant: apiKeyGrant(apiKey) }),
  };
}

/** Steers the emulator. */
export async function control({ iam }, command, input) {
  const response = await fetch(`${iam}/_emulator/${command}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(input),
  });
  expect(response.status === 200, `the emulator to take ${command}`);
  return response.json();
}

export async function counters({ iam }) {
  return (await (await fetch(`${iam}/_emulator/state`)).json()).counters;
}

export function expect(holds, what) {
  if (!holds) throw new Error(`expected ${what}`);
}
