import { IamError, type IamErrorOptions } from "./errors.ts";

/** The error codes of RFC 6750 section 3.1. */
export type BearerErrorWord = "invalid_request" | "invalid_token" | "insufficient_scope";

/** Options of {@link BearerError}. */
export interface BearerErrorOptions extends IamErrorOptions {
  /** What exactly is wrong, as a short word for logs and metrics. It is not told to the caller. */
  reason: string;
  /** Undefined when the request presents no token: then RFC 6750 wants no code at all. */
  error?: BearerErrorWord | undefined;
  /** The scopes that are needed, with spaces between. */
  scope?: string | undefined;
  /** A text for developers, in the challenge. */
  description?: string | undefined;
}

const statusOf = { invalid_request: 400, invalid_token: 401, insufficient_scope: 403 } as const;

/**
 * An incoming request without an acceptable bearer token, and the answer that it gets.
 *
 * The message names claims and headers, never their values; the challenge tells the caller less.
 *
 * Source: RFC 6750 section 3.
 *
 * @example
 * ```ts
 * import { BearerError } from "@iam/core";
 * const error = new BearerError("The token is expired.", { reason: "expired", error: "invalid_token" });
 * export const answer = new Response(null, { status: error.status, headers: error.headers });
 * ```
 */
export class BearerError extends IamError {
  override name = "BearerError";
  /** HTTP status: 400, 401 or 403. */
  declare readonly status: 400 | 401 | 403;
  /** The code of RFC 6750; undefined when the request presents no token. */
  declare readonly error: BearerErrorWord | undefined;
  /** What exactly is wrong, as a short word for logs and metrics. */
  declare readonly reason: string;
  /** The value of the `WWW-Authenticate` response header. */
  declare readonly wwwAuthenticate: string;
  /** The same as a set of headers, where Express and others look for them. */
  declare readonly headers: { readonly "WWW-Authenticate": string };

  constructor(message: string, { scope, description, ...options }: BearerErrorOptions) {
    const { error } = options;
    const wwwAuthenticate = challenge({ error, error_description: description, scope });
    super("ERR_IAM_BEARER", message, {
      ...options,
      status: error === undefined ? 401 : statusOf[error],
      error,
      wwwAuthenticate,
      headers: { "WWW-Authenticate": wwwAuthenticate },
    } as IamErrorOptions);
  }
}

/** Characters that RFC 6750 does not allow in a value are left out: they could end it, or the header. */
function challenge(parameters: Record<string, string | undefined>): string {
  const written = Object.entries(parameters)
    .filter((parameter): parameter is [string, string] => parameter[1] !== undefined)
    .map(([name, value]) => `${name}="${value.replaceAll(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "")}"`);
  return written.length === 0 ? "Bearer" : `Bearer ${written.join(", ")}`;
}
