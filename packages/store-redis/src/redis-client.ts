/** What of a node-redis client is used: of `createClient`, `createCluster`, `createSentinel` and `createClientPool` alike. */
export interface NodeRedisClient {
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  readonly isReady?: boolean;
}

/** What of an ioredis client is used: of `Redis` and `Cluster` alike. */
export interface IoRedisClient {
  eval(script: string, numberOfKeys: number, ...args: string[]): Promise<unknown>;
  defineCommand(name: string, definition: { lua: string }): void;
  readonly status: string;
}

/** A client of either kind. It is used and never connected, configured or closed. */
export type RedisClient = NodeRedisClient | IoRedisClient;

/** Runs a script on one key. */
export type Evaluate = (script: string, key: string, args: readonly string[]) => Promise<unknown>;

/**
 * One way to run scripts for both kinds of client.
 *
 * A client that was connected once and is not now fails at once: it would only queue the command.
 */
export function evaluator(client: RedisClient): Evaluate {
  let wasReady = false;
  return async (script, key, args) => {
    const ready = isIoRedis(client) ? client.status === "ready" : client.isReady;
    if (ready === false && wasReady)
      throw Object.assign(new Error("The Redis client is not connected."), {
        code: "ERR_REDIS_NOT_CONNECTED",
      });
    wasReady ||= ready === true;
    return isIoRedis(client)
      ? client.eval(script, 1, key, ...args)
      : client.eval(script, { keys: [key], arguments: [...args] });
  };
}

function isIoRedis(client: RedisClient): client is IoRedisClient {
  return "defineCommand" in client;
}
