import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { Clock } from "@iam/core";
import { type RunningEmulator, startEmulator } from "@iam/emulator";
import { onTestFinished } from "vitest";
import { createVerifier, type Verifier, type VerifierOptions } from "../src/index.ts";

/** A clock in the hand of a test: it stands still until it is moved. Its timers are real. */
interface StillClock extends Clock {
  advance(ms: number): void;
  stepWall(ms: number): void;
}

function stillClock(startMs: number = Math.floor(Date.now() / 1000) * 1000): StillClock {
  let wall = startMs;
  let monotonic = 5000;
  return {
    wallNow: () => wall,
    monotonicNow: () => monotonic,
    setTimer(run, delayMs) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
    advance(ms) {
      wall += ms;
      monotonic += ms;
    },
    stepWall(ms) {
      wall += ms;
    },
  };
}

/** A local IAM whose private key is in the hand of the test, so that anything can be signed with it. */
export interface Scene {
  readonly emulator: RunningEmulator;
  readonly clock: StillClock;
  readonly options: VerifierOptions;
  readonly verifier: Verifier;
  readonly privateKey: KeyObject;
  readonly kid: string;
  /** Epoch seconds. */
  readonly now: number;
  /** A good token of a user. */
  good(claims?: Record<string, unknown>): Promise<string>;
  /** How often the keys were asked for. */
  readonly keyRequests: number;
}

export const accountId = "0123456789abcdef0123456789abcdef";
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };

export async function playing(more: Partial<VerifierOptions> = {}): Promise<Scene> {
  const der = { public: publicKey.export({ type: "spki", format: "der" }) };
  const secret = privateKey.export({ type: "pkcs8", format: "der" });
  const { subtle } = globalThis.crypto;
  const signingKey = {
    publicKey: await subtle.importKey("spki", new Uint8Array(der.public), algorithm, true, ["verify"]),
    privateKey: await subtle.importKey("pkcs8", new Uint8Array(secret), algorithm, true, ["sign"]),
  };
  const emulator = await startEmulator({ signingKey });
  onTestFinished(() => emulator.close());
  const clock = stillClock();
  emulator.clock.freeze(clock.wallNow());
  const options: VerifierOptions = { jwksUrl: `${emulator.url}/identity/keys`, clock, ...more };
  const { value } = await emulator.issueToken();
  const { kid } = JSON.parse(Buffer.from(value.split(".")[0] ?? "", "base64url").toString());
  return {
    emulator,
    clock,
    options,
    verifier: createVerifier(options),
    privateKey,
    kid,
    now: clock.wallNow() / 1000,
    good: async (claims = {}) => (await emulator.issueToken({ claims })).value,
    get keyRequests() {
      return emulator.log.filter(({ target }) => target === "keys").length;
    },
  };
}

/** Base64url of bytes, of text, or of a value as JSON. */
export function encoded(part: unknown): string {
  if (part instanceof Uint8Array) return Buffer.from(part).toString("base64url");
  return Buffer.from(typeof part === "string" ? part : JSON.stringify(part)).toString("base64url");
}

/** A compact JWS of any two parts, signed by RSA with SHA-256, whatever the header says. */
export function signed(header: unknown, payload: unknown, key: KeyObject = privateKey): string {
  const input = `${encoded(header)}.${encoded(payload)}`;
  return `${input}.${encoded(sign("sha256", Buffer.from(input), key))}`;
}

/** The same by HMAC with a text as the key, as it is done to libraries that take a public key for a shared one. */
export function hmacSigned(header: unknown, payload: unknown, key: string): string {
  const input = `${encoded(header)}.${encoded(payload)}`;
  return `${input}.${createHmac("sha256", key).update(input).digest("base64url")}`;
}

/** What a promise is rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("It should have failed.");
}

export { publicKey };
