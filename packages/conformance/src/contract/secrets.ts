import { expect } from "vitest";
import { findSecret } from "../canary.ts";
import { type ContractCase, contractGroup } from "../contract-case.ts";

const { add, cases } = contractGroup("secrets");

/**
 * Every case of the contract ends with a search of all answers, errors and events for the key and the tokens; these look at
 * what no other case brings up.
 */
export const secrets: readonly ContractCase[] = cases;

add("a manager and a client show no secret", async (scene) => {
  const client = await scene.client();
  await client.send({ url: scene.resource });
  const { accessToken } = await scene.manager.getToken();
  for (const value of [scene.manager, client, await scene.manager.getToken()]) {
    expect(findSecret(value, [scene.emulator.apiKey, accessToken])).toBeUndefined();
  }
});

add("a response shows no secret, whatever its status", async (scene) => {
  await scene.send();
  for (const status of [400, 401, 403, 404, 500, 503]) {
    scene.resourceFault("/resource", { kind: "status", status });
    expect((await scene.send()).status).toBe(status === 401 ? 200 : status);
  }
});

add(
  "a token endpoint that echoes key and token in a bad answer gets neither into the error",
  async (scene) => {
    const { accessToken } = await scene.manager.getToken();
    scene.emulator.fault(
      { kind: "fields", set: { access_token: `${accessToken}\n`, error: scene.emulator.apiKey } },
      { times: Number.POSITIVE_INFINITY },
    );
    scene.advance(3_600_000);
    const error = await scene.failure(scene.send());
    expect(scene.subject.core.isIamError(error)).toBe(true);
  },
);
