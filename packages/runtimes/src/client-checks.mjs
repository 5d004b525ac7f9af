import { isIamError } from "@iam/core";
import { control, counters, expect } from "./scene.mjs";

/**
 * The checks that every client of a resource must pass.
 *
 * @param createClient `(manager, origins, scene) => (url) => Promise<number>`: sends a GET and gives the status.
 */
export function clientChecks(createClient) {
  const clientOf = (scene) => createClient(scene.createManager(), [scene.iam], scene);
  return {
    async "token attached"(scene) {
      const before = await counters(scene);
      const get = clientOf(scene);
      const statuses = await Promise.all(Array.from({ length: 20 }, () => get(`${scene.iam}/resource`)));
      expect(
        statuses.every((status) => status === 200),
        "200 for each of 20 requests",
      );
      expect((await counters(scene)).grants - before.grants === 1, "one grant for all of them");
    },
    async "401 replay"(scene) {
      const get = clientOf(scene);
      expect((await get(`${scene.iam}/resource`)) === 200, "200 with the first token");
      const before = await counters(scene);
      await control(scene, "revoke", { all: true });
      expect((await get(`${scene.iam}/resource`)) === 200, "200 after the token was revoked");
      const after = await counters(scene);
      expect(after.grants - before.grants === 1, "one grant to replace it");
      expect(after.resourceRequests - before.resourceRequests === 2, "one replay");
    },
    async "origin refusal"(scene) {
      const before = await counters(scene);
      const error = await createClient(
        scene.createManager(),
        ["https://api.example.com"],
        scene,
      )(`${scene.iam}/resource`).catch((thrown) => thrown);
      expect(isIamError(error) && error.code === "ERR_IAM_ORIGIN_NOT_ALLOWED", "a typed refusal");
      const after = await counters(scene);
      expect(
        after.grants === before.grants && after.resourceRequests === before.resourceRequests,
        "nothing sent",
      );
    },
  };
}
