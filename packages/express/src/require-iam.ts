import type { IncomingMessage, ServerResponse } from "node:http";
import { BearerError, conceal, IamError, requireKnownOptions } from "@iam/core";
import { type BearerVerifier, type Caller, checkCaller, isVerifier, noToken, refusalOf } from "./caller.ts";
import type { IamMiddleware } from "./iam-express.ts";

/** Claims of a caller's token, as IAM writes them; what a verifier of your own gives may have others. */
export interface CallerClaims {
  readonly iss?: string;
  /** An e-mail address for users, which can change owners: tell identities by `iam_id`. */
  readonly sub?: string;
  /** The identity: `IBMid-…`, `iam-ServiceId-…`, `iam-Profile-…`. */
  readonly iam_id?: string;
  readonly sub_type?: string;
  readonly account?: { readonly bss?: string; readonly valid?: boolean; readonly frozen?: boolean };
  readonly scope?: string;
  /** Epoch seconds. */
  readonly iat?: number;
  /** Epoch seconds. */
  readonly exp?: number;
  readonly [claim: string]: unknown;
}

/** What {@link requireIam} gives a request, in the shape that express-oauth2-jwt-bearer gives it. */
export interface IamAuth {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: CallerClaims;
  /** Read it by name; it is shown nowhere. */
  readonly token: string;
}

declare global {
  namespace Express {
    interface Request {
      /** From `requireIam`; undefined where the token is optional and there is none. */
      auth?: IamAuth | undefined;
    }
  }
}

/** Options of {@link requireIam}. */
export interface RequireIamOptions {
  /** From `createVerifier` of `@iam/verify`. */
  verifier: BearerVerifier;
  /** Account ids that are let in; others get 403. Default: those that the verifier lets pass. */
  accounts?: readonly string[] | undefined;
  /** Identities that are let in, by `iam_id`; others get 403. Default: all. */
  identities?: readonly string[] | undefined;
  /** Scopes that a token must have, all of them; others get 403. Default: none. */
  scopes?: readonly string[] | undefined;
  /** Whether a request without a token passes too, without `req.auth`. One with a bad token does not. Default: false. */
  optional?: boolean | undefined;
}

/**
 * Middleware that lets in those who show a good bearer token, and gives handlers `req.auth`.
 *
 * Who is not let in goes to `next` as a `BearerError`, which Express answers with its `status` and `headers`: 401 without
 * details for no token, 401 `invalid_token`, 403 `insufficient_scope`, 400 `invalid_request` for a token in a second place
 * or in the URL. `WWW-Authenticate` is set already, for error handlers that do not look at `headers`. When the token cannot be
 * judged, because keys cannot be had, `next` gets an error with status 503 and `Retry-After`.
 *
 * Errors: `ERR_IAM_CONFIG` for options that cannot work.
 * Source: RFC 6750.
 *
 * @example
 * ```ts
 * import { type BearerVerifier, requireIam } from "@iam/express";
 * import express from "express";
 * export function app(verifier: BearerVerifier) {
 *   const api = express().use(requireIam({ verifier, identities: ["iam-ServiceId-0b1e"] }));
 *   api.get("/me", (req, res) => {
 *     res.json({ iam_id: req.auth?.payload.iam_id });
 *   });
 *   return api;
 * }
 * ```
 */
export function requireIam(options: RequireIamOptions): IamMiddleware {
  const { verifier, optional = false } = options ?? {};
  if (!isVerifier(verifier))
    throw config("requireIam needs a verifier, such as { verifier: createVerifier() } of @iam/verify.");
  // With one misspelled, and with a text such as "false", somebody would be let in who should stay out.
  requireKnownOptions("requireIam", options, {
    verifier: true,
    accounts: true,
    identities: true,
    scopes: true,
    optional: true,
  });
  if (typeof optional !== "boolean") throw config("optional of requireIam must be true or false.");
  const accounts = listOf(options.accounts, "accounts");
  const identities = listOf(options.identities, "identities");
  const scopes = listOf(options.scopes, "scopes");
  /** By the claims, which a verifier with a memory gives again for the same token: making one takes as long as the rest. */
  const auths = new WeakMap<object, IamAuth>();

  function authOf({ token, claims }: Caller): IamAuth {
    const known = auths.get(claims);
    if (known?.token === token) return known;
    const auth: IamAuth = conceal({ header: headerOf(token), payload: claims as CallerClaims }, { token });
    auths.set(claims, auth);
    return auth;
  }

  async function admit(req: IncomingMessage): Promise<IamAuth | undefined> {
    const caller = await checkCaller(verifier, req);
    if (caller === undefined) {
      if (optional) return undefined;
      throw noToken();
    }
    const auth = authOf(caller);
    const { account, iam_id, scope } = auth.payload;
    if (accounts && !has(accounts, account?.bss))
      throw forbidden("account", "its account is not let in here");
    if (identities && !has(identities, iam_id))
      throw forbidden("identity", "its identity is not let in here");
    const granted = typeof scope === "string" ? scope.split(" ") : [];
    if (scopes && !scopes.every((wanted) => granted.includes(wanted)))
      throw forbidden("scope", "it lacks a scope", scopes.join(" "));
    return auth;
  }

  return (req, res, next) => {
    admit(req).then(
      (auth) => {
        Object.assign(req, { auth });
        next();
      },
      (error) => {
        challenge(res, error);
        next(error);
      },
    );
  };
}

/** The header of a JWT; nothing for a token of another kind, which a verifier of one's own may take. */
function headerOf(token: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(Buffer.from(token.split(".", 1)[0] ?? "", "base64url").toString()));
  } catch {
    return {};
  }
}

function challenge(res: ServerResponse, error: unknown): void {
  const refusal = refusalOf(error);
  if (refusal !== undefined && !res.headersSent) res.setHeader("WWW-Authenticate", refusal.wwwAuthenticate);
}

function has(list: readonly string[], value: unknown): boolean {
  return typeof value === "string" && list.includes(value);
}

function forbidden(reason: string, what: string, scope?: string): BearerError {
  return new BearerError(`The token is good, but ${what}.`, { reason, error: "insufficient_scope", scope });
}

function listOf(value: readonly string[] | undefined, name: string): readonly string[] | undefined {
  if (value === undefined) return undefined;
  // An empty list lets in nobody, or everybody: it is not to be guessed which was meant.
  if (!Array.isArray(value) || value.length === 0 || !value.every((text) => typeof text === "string" && text))
    throw config(`${name} must be a list of at least one text; leave it out for no limit.`);
  return [...value];
}

function config(message: string): IamError {
  return new IamError("ERR_IAM_CONFIG", message);
}
