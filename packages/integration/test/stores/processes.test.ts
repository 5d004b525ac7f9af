import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { hasRedisServer, startRedisServer } from "@iam/conformance/redis-server";
import { startEmulator } from "@iam/emulator";
import { describe, expect, onTestFinished, test } from "vitest";

interface Told {
  readonly accessToken?: string;
  readonly error?: string;
}

/** Real processes with one key, a real Redis between them, and an IAM for them all. */
async function fleet(size: number) {
  const emulator = await startEmulator();
  const redis = await startRedisServer();
  const children: ChildProcess[] = [];
  onTestFinished(async () => {
    for (const child of children) child.kill("SIGKILL");
    await redis.stop();
    await emulator.close();
  });
  for (let born = 0; born < size; born++) {
    const args = [emulator.url, emulator.apiKey, redis.url];
    const child = fork(join(import.meta.dirname, "process.ts"), args, { execArgv: [] });
    children.push(child);
    await once(child, "message");
  }
  const ask = async (child: ChildProcess, rejected = ""): Promise<Told> => {
    const answer = once(child, "message");
    child.send(rejected);
    const [told] = (await answer) as [Told];
    return told;
  };
  return { emulator, redis, children, ask };
}

describe.skipIf(!hasRedisServer)("real processes", () => {
  test("that start at once make one grant, and replace a rejected token once", {
    timeout: 60_000,
  }, async () => {
    const { emulator, children, ask } = await fleet(4);
    emulator.fault({ kind: "delay", ms: 300 }, { times: "forever" });
    const first = await Promise.all(children.map((child) => ask(child)));
    expect(new Set(first.map(({ accessToken }) => accessToken)).size).toBe(1);
    expect(first[0]?.accessToken).toBeDefined();
    expect(emulator.counters.grants).toBe(1);
    const rejected = first[0]?.accessToken;
    const second = await Promise.all(children.map((child) => ask(child, rejected)));
    expect(new Set(second.map(({ accessToken }) => accessToken)).size).toBe(1);
    expect(second[0]?.accessToken).not.toBe(rejected);
    expect(emulator.counters.grants).toBe(2);
  });

  test("one of them killed in the middle of its exchange, with the lock: another takes over, and all are served", {
    timeout: 60_000,
  }, async () => {
    const { emulator, children, ask } = await fleet(4);
    const [owner, ...others] = children;
    if (owner === undefined) throw new Error("no process");
    emulator.fault({ kind: "hang" });
    owner.send("");
    await emulator.until(({ tokenRequests }) => tokenRequests === 1);
    const waiting = others.map((child) => ask(child));
    owner.kill("SIGKILL");
    const told = await Promise.all(waiting);
    expect(told.map(({ error }) => error)).toEqual([undefined, undefined, undefined]);
    expect(new Set(told.map(({ accessToken }) => accessToken)).size).toBe(1);
    expect(emulator.counters.grants).toBe(1);
    expect(emulator.counters.tokenRequests).toBe(2);
  });
});
