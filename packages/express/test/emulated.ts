import { apiKeyGrant, createTokenManager, type TokenManager, type TokenManagerOptions } from "@iam/core";
import { type RunningEmulator, startEmulator } from "@iam/emulator";
import { onTestFinished } from "vitest";

/** A local IAM with a resource, and a manager for it; both end with the test. */
export async function emulated(
  options: Partial<TokenManagerOptions> = {},
): Promise<{ emulator: RunningEmulator; manager: TokenManager; resource: string; origins: string[] }> {
  const emulator = await startEmulator();
  onTestFinished(() => emulator.close());
  const manager = createTokenManager({
    grant: apiKeyGrant(emulator.apiKey),
    tokenEndpoint: emulator.url,
    ...options,
  });
  return { emulator, manager, resource: `${emulator.url}/resource`, origins: [emulator.url] };
}
