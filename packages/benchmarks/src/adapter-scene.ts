import { apiKeyGrant, createTokenManager, type TokenManager } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import { startLoopback } from "./loopback.ts";

/** What both sides of a comparison of adapters work with. */
export interface AdapterScene extends AsyncDisposable {
  /** The URL that is asked for. */
  readonly api: string;
  /** The constant header, with the token that the manager holds. */
  readonly headers: { readonly authorization: string };
  /** Of the adapter. */
  readonly settings: { readonly manager: TokenManager; readonly origins: string[] };
}

/** Starts an IAM and an API on loopback, and a manager that has its token already. */
export async function startAdapterScene(): Promise<AdapterScene> {
  const emulator = await startEmulator();
  const loopback = await startLoopback();
  const manager = createTokenManager({ grant: apiKeyGrant(emulator.apiKey), tokenEndpoint: emulator.url });
  const { accessToken } = await manager.getToken();
  return {
    api: `${loopback.url}/things`,
    headers: { authorization: `Bearer ${accessToken}` },
    settings: { manager, origins: [loopback.url] },
    async [Symbol.asyncDispose]() {
      for (const each of [manager, loopback, emulator]) await each[Symbol.asyncDispose]();
    },
  };
}
