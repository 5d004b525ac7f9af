const encoder = new TextEncoder();

/**
 * SHA-256 of a text, in base64, by the runtime's own implementation.
 *
 * WebCrypto has it only as a promise, which costs on Node a third of a whole verification. Node, Bun, Deno and Workers with
 * Node's modules also have it as a plain function, looked for where they offer it; elsewhere the promise is what there is.
 */
export function createTokenDigest(): (text: string) => string | Promise<string> {
  return platformDigest() ?? webDigest;
}

/** The part of `process` that gives a module of Node without an import, which bundlers for browsers would stumble over. */
interface BuiltinModules {
  getBuiltinModule?: (name: string) => { hash?: unknown } | undefined;
}

function platformDigest(): ((text: string) => string) | undefined {
  try {
    const { process } = globalThis as { process?: BuiltinModules };
    const hash = process?.getBuiltinModule?.("node:crypto")?.hash;
    if (typeof hash !== "function") return undefined;
    const digest = (text: string): string => hash("sha256", text, "base64");
    // One that is there in name only would make every lookup fail.
    return digest("") === digestOfNothing ? digest : undefined;
  } catch {
    return undefined;
  }
}

const digestOfNothing = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

async function webDigest(text: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text)));
  return btoa(String.fromCharCode(...bytes));
}
