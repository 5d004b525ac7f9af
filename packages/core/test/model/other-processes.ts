import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";

/** Something in a store, until a moment of the store's own clock. */
export interface Lying<T> {
  readonly value: T;
  readonly endsAt: number;
}

/** What is there still. */
export function stillThere<T>(thing: Lying<T> | undefined, now: number): Lying<T> | undefined {
  return thing !== undefined && thing.endsAt > now ? thing : undefined;
}

/** A token as processes share it. */
export interface SharedToken {
  readonly token: string;
  readonly lifetimeMs: number;
  readonly draw: number;
}

/** A failure as processes share it. */
export interface SharedFailure {
  readonly code: string;
  readonly status?: number | undefined;
  readonly retryable: boolean;
  readonly pauseMs: number;
  readonly keptMs: number;
  readonly failures: number;
}

/** What another process with the same key does to the store. */
export type Deed =
  | { readonly what: "writes a token"; readonly token: SharedToken; readonly leftMs: number }
  | { readonly what: "writes a failure"; readonly failure: SharedFailure; readonly leftMs: number }
  | { readonly what: "takes the lock"; readonly owner: string; readonly forMs: number }
  | { readonly what: "lets go of the lock" }
  | { readonly what: "loses everything" };

const label = "@iam/store/v1";
const fields = ["https://iam.cloud.ibm.com/identity/token", "apikey"];

function lengthPrefixed(parts: readonly string[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.from(part);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}

/** The seal of an API key as docs/sharing.md tells it, by none of the code under test. */
export interface OtherSeal {
  readonly tokenKey: string;
  readonly failureKey: string;
  close(key: string, content: object): string;
  /** Undefined for what does not open. */
  open(key: string, entry: string): Record<string, unknown> | undefined;
}

export function sealOf(apiKey: string): OtherSeal {
  // The second part is the pepper.
  const derive = (info: string) =>
    Buffer.from(hkdfSync("sha256", lengthPrefixed([apiKey, ""]), label, info, 32));
  const nameKey = derive("name");
  const sealKey = derive("seal");
  const nameOf = (purpose: string) =>
    createHmac("sha256", nameKey)
      .update(lengthPrefixed([purpose, ...fields]))
      .digest("base64url");
  return {
    tokenKey: nameOf("token"),
    failureKey: nameOf("refusal"),
    close(key, content) {
      const iv = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", sealKey, iv).setAAD(lengthPrefixed([label, key]));
      const sealed = [cipher.update(JSON.stringify(content), "utf8"), cipher.final(), cipher.getAuthTag()];
      return Buffer.concat([Buffer.of(1), iv, ...sealed]).toString("base64url");
    },
    open(key, entry) {
      const bytes = Buffer.from(entry, "base64url");
      const decipher = createDecipheriv("aes-256-gcm", sealKey, bytes.subarray(1, 13))
        .setAAD(lengthPrefixed([label, key]))
        .setAuthTag(bytes.subarray(-16));
      try {
        return JSON.parse(
          Buffer.concat([decipher.update(bytes.subarray(13, -16)), decipher.final()]).toString(),
        );
      } catch {
        return undefined;
      }
    },
  };
}
