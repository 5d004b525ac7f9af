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
 * A client that was connected once and is not now fails at once: it would only queue the command. Errors have a `code`: what
 * is wrong with the connection, or Redis' own word, such as `OOM`.
 */
export function evaluator(client: RedisClient): Evaluate {
  let wasReady = false;
  const isReady = () => (isIoRedis(client) ? client.status === "ready" : client.isReady);
  return async (script, key, args) => {
    const ready = isReady();
    if (ready === false && wasReady) throw notConnected();
    wasReady ||= ready === true;
    try {
      return await (isIoRedis(client)
        ? client.eval(script, 1, key, ...args)
        : client.eval(script, { keys: [key], arguments: [...args] }));
    } catch (error) {
      throw isReady() === false ? notConnected(error) : withWord(error);
    }
  };
}

function notConnected(cause?: unknown): Error {
  return Object.assign(new Error("The Redis client is not connected.", { cause }), {
    code: "ERR_REDIS_NOT_CONNECTED",
  });
}

/** A refusal of Redis with its word as `code`: the clients give nothing but the text. Other errors stay as they are. */
function withWord(error: unknown): unknown {
  if (!(error instanceof Error) || "code" in error) return error;
  // Before Redis 7 that of a command within a script stands behind "ERR Error running script (…): @user_script:1: ".
  const [, word] = Array.from(error.message.matchAll(/(?:^|: -?)([A-Z]{2,30}) /g)).at(-1) ?? [];
  return word === undefined
    ? error
    : Object.assign(new Error(error.message, { cause: error }), { code: word });
}

function isIoRedis(client: RedisClient): client is IoRedisClient {
  return "defineCommand" in client;
}
