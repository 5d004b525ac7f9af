import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from "node:crypto";

type Bytes = Uint8Array<ArrayBuffer>;

const bytes = (value: unknown) => value as Bytes;

/** What sealing needs of Web Crypto, within microtasks: that of Node ends on threads, at times that no schedule knows of. */
const subtle = {
  importKey: async (_format: string, key: unknown) => new Uint8Array(bytes(key)),
  deriveBits: async ({ salt, info }: { salt: Bytes; info: Bytes }, key: Bytes, bits: number) =>
    hkdfSync("sha256", key, salt, info, bits / 8),
  sign: async (_name: string, key: Bytes, data: Bytes) =>
    new Uint8Array(createHmac("sha256", key).update(data).digest()).buffer,
  encrypt: async ({ iv, additionalData }: { iv: Bytes; additionalData: Bytes }, key: Bytes, data: Bytes) => {
    const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(additionalData);
    return new Uint8Array(Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()])).buffer;
  },
  decrypt: async ({ iv, additionalData }: { iv: Bytes; additionalData: Bytes }, key: Bytes, data: Bytes) => {
    const decipher = createDecipheriv("aes-256-gcm", key, iv)
      .setAAD(additionalData)
      .setAuthTag(data.subarray(-16));
    return new Uint8Array(Buffer.concat([decipher.update(data.subarray(0, -16)), decipher.final()])).buffer;
  },
};

/** Puts it in the place of Web Crypto, and returns what takes it back. */
export function cryptoAtOnce(): () => void {
  const { crypto } = globalThis;
  Object.defineProperty(crypto, "subtle", { value: subtle, configurable: true });
  return () => {
    // What is below is the prototype's.
    Reflect.deleteProperty(crypto, "subtle");
  };
}
