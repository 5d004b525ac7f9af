/**
 * The first 12 hex digits of the SHA-256 of a secret, as the request log shows it.
 *
 * @example
 * ```ts
 * import { type Emulator, fingerprint } from "@iam/emulator";
 * export const sentItsKey = async ({ log, apiKey }: Emulator) =>
 *   log[0]?.fields.apikey === `[redacted] ${await fingerprint(apiKey)}`;
 * ```
 */
export async function fingerprint(secret: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret));
  return hex(new Uint8Array(digest)).slice(0, 12);
}

/** Lower-case hex digits of some bytes. */
function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** `count` random bytes as lower-case hex digits. */
export function randomHex(count: number): string {
  return hex(crypto.getRandomValues(new Uint8Array(count)));
}
