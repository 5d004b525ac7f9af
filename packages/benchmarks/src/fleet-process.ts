// One process of a fleet, steered by the one that started it: told where IAM and Redis are, and when to begin.
import { apiKeyGrant, createTokenManager, sharedStore, type TokenManagerEvent } from "@iam/core";
import { iamFetch } from "@iam/fetch";
import { redisStore } from "@iam/store-redis";
import { createClient } from "redis";

/** What a process is told. */
export interface FleetOrders {
  readonly iam: string;
  readonly apiKey: string;
  readonly redis: string;
  /** Another IAM with the same key, to run the code once before anything is measured. */
  readonly elsewhere: string;
}

/** What it tells. */
export type FleetReport =
  | { readonly type: "ready" }
  | { readonly type: "first"; readonly waitedMs: number }
  | { readonly type: "request"; readonly ok: boolean; readonly problem: string | undefined }
  | { readonly type: "event"; readonly event: TokenManagerEvent };

const tell = (report: FleetReport) => process.send?.(report);
const { iam, apiKey, redis, elsewhere } = JSON.parse(process.argv[2] ?? "{}") as FleetOrders;

const client = createClient({ url: redis });
client.on("error", () => {});
await client.connect();

const grant = apiKeyGrant(apiKey);
const store = sharedStore(redisStore({ client }));
const onEvent = (event: TokenManagerEvent) => tell({ type: "event", event });
const manager = createTokenManager({ grant, tokenEndpoint: iam, store, onEvent });
const authorized = iamFetch({ manager, origins: [iam] });

/** A request of this process's users. */
async function request(send: typeof fetch): Promise<void> {
  try {
    const response = await send(`${iam}/resource`);
    await response.arrayBuffer();
    tell({ type: "request", ok: response.ok, problem: response.ok ? undefined : `HTTP ${response.status}` });
  } catch (error) {
    tell({ type: "request", ok: false, problem: String(error) });
  }
}

process.once("message", async (everyMs: number) => {
  const from = performance.now();
  await manager.getToken().catch(() => {});
  tell({ type: "first", waitedMs: performance.now() - from });
  for (;;) {
    void request(authorized);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
});
process.once("disconnect", () => process.exit());

// What is measured is a process that has no token, not one whose code has never run.
const own = sharedStore(redisStore({ client, prefix: `${process.pid}:` }));
const warm = createTokenManager({ grant, tokenEndpoint: elsewhere, store: own });
await (await iamFetch({ manager: warm, origins: [elsewhere] })(`${elsewhere}/resource`)).arrayBuffer();
tell({ type: "ready" });
