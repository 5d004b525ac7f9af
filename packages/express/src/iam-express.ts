import type { IncomingMessage, ServerResponse } from "node:http";
import {
  authorizedFetch,
  type GetTokenOptions,
  IamError,
  type OriginOptions,
  requireTokenManager,
  type Token,
  type TokenManager,
} from "@iam/core";
import { tokenUnavailable } from "./token-unavailable.ts";

type Fetch = typeof globalThis.fetch;

/** What {@link iamExpress} gives a request. */
export interface IamRequest {
  /** A fetch that attaches the token; aborted when the client goes away before it has its response. */
  readonly fetch: typeof globalThis.fetch;
  /** A token, for clients other than fetch; the wait ends when the client goes away. */
  readonly getToken: (options?: GetTokenOptions) => Promise<Token>;
}

declare global {
  namespace Express {
    interface Request {
      /** From `iamExpress`. */
      iam: IamRequest;
    }
  }
}

/** Options of {@link iamExpress}. */
export interface IamExpressOptions extends OriginOptions {
  /** From `createTokenManager`. */
  manager: TokenManager;
  /** Whether handlers run before there is a token. Default: false, so that a failure to get one is answered 503. */
  lazy?: boolean | undefined;
  /** The fetch to send with. Default: `globalThis.fetch`, looked up for each request, so that patches apply. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Whether a request that was answered 401 may be sent once more with another token. Default: true. */
  replay?: boolean | undefined;
}

/** Middleware for Express, and for whatever else calls with the request, the response and `next`. */
export type IamMiddleware = (
  req: IncomingMessage,
  res: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Middleware that gives each request `req.iam`: a fetch with a bearer token for the calls that its handler makes.
 *
 * Before the handler runs there is a token, unless `lazy`. When there is none to be had, the error goes to `next` with
 * `status` 503 and a `Retry-After` among its `headers`, as Express' own error handler takes them.
 *
 * Errors: `ERR_IAM_CONFIG` for options that cannot work. `req.iam.fetch` fails with `ERR_IAM_ORIGIN_NOT_ALLOWED`, with what
 * `manager.getToken` fails with, as 503, and with the errors of the fetch below. A final 401 is an ordinary response.
 * Source: RFC 6750 section 2.1; RFC 9110 section 15.6.4.
 *
 * @example
 * ```ts
 * import { apiKeyGrant, createTokenManager } from "@iam/core";
 * import { iamExpress } from "@iam/express";
 * import express from "express";
 * const manager = createTokenManager({ grant: apiKeyGrant("the-api-key") });
 * export const app = express();
 * app.use(iamExpress({ manager }));
 * app.get("/instances", async (req, res) => {
 *   const answer = await req.iam.fetch("https://resource-controller.cloud.ibm.com/v2/resource_instances");
 *   res.status(answer.status).send(await answer.text());
 * });
 * ```
 */
export function iamExpress(options: IamExpressOptions): IamMiddleware {
  const { lazy = false, ...rest } = options ?? {};
  const manager = requireTokenManager(options?.manager, "iamExpress");
  if (typeof lazy !== "boolean")
    throw new IamError("ERR_IAM_CONFIG", "lazy of iamExpress must be true or false.");
  const fetch = authorizedFetch({ ...rest, manager, name: "iamExpress" });
  return (req, res, next) => {
    Object.assign(req, { iam: iamRequest({ manager, fetch, res }) });
    if (lazy || manager.peek() !== undefined) return next();
    manager.getToken().then(
      () => next(),
      (error) => next(tokenUnavailable(error)),
    );
  };
}

function iamRequest({
  manager,
  fetch,
  res,
}: {
  manager: TokenManager;
  fetch: Fetch;
  res: ServerResponse;
}): IamRequest {
  let gone: AbortSignal | undefined;
  /** Aborted as soon as the client has gone, and by the caller's own signal. */
  const signalWith = (own: AbortSignal | null | undefined): AbortSignal => {
    gone ??= clientGone(res);
    return own ? AbortSignal.any([own, gone]) : gone;
  };
  return Object.freeze<IamRequest>({
    fetch: async (input, init) => {
      const signal = signalWith(init?.signal === undefined ? signalOf(input) : init.signal);
      try {
        // A Request as the second argument is read by its getters, which a spread does not see.
        if (init instanceof Request) return await fetch(new Request(input, init), { signal });
        return await fetch(input, { ...init, signal });
      } catch (error) {
        throw tokenUnavailable(error);
      }
    },
    getToken: async (options) => {
      try {
        return await manager.getToken({ ...options, signal: signalWith(options?.signal) });
      } catch (error) {
        throw tokenUnavailable(error);
      }
    },
  });
}

function signalOf(input: RequestInfo | URL): AbortSignal | undefined {
  return typeof input === "object" && "signal" in input ? input.signal : undefined;
}

/** The response, not the request: that one closes as soon as its body has been read. */
function clientGone(res: ServerResponse): AbortSignal {
  const controller = new AbortController();
  const check = () => {
    if (res.writableFinished) return;
    controller.abort(
      new DOMException("The client went away before it had the whole response.", "AbortError"),
    );
  };
  if (res.destroyed) check();
  else res.once("close", check);
  return controller.signal;
}
