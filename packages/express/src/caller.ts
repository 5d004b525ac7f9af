import type { IncomingMessage } from "node:http";
import { BearerError, isIamError } from "@iam/core";
import { tokenUnavailable } from "./token-unavailable.ts";

/** Checks the bearer tokens of those who call. `@iam/verify` makes one; so is anything else of this shape. */
export interface BearerVerifier {
  /**
   * Gives the claims of a good token, as an object, and rejects for any other. An error with `status` and `wwwAuthenticate`
   * is answered as it says; any other with 401, but one that says `retryable` with 503.
   */
  verify(token: string): Promise<unknown>;
}

/** Whether something can check tokens. */
export function isVerifier(value: unknown): value is BearerVerifier {
  return (
    typeof value === "object" && value !== null && "verify" in value && typeof value.verify === "function"
  );
}

/** The answer to somebody who is not let in. */
export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** Somebody whose token is good. */
export interface Caller {
  readonly token: string;
  readonly claims: object;
}

/**
 * Judges the `Authorization` of an incoming request. Undefined: it presents no token.
 *
 * Errors: `ERR_IAM_BEARER` with the answer; what `verify` fails with when it could not judge, with status 503.
 * Source: RFC 6750 sections 2 and 3.
 */
export async function checkCaller(
  verifier: BearerVerifier,
  req: IncomingMessage,
): Promise<Caller | undefined> {
  const token = presentedToken(req);
  if (token === undefined) return undefined;
  let claims: unknown;
  try {
    claims = await verifier.verify(token);
  } catch (error) {
    const refusal = refusalOf(error);
    // Not by instanceof: a verifier may have a copy of core of its own.
    if (isIamError(error) && refusal !== undefined) throw error;
    if (isIamError(error) && error.retryable) throw tokenUnavailable(error);
    throw Object.assign(refused(error), refusal);
  }
  // A verifier that answers false or nothing where it should reject lets nobody in.
  if (typeof claims !== "object" || claims === null) throw refused();
  return { token, claims };
}

/** The error for a request that presents no token; RFC 6750 wants no code, and no details, there. */
export function noToken(): BearerError {
  return new BearerError("The request presents no bearer token.", { reason: "no-token" });
}

/** Judges a request as {@link checkCaller} does, and gives the answer to somebody who is not let in. Undefined: let in. */
export async function refusalFor(
  verifier: BearerVerifier,
  req: IncomingMessage,
): Promise<Refusal | undefined> {
  try {
    return (await checkCaller(verifier, req)) === undefined ? refusalOf(noToken()) : undefined;
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    return refusal;
  }
}

/** The bearer token of a request; undefined for none. Only `Authorization` is a place for it: URLs end up in logs. */
function presentedToken(req: IncomingMessage & { body?: unknown }): string | undefined {
  const { headers, rawHeaders, url = "" } = req;
  const authorization = headers.authorization ?? "";
  // The scheme ends where a letter of it cannot be (RFC 9110 section 5.6.2): "Bearer:x" is a bad token, not the lack of one.
  const isBearer = /^bearer(?![\w!#$%&'*+.^`|~-])/i.test(authorization);
  // Node itself keeps the first and drops the others.
  if (rawHeaders.filter((name, at) => at % 2 === 0 && /^authorization$/i.test(name)).length > 1)
    throw twice("Authorization is there twice");
  const query = url.indexOf("?");
  if (query >= 0 && new URLSearchParams(url.slice(query)).has("access_token"))
    throw twice("a token is in the URL, where it is logged");
  if (isBearer && isForm(headers["content-type"]) && Object(req.body).access_token !== undefined)
    throw twice("a token is in Authorization and in the form");
  if (!isBearer) return undefined;
  const [, token] = /^bearer +([\w.~+/-]+=*) *$/i.exec(authorization) ?? [];
  if (token !== undefined) return token;
  const message = "Authorization is not Bearer and one token.";
  throw new BearerError(message, { reason: "malformed", error: "invalid_token" });
}

function isForm(contentType = ""): boolean {
  return /^application\/x-www-form-urlencoded *(;|$)/i.test(contentType);
}

function twice(what: string): BearerError {
  return new BearerError(`The token belongs into one Authorization header and nowhere else: ${what}.`, {
    reason: "place",
    error: "invalid_request",
  });
}

function refused(cause?: unknown): BearerError {
  return new BearerError("The verifier refuses the token.", {
    reason: "verifier",
    error: "invalid_token",
    cause,
  });
}

/** The answer that an error asks for, when it can be put into a response. */
export function refusalOf(error: unknown): (Refusal & { readonly wwwAuthenticate: string }) | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { status, wwwAuthenticate }: { status?: unknown; wwwAuthenticate?: unknown } = error;
  if (typeof status !== "number" || !Number.isInteger(status) || status < 400 || status > 499)
    return undefined;
  if (typeof wwwAuthenticate !== "string" || !/^[\t\x20-\x7e]+$/.test(wwwAuthenticate)) return undefined;
  return { status, wwwAuthenticate, headers: { "WWW-Authenticate": wwwAuthenticate } };
}
