import { testStore } from "@iam/conformance";
import { hasRedisServer, type RedisServer, startRedisServer } from "@iam/conformance/redis-server";
import { afterAll, beforeAll, describe } from "vitest";
import { redisStore } from "../src/index.ts";
import { clients } from "./redis-clients.ts";

describe.skipIf(!hasRedisServer)("a real redis-server", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedisServer();
  });
  afterAll(() => server?.stop());

  for (const [name, { connect }] of Object.entries(clients)) {
    testStore({
      name: `redisStore over ${name}`,
      async open() {
        const connected = [await connect(server.port), await connect(server.port)] as const;
        const [one, two] = connected;
        return {
          stores: [redisStore({ client: one.client }), redisStore({ client: two.client })],
          close: async () => {
            for (const { close } of connected) close();
          },
        };
      },
      cannot: { subscribe: "It takes a connection of its own, which polls do without." },
    });
  }
});
