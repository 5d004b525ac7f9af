/** What decides who can read and find an entry. */
export interface SealInput {
  /** The grant's secret, or empty. */
  readonly secret: string;
  /** Random bytes that only the sharing processes know, or none. */
  readonly pepper: Uint8Array;
  /** What tells one token from another: endpoint, grant, client, scope, profile, account. */
  readonly fields: readonly string[];
}

/** Names and seals the entries of one token. */
export interface Seal {
  /** The key in the store for a purpose, such as `token`: 43 characters that tell nothing without the secret. */
  keyFor(purpose: string): Promise<string>;
  /** A text that only the same secret opens, under the same key. */
  close(key: string, text: string): Promise<string>;
  /** The text, or undefined for anything that is not ours, whole, and of this key. */
  open(key: string, entry: string): Promise<string | undefined>;
}

const label = "@iam/store/v1";
const version = 1;
const ivBytes = 12;

/**
 * Makes the seal of one token: HKDF with SHA-256 (RFC 5869) over secret and pepper gives two keys, HMAC-SHA-256 with the
 * first gives names, AES-256-GCM with the second seals. So without the secret neither what is stored nor what it belongs to
 * can be read or guessed at, a changed secret finds nothing, and an entry that was moved to another key does not open.
 */
export async function createSeal({ secret, pepper, fields }: SealInput): Promise<Seal> {
  const { subtle } = globalThis.crypto;
  const material = await subtle.importKey("raw", lengthPrefixed([secret, pepper]), "HKDF", false, [
    "deriveBits",
  ]);
  const derive = (info: string) =>
    subtle.deriveBits(
      { name: "HKDF", hash: "SHA-256", salt: bytesOf(label), info: bytesOf(info) },
      material,
      256,
    );
  const [nameBits, sealBits] = await Promise.all([derive("name"), derive("seal")]);
  const nameKey = await subtle.importKey("raw", nameBits, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const sealKey = await subtle.importKey("raw", sealBits, "AES-GCM", false, ["encrypt", "decrypt"]);
  const additionalData = (key: string) => lengthPrefixed([label, key]);

  return {
    async keyFor(purpose) {
      return base64url(
        new Uint8Array(await subtle.sign("HMAC", nameKey, lengthPrefixed([purpose, ...fields]))),
      );
    },
    async close(key, text) {
      const iv = globalThis.crypto.getRandomValues(new Uint8Array(ivBytes));
      const algorithm = { name: "AES-GCM", iv, additionalData: additionalData(key) };
      const sealed = new Uint8Array(await subtle.encrypt(algorithm, sealKey, bytesOf(text)));
      const bytes = new Uint8Array(1 + ivBytes + sealed.length);
      bytes[0] = version;
      bytes.set(iv, 1);
      bytes.set(sealed, 1 + ivBytes);
      return base64url(bytes);
    },
    async open(key, entry) {
      try {
        const bytes = fromBase64url(entry);
        if (bytes[0] !== version) return undefined;
        const iv = bytes.subarray(1, 1 + ivBytes);
        const algorithm = { name: "AES-GCM", iv, additionalData: additionalData(key) };
        return new TextDecoder().decode(
          await subtle.decrypt(algorithm, sealKey, bytes.subarray(1 + ivBytes)),
        );
      } catch {
        return undefined;
      }
    },
  };
}

/** Each part after its length in four bytes, so that no two lists give the same bytes. */
export function lengthPrefixed(parts: readonly (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const chunks = parts.map((part) => (typeof part === "string" ? bytesOf(part) : part));
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + 4 + length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const chunk of chunks) {
    view.setUint32(at, chunk.length);
    bytes.set(chunk, at + 4);
    at += 4 + chunk.length;
  }
  return bytes;
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function base64url(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  // Not `Uint8Array.from`: a megabyte takes it a second.
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}
