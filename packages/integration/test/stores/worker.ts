import { apiKeyGrant, createTokenManager, sharedStore, type TokenStore } from "@iam/core";
import { type DurableObjects, durableObjectStore, TokenEntry } from "./durable-object-store.ts";
import { type KvNamespace, kvStore } from "./kv-store.ts";

export { TokenEntry };

interface Env {
  readonly IAM: string;
  readonly API_KEY: string;
  readonly TOKENS: KvNamespace;
  readonly ENTRIES: DurableObjects;
}

type Method = "get" | "set" | "delete" | "lock" | "release";
const locks = new Map<string, () => Promise<void>>();

/** Calls a store on behalf of the test, which runs outside; `/token` is a process with nothing in hand. */
async function answer({ pathname }: URL, args: readonly unknown[], env: Env): Promise<unknown> {
  const [kind, what] = pathname.slice(1).split("/") as ["kv" | "do", Method | "token"];
  const store: TokenStore = kind === "kv" ? kvStore(env.TOKENS) : durableObjectStore(env.ENTRIES);
  if (what === "token") {
    const manager = createTokenManager({
      grant: apiKeyGrant((args[0] as string | undefined) ?? env.API_KEY),
      tokenEndpoint: env.IAM,
      store: sharedStore(store, { timeoutMs: 2_000 }),
    });
    return (await manager.getToken()).accessToken;
  }
  const [key, second, third] = args as [string, never, never];
  if (what === "lock") {
    const { ttlMs } = second as { ttlMs: number };
    const lock = await store.lock?.(key, { ttlMs, signal: new AbortController().signal });
    if (lock?.state !== "acquired") return lock;
    const name = crypto.randomUUID();
    locks.set(name, lock.release);
    return { state: "acquired", name };
  }
  if (what === "release") return locks.get(key)?.();
  return what === "get"
    ? store.get(key)
    : what === "set"
      ? store.set(key, second, third)
      : store.delete(key, second);
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    try {
      const args = (await request.json()) as readonly unknown[];
      return Response.json({ answer: await answer(new URL(request.url), args, env) });
    } catch (error) {
      return Response.json(String(error), { status: 500 });
    }
  },
};
