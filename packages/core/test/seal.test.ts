import { execFileSync } from "node:child_process";
import { createDecipheriv, createHmac, hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createSeal, lengthPrefixed } from "../src/seal.ts";

interface Vector {
  readonly name: string;
  readonly secret: string;
  /** Hexadecimal. */
  readonly pepper: string;
  readonly fields: string[];
  readonly text: string;
  readonly key: string;
  readonly entry: string;
}

const vectors: Vector[] = JSON.parse(readFileSync(join(import.meta.dirname, "vectors", "seal.json"), "utf8"));
test("the known answers are what the script beside them makes", () => {
  const script = join(import.meta.dirname, "vectors", "make-seal-vectors.mjs");
  expect(JSON.parse(execFileSync(process.execPath, [script], { encoding: "utf8" }))).toEqual(vectors);
});

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const base = { secret: "canary-key", pepper: new Uint8Array(), fields: ["endpoint", "apikey"] };

describe("known answers, made with node:crypto", () => {
  test.for(vectors)("$name: the key in the store, and what opens there", async (vector) => {
    const { secret, fields, key, entry, text } = vector;
    const seal = await createSeal({ secret, fields, pepper: bytes(vector.pepper) });
    expect(await seal.keyFor("token")).toBe(key);
    expect(await seal.open(key, entry)).toBe(text);
  });

  test.for(vectors)("$name: node:crypto opens what is sealed here", async (vector) => {
    const { secret, fields, key } = vector;
    const seal = await createSeal({ secret, fields, pepper: bytes(vector.pepper) });
    const entry = Buffer.from(await seal.close(key, "a text"), "base64url");
    const material = lengthPrefixed([secret, bytes(vector.pepper)]);
    const sealKey = Buffer.from(hkdfSync("sha256", material, "@iam/store/v1", "seal", 32));
    const decipher = createDecipheriv("aes-256-gcm", sealKey, entry.subarray(1, 13));
    decipher.setAAD(lengthPrefixed(["@iam/store/v1", key])).setAuthTag(entry.subarray(-16));
    expect(entry[0]).toBe(1);
    expect(`${decipher.update(entry.subarray(13, -16), undefined, "utf8")}${decipher.final("utf8")}`).toBe(
      "a text",
    );
  });
});

describe("names", () => {
  const others = {
    "another secret": { ...base, secret: "canary-kez" },
    "another pepper": { ...base, pepper: new Uint8Array(32) },
    "another endpoint": { ...base, fields: ["endpoinu", "apikey"] },
    "a field more": { ...base, fields: [...base.fields, ""] },
    "the same characters, divided otherwise": { ...base, fields: ["endpointa", "pikey"] },
    "a secret that goes on in the pepper": {
      ...base,
      secret: "canary",
      pepper: new TextEncoder().encode("-key"),
    },
  };
  test.for(Object.entries(others))(
    "%s: another key in the store, and what is there does not open",
    async ([, input]) => {
      const [seal, other] = [await createSeal(base), await createSeal(input)];
      const key = await seal.keyFor("token");
      expect(await other.keyFor("token")).not.toBe(key);
      const opened = await other.open(key, await seal.close(key, "text"));
      // Fields make names; who has the secret has them all.
      expect(opened).toBe(input.secret === base.secret && input.pepper.length === 0 ? "text" : undefined);
    },
  );

  test("are the same for the same input, 43 characters, and differ by purpose", async () => {
    const [one, two] = [await createSeal(base), await createSeal({ ...base })];
    expect(await one.keyFor("token")).toBe(await two.keyFor("token"));
    expect(await one.keyFor("token")).toMatch(/^[\w-]{43}$/);
    expect(await one.keyFor("refusal")).not.toBe(await one.keyFor("token"));
  });

  test("an unkeyed hash of what is known does not give them", async () => {
    const key = await (await createSeal(base)).keyFor("token");
    const guess = createHmac("sha256", "@iam/store/v1").update(lengthPrefixed(["token", ...base.fields]));
    expect(guess.digest("base64url")).not.toBe(key);
  });
});

describe("an entry", () => {
  test("is another each time", async () => {
    const seal = await createSeal(base);
    expect(await seal.close("key", "text")).not.toBe(await seal.close("key", "text"));
  });

  test("does not open under another key, so that moving it gains nothing", async () => {
    const seal = await createSeal(base);
    const entry = await seal.close("one", "text");
    expect(await seal.open("one", entry)).toBe("text");
    expect(await seal.open("two", entry)).toBeUndefined();
  });

  test("does not open when any byte of it is changed", async () => {
    const seal = await createSeal(base);
    const entry = Buffer.from(await seal.close("key", "text"), "base64url");
    for (let at = 0; at < entry.length; at++) {
      const changed = Buffer.from(entry);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(await seal.open("key", changed.toString("base64url")), `byte ${at}`).toBeUndefined();
    }
  });

  test.for([
    ["nothing", ""],
    ["the version alone", "AQ"],
    ["cut off within the IV", "AQAAAA"],
    ["no base64", "%%%"],
    ["a web page", "<!doctype html>"],
    ["characters beyond Latin-1", "€€€€"],
    ["zeros", "A".repeat(200)],
  ])("is not %s", async ([, entry = ""]) => {
    expect(await (await createSeal(base)).open("key", entry)).toBeUndefined();
  });

  test("of a megabyte is sealed and opened", async () => {
    const seal = await createSeal(base);
    const text = "x".repeat(1_048_576);
    expect(await seal.open("key", await seal.close("key", text))).toBe(text);
  });
});
