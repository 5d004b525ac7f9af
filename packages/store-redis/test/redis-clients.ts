import { Cluster, Redis } from "ioredis";
import ioredis5 from "ioredis-5";
import { createClient, createCluster } from "redis";
import { createClient as createClient5, createCluster as createCluster5 } from "redis-5";
import type { IoRedisClient, NodeRedisClient, RedisClient } from "../src/index.ts";

/** A client that somebody has connected, and closes. */
interface Connected {
  readonly client: RedisClient;
  close(): void;
}

interface Kind {
  /** To one server. */
  connect(port: number): Promise<Connected>;
  /** To a cluster, by the ports of its nodes. */
  connectCluster(ports: readonly number[]): Promise<Connected>;
}

const host = "127.0.0.1";
// What a client says of its connection is not what is tested: without a listener it would end the process.
const quiet = () => {};

type Socket = { socket: { host: string; port: number; tls: false } };
interface NodeRedis extends NodeRedisClient {
  on(event: "error", listener: () => void): unknown;
  connect(): Promise<unknown>;
  destroy(): void;
}
interface IoRedis extends IoRedisClient {
  on(event: "error", listener: () => void): unknown;
  ping(): Promise<string>;
  disconnect(): void;
}

function nodeRedis(one: (at: Socket) => NodeRedis, many: (at: { rootNodes: Socket[] }) => NodeRedis): Kind {
  const opened = async (client: NodeRedis) => {
    client.on("error", quiet);
    await client.connect();
    return { client, close: () => client.destroy() };
  };
  const at = (port: number): Socket => ({ socket: { host, port, tls: false } });
  return {
    connect: (port) => opened(one(at(port))),
    connectCluster: (ports) => opened(many({ rootNodes: ports.map(at) })),
  };
}

type Address = { host: string; port: number };
function ioRedis(
  one: new (at: Address & { retryStrategy: () => number }) => IoRedis,
  many: new (at: Address[]) => IoRedis,
): Kind {
  const opened = async (client: IoRedis) => {
    client.on("error", quiet);
    await client.ping();
    return { client, close: () => client.disconnect() };
  };
  return {
    connect: (port) => opened(new one({ host, port, retryStrategy: () => 50 })),
    connectCluster: (ports) => opened(new many(ports.map((port) => ({ host, port })))),
  };
}

/** Each client that is supported, at both ends of its range: the newest version and 5.0.0. */
export const clients: Readonly<Record<string, Kind>> = {
  "node-redis 6": nodeRedis(createClient, createCluster),
  "node-redis 5": nodeRedis(createClient5, createCluster5),
  "ioredis 6": ioRedis(Redis, Cluster),
  "ioredis 5": ioRedis(ioredis5.default, ioredis5.Cluster),
};
