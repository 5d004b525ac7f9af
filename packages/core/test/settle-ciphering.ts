/** Cryptography under way: it ends on threads, at times that no virtual clock knows of. */
let ciphering = 0;
const methods: readonly string[] = ["importKey", "deriveBits", "sign", "encrypt", "decrypt"];
for (const name of methods) {
  const original: (...args: unknown[]) => Promise<unknown> = Reflect.get(crypto.subtle, name);
  Object.defineProperty(Object.getPrototypeOf(crypto.subtle), name, {
    value(this: SubtleCrypto, ...args: unknown[]) {
      ciphering++;
      return original.apply(this, args).finally(() => {
        ciphering--;
      });
    },
  });
}

/** Lets every promise that can settle do so: so many turns of the event loop without cryptography under way. */
export async function settle(turns: number = 3): Promise<void> {
  for (let quiet = 0; quiet < turns; quiet++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (ciphering > 0) quiet = -1;
  }
}
