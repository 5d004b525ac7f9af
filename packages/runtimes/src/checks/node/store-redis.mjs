import { sharedStore } from "@iam/core";
import { redisStore } from "@iam/store-redis";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { counters, expect } from "../../scene.mjs";

/** Two managers, as in two processes, share one grant through a client each. */
async function sharesOneGrant(scene, prefix, connect) {
  const clients = await Promise.all([connect(), connect()]);
  try {
    const before = await counters(scene);
    const [one, two] = clients.map(({ client }) =>
      scene.createManager({ store: sharedStore(redisStore({ client, prefix })) }),
    );
    const { accessToken } = await one.getToken();
    expect((await two.getToken()).accessToken === accessToken, "the same token");
    expect((await counters(scene)).grants - before.grants === 1, "one grant for two managers");
  } finally {
    for (const { end } of clients) end();
  }
}

export const checks = {
  "one grant through node-redis": (scene) =>
    sharesOneGrant(scene, "node-redis:", async () => {
      const client = createClient({ url: scene.redis });
      await client.connect();
      return { client, end: () => client.destroy() };
    }),
  "one grant through ioredis": (scene) =>
    sharesOneGrant(scene, "ioredis:", async () => {
      const client = new Redis(scene.redis);
      return { client, end: () => client.disconnect() };
    }),
};
