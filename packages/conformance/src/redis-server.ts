import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A real redis-server on loopback that keeps nothing on disk. */
export interface RedisServer {
  readonly port: number;
  /** `redis://127.0.0.1:<port>`. */
  readonly url: string;
  /** Sends a signal to the process, such as SIGSTOP, SIGCONT or SIGKILL. */
  signal(name: NodeJS.Signals): void;
  /** Kills it, and starts an empty one on the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const command = process.env.REDIS_SERVER ?? "redis-server";

/** Whether there is a redis-server on this machine. */
export const hasRedisServer: boolean = spawnSync(command, ["--version"]).status === 0;

/** Starts a server on a free port. `args` go on its command line. */
export async function startRedisServer(args: readonly string[] = []): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), "redis-"));
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    try {
      return await runOn(port, folder, args);
    } catch (error) {
      // Somebody else has taken the port meanwhile.
      if (attempt === 5) throw error;
    }
  }
}

async function runOn(port: number, folder: string, args: readonly string[]): Promise<RedisServer> {
  let child = await launch(port, folder, args);
  const end = () => child.kill("SIGKILL");
  process.once("exit", end);
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    end();
    await ended;
  };
  const stop = async () => {
    process.off("exit", end);
    await kill();
    await rm(folder, { recursive: true, force: true });
  };
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    signal: (name) => void child.kill(name),
    async restart() {
      await kill();
      child = await launch(port, folder, args);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function launch(port: number, folder: string, args: readonly string[]): Promise<ChildProcess> {
  const own = [
    "--port",
    `${port}`,
    "--bind",
    "127.0.0.1",
    "--save",
    "",
    "--appendonly",
    "no",
    "--dir",
    folder,
  ];
  const child = spawn(command, [...own, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`redis-server ended with ${code}: ${said}`)));
    child.stdout.on("data", (data: Buffer) => {
      if (said.length < 10_000) said += data;
      if (said.includes("eady to accept connections")) resolve();
    });
  });
  child.removeAllListeners("exit");
  return child;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Three masters that share the slots. */
export interface RedisCluster {
  readonly ports: readonly number[];
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a cluster of three nodes on loopback, without replicas. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const nodes: RedisServer[] = [];
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    for (let node = 0; node < 3; node++) {
      const bus = await freePort();
      const args = ["--cluster-enabled", "yes", "--cluster-port", `${bus}`, "--cluster-node-timeout", "2000"];
      nodes.push(await startRedisServer(args));
    }
    const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
    const create = ["--cluster", "create", ...addresses, "--cluster-yes"];
    const { status, stdout, stderr } = spawnSync("redis-cli", create, { encoding: "utf8", timeout: 30_000 });
    if (status !== 0) throw new Error(`redis-cli could not make a cluster: ${stdout}${stderr}`);
    for (const { port } of nodes) await untilReady(port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { ports: nodes.map(({ port }) => port), stop, [Symbol.asyncDispose]: stop };
}

/** Each node learns from the others that all slots are served. */
async function untilReady(port: number): Promise<void> {
  for (let look = 0; look < 200; look++) {
    const { stdout } = spawnSync("redis-cli", ["-p", `${port}`, "cluster", "info"], { encoding: "utf8" });
    if (stdout.includes("cluster_state:ok")) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the cluster did not come up");
}
