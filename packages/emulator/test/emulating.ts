import { generateKeyPair } from "jose";
import { onTestFinished } from "vitest";
import { type RunningEmulator, type StartOptions, startEmulator } from "../src/index.ts";

/** One for all emulators of a test file: making a key is the slowest thing that an emulator does. */
const signingKey = await generateKeyPair("RS256", { extractable: true });

/** Starts an emulator that ends with the test. */
export async function emulating(options: StartOptions = {}): Promise<RunningEmulator> {
  const emulator = await startEmulator({ signingKey, ...options });
  onTestFinished(() => emulator.close());
  return emulator;
}

export const apiKeyGrantType = "urn:ibm:params:oauth:grant-type:apikey";

/** Posts a form to a path, the token endpoint unless told otherwise. */
export function post(
  url: string,
  fields: Record<string, string> | string,
  headers: Record<string, string> = {},
): Promise<Response> {
  const at = new URL(url);
  return fetch(at.pathname === "/" ? new URL("/identity/token", at) : at, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
    body: typeof fields === "string" ? fields : new URLSearchParams(fields).toString(),
    redirect: "manual",
  });
}

/** Asks for a token with the emulator's own API key. */
export function askToken(emulator: RunningEmulator, headers: Record<string, string> = {}): Promise<Response> {
  return post(emulator.url, { grant_type: apiKeyGrantType, apikey: emulator.apiKey }, headers);
}

/** A JSON object of unknown shape. */
export type Json = Record<string, unknown>;

/** The JSON object in a response. */
export async function jsonOf(response: Response): Promise<Json> {
  const value: unknown = await response.json();
  if (typeof value !== "object" || value === null) throw new Error("not a JSON object");
  return { ...value };
}

/** A member of a JSON object that must be an object. */
export function objectAt(value: Json, name: string): Json {
  const member = value[name];
  if (typeof member !== "object" || member === null) throw new Error(`${name} is not an object`);
  return { ...member };
}

/** An access token that the emulator's token endpoint has granted. */
export async function tokenOf(emulator: RunningEmulator): Promise<string> {
  return String((await jsonOf(await askToken(emulator))).access_token);
}

/** Asks the protected resource with a token. */
export function askResource(url: string, token: string, init: RequestInit = {}): Promise<Response> {
  const at = url.includes("/resource") ? url : `${url}/resource`;
  return fetch(at, {
    redirect: "manual",
    ...init,
    headers: { ...init.headers, authorization: `Bearer ${token}` },
  });
}

/** The header of HTTP Basic. */
export function basic(id: string, secret: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}` };
}
