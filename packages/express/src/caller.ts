import type { IncomingMessage } from "node:http";
import { isIamError } from "@iam/core";
import { tokenUnavailable } from "./token-unavailable.ts";

/** Checks the bearer tokens of those who call. `@iam/verify` makes one; so is anything else of this shape. */
export interface BearerVerifier {
  /**
   * Gives the claims of a good token, as an object, and rejects for any other. An error with `status` and `wwwAuthenticate`
   * is answered as it says; any other with 401, but one that says `retryable` with 503.
   */
  verify(token: string): Promise<unknown>;
}

/** The answer to somebody who is not let in. */
export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Judges the `Authorization` of an incoming request. Undefined: let in.
 *
 * Errors: what `verify` fails with when it could not judge, with status 503.
 * Source: RFC 6750 sections 2.1 and 3, which wants no error code where no token was presented.
 */
export async function refusalFor(
  verifier: BearerVerifier,
  { headers }: IncomingMessage,
): Promise<Refusal | undefined> {
  const authorization = headers.authorization ?? "";
  if (!/^bearer( |$)/i.test(authorization)) return challenge("Bearer");
  const [, token] = /^bearer +([\w.~+/-]+=*) *$/i.exec(authorization) ?? [];
  if (token === undefined) return challenge('Bearer error="invalid_token"');
  try {
    const claims = await verifier.verify(token);
    // A verifier that answers false or nothing where it should reject lets nobody in.
    if (typeof claims === "object" && claims !== null) return undefined;
  } catch (error) {
    const refusal = asItSays(error);
    if (refusal !== undefined) return refusal;
    if (isIamError(error) && error.retryable) throw tokenUnavailable(error);
  }
  return challenge('Bearer error="invalid_token"');
}

function challenge(wwwAuthenticate: string, status = 401): Refusal {
  return { status, headers: { "WWW-Authenticate": wwwAuthenticate } };
}

/** The answer that an error asks for, when it can be put into a response. */
function asItSays(error: unknown): Refusal | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { status, wwwAuthenticate }: { status?: unknown; wwwAuthenticate?: unknown } = error;
  if (typeof status !== "number" || !Number.isInteger(status) || status < 400 || status > 499)
    return undefined;
  if (typeof wwwAuthenticate !== "string" || !/^[\t\x20-\x7e]+$/.test(wwwAuthenticate)) return undefined;
  return challenge(wwwAuthenticate, status);
}
