import type { BearerError } from "@iam/core";
import { base64url } from "jose";
import { hasDuplicateMembers } from "./duplicate-members.ts";
import { refusal } from "./refusal.ts";

/** Node refuses headers above 16 KiB; IAM's tokens have one to two. */
const maxLength = 16_384;

/** What the header of a token says, checked. */
export interface TokenHeader {
  readonly alg: string;
  readonly kid: string;
}

/**
 * What decoders of base64 let pass although it is not base64url. At anything else they fail, and then the signature does; to
 * look at each character of a good token would cost a thirtieth of its verification.
 */
const lenient = ["=", " ", "\n", "\r", "\t", "\f"] as const;
/** What a base64url text may end in, by its length modulo four: the bits that mean nothing are zero. */
const lastCharacters = [undefined, "", "AQgw", "AEIMQUYcgkosw048"] as const;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The header segment of a compact JWS, when the whole has the shape of one. Pure.
 *
 * Two spellings of one signature would be two tokens to whoever compares them, so each segment is held to its only one.
 *
 * Source: RFC 7515 sections 2 and 7.1; RFC 4648 section 3.5.
 */
export function headerSegment(token: unknown): string {
  if (typeof token !== "string" || token === "") throw refusal("malformed", "The token is no text.");
  if (token.length > maxLength)
    throw refusal("too-large", `The token is longer than ${maxLength} characters.`);
  const segments = token.split(".", 6);
  if (segments.length === 5) throw refusal("encrypted", "The token is encrypted: it has five segments.");
  const [header, ...others] = segments;
  if (!header || others.length !== 2)
    throw refusal("malformed", "The token does not have the three segments of a signed JWT.");
  if (lenient.some((character) => token.includes(character)) || !segments.every(isCanonical))
    throw notBase64url();
  return header;
}

/** The error for a token whose signature is not good: the encoding is to blame if it is none. */
export function notSigned(token: string): BearerError {
  return /^[\w.-]+$/.test(token)
    ? refusal("signature", "The token was not signed by the key that it names.")
    : notBase64url();
}

function notBase64url(): BearerError {
  return refusal("encoding", "The token is not base64url without padding.");
}

function isCanonical(segment: string): boolean {
  const allowed = lastCharacters[segment.length % 4];
  return allowed === undefined || allowed.includes(segment.at(-1) ?? " ");
}

/**
 * Reads and checks a header. Pure.
 *
 * Whatever would choose the key or the rules by the token's own word is refused, signed or not.
 *
 * Source: RFC 7515 section 4.1; RFC 8725 sections 3.1 to 3.11.
 */
export function parseHeader(segment: string, algorithms: readonly string[]): TokenHeader {
  const members = jsonObject(decoded(segment));
  if (members === undefined) throw refusal("header", "The header of the token is no JSON object.");
  if (members.twice) throw refusal("duplicate", "The header of the token has a member twice.");
  const { alg, kid, typ, cty, ...others } = members.value;
  if (typeof alg !== "string" || !algorithms.includes(alg))
    throw refusal("algorithm", `The token is not signed by ${algorithms.join(" or ")}.`);
  for (const name of ["jwk", "jku", "x5u", "x5c"]) {
    if (name in others)
      throw refusal("embedded-key", `The token says by itself which key is to be believed (${name}).`);
  }
  for (const name of ["crit", "b64", "zip"]) {
    if (name in others)
      throw refusal("critical", `The token demands an extension that is not known here (${name}).`);
  }
  if (cty !== undefined) throw refusal("nested", "The token holds another token (cty).");
  // An ID token or a logout token of the same issuer is no access token.
  if (typ !== undefined && !(typeof typ === "string" && /^(application\/)?(at\+)?jwt$/i.test(typ)))
    throw refusal("type", "The token is of another type than an access token (typ).");
  if (typeof kid !== "string" || !/^[\w-]{1,128}$/.test(kid))
    throw refusal("key-id", "The token does not name its key (kid), or by what is no name.");
  return { alg, kid };
}

function decoded(segment: string): Uint8Array {
  try {
    return base64url.decode(segment);
  } catch {
    throw notBase64url();
  }
}

/** A JSON object out of bytes, and whether it has a member twice; undefined for anything else. */
export function jsonObject(
  bytes: Uint8Array,
): { readonly value: Record<string, unknown>; readonly twice: boolean } | undefined {
  try {
    const text = decoder.decode(bytes);
    const value: unknown = JSON.parse(text);
    return isObject(value) ? { value, twice: hasDuplicateMembers(text, value) } : undefined;
  } catch {
    // Not UTF-8, not JSON, or nested so deep that nobody means well.
    return undefined;
  }
}

/** Whether a value out of JSON is an object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
