import { randomHex } from "./fingerprint.ts";

/** A made-up name of the process that answers, in the form of IAM's own. */
export function createInstanceId(): string {
  const letters = Array.from(
    crypto.getRandomValues(new Uint8Array(5)),
    (byte) => alphabet[byte % alphabet.length],
  ).join("");
  return `iamid-11-4-5366-${randomHex(4).slice(0, 7)}-${randomHex(5)}-${letters}`;
}

const alphabet = "bcdfghjklmnpqrstvwxz2456789";

/**
 * The id of one request: the caller's own, else base64 of the last part of the instance's name, a dash and 32 hex digits.
 */
export function transactionIdOf(given: string | null, instanceId: string): string {
  if (given) return given;
  const tail = instanceId.slice(instanceId.lastIndexOf("-") + 1);
  return `${btoa(tail).replaceAll("=", "")}-${randomHex(16)}`;
}
