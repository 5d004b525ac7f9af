import { type ClientRequest, type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import {
  IamError,
  type OriginOptions,
  originRules,
  requireTokenManager,
  type Token,
  type TokenManager,
} from "@iam/core";
import { type BearerVerifier, isVerifier, type Refusal, refusalFor } from "./caller.ts";
import { setAnswer, setConnection } from "./connection-headers.ts";
import type { IamMiddleware } from "./iam-express.ts";
import { type OutgoingOptions, outgoingUrl, redirectedUrl } from "./outgoing-url.ts";
import { isUnavailable, tokenUnavailable } from "./token-unavailable.ts";

interface ProxyOptions extends OriginOptions {
  /** From `createTokenManager`. */
  manager: TokenManager;
}

/** Options of {@link iamProxy}: who may call has to be said. */
export type IamProxyOptions = ProxyOptions &
  (
    | {
        /** Checks the bearer token of each caller. */
        verifier: BearerVerifier;
        allowAnonymous?: false | undefined;
      }
    | {
        /** Lets anybody call with the rights of this service, because something in front of it checks. */
        allowAnonymous: true;
        verifier?: undefined;
      }
  );

/** What {@link iamProxy} gives to put around `createProxyMiddleware` of http-proxy-middleware. */
export interface IamProxy {
  /** To be used before the proxy: checks the caller, and waits for a token. */
  readonly middleware: IamMiddleware;
  /**
   * The same for upgrades to WebSocket, which pass Express by; `next`, the proxy's own `upgrade`, is called for those that
   * may go on.
   */
  readonly upgrade: (
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    next: (req: IncomingMessage, socket: Socket, head: Buffer) => void,
  ) => Promise<void>;
  /**
   * The option `on` of `createProxyMiddleware`. A handler of your own takes the place of ours: call ours first in it. After
   * `proxyRes` the 401 of the API has been answered when `res.headersSent`.
   */
  readonly on: {
    readonly proxyReq: (
      outgoing: ClientRequest,
      req: IncomingMessage,
      res: ServerResponse,
      options: OutgoingOptions,
    ) => void;
    readonly proxyReqWs: (
      outgoing: ClientRequest,
      req: IncomingMessage,
      socket: Duplex,
      options: OutgoingOptions,
    ) => void;
    readonly proxyRes: (answer: IncomingMessage, req: IncomingMessage, res: ServerResponse) => void;
  };
}

/** An incoming request that was let in. */
interface Passage {
  /** Waited for before the proxy was called, whose events cannot wait. */
  readonly token: Token;
  hops: number;
  /** A redirect came from an origin that may not have the token: it must not choose what is sent with one. */
  strayed: boolean;
  /** What the last hop was sent with; undefined when it was sent without a token. */
  sent: { readonly token: Token; readonly origin: string } | undefined;
  /** Whether the API has refused our token. */
  refused: boolean;
}

/** Credentials are the caller's own; `Expect` mutes the proxy's events. */
const removed = ["authorization", "cookie", "proxy-authorization", "expect"];
/** What an API says to this service, whose token it was asked with: its challenge, and a session of its own. */
const notForCallers = [
  "www-authenticate",
  "proxy-authenticate",
  "authentication-info",
  "proxy-authentication-info",
  "set-cookie",
  "set-cookie2",
];
/** A segment that leads up, in any spelling that some server reads: out of the path that the target is confined to. */
const leadsUp = /(^|[\\/]|%2f|%5c)(\.|%2e){2}([\\/;#]|%2f|%5c|$)/i;

/**
 * A gateway that calls an API with this service's token on behalf of those whom it lets in, with http-proxy-middleware 4.
 *
 * What a caller sends as `Authorization`, `Cookie` or `Proxy-Authorization` stays here, and so do the API's own challenge and
 * cookies, which are for this service. The token is set on the outgoing request only, after its origin was judged. A 401 of the
 * API replaces the token in the background and is answered 502; nothing is replayed. A path that leads up (`..`) is answered 400.
 *
 * Errors: `ERR_IAM_CONFIG` for options that cannot work, and when neither `verifier` nor `allowAnonymous: true` is given.
 * Source: RFC 6750; RFC 9110 sections 7.6.1 and 15.6.3.
 *
 * @example
 * ```ts
 * import type { TokenManager } from "@iam/core";
 * import { type BearerVerifier, iamProxy } from "@iam/express";
 * import express from "express";
 * import { createProxyMiddleware } from "http-proxy-middleware";
 * export function gateway(manager: TokenManager, verifier: BearerVerifier) {
 *   const iam = iamProxy({ manager, verifier });
 *   const proxy = createProxyMiddleware({ target: "https://api.us-south.cloud.ibm.com", changeOrigin: true, on: iam.on });
 *   const server = express().use(iam.middleware, proxy).listen(3000);
 *   server.on("upgrade", (req, socket, head) => iam.upgrade(req, socket, head, proxy.upgrade));
 * }
 * ```
 */
export function iamProxy(options: IamProxyOptions): IamProxy {
  const manager = requireTokenManager(options?.manager, "iamProxy");
  const verifier = requireVerifier(options);
  const rules = originRules(options);
  const passages = new WeakMap<IncomingMessage, Passage>();

  async function admit(req: IncomingMessage, upgrades: boolean): Promise<Refusal | undefined> {
    if (passages.has(req)) return undefined;
    // Answered with the request as it arrived, the token included.
    if (req.method === "TRACE")
      return { status: 405, headers: { Allow: "GET, HEAD, POST, PUT, PATCH, DELETE" } };
    if (leadsUp.test(req.url?.split("?", 1)[0] ?? "")) return { status: 400, headers: {} };
    const refusal = verifier && (await refusalFor(verifier, req));
    if (refusal !== undefined) return refusal;
    const token = manager.peek() ?? (await manager.getToken());
    passages.set(req, { token, hops: 0, strayed: false, sent: undefined, refused: false });
    for (const name of removed) delete req.headers[name];
    setConnection(req, upgrades);
    return undefined;
  }

  /** Whether the request goes on; it is destroyed, with nothing sent, when it must not. */
  function attach(
    outgoing: ClientRequest,
    req: IncomingMessage,
    options: OutgoingOptions,
  ): Passage | undefined {
    try {
      const passage = passages.get(req);
      if (passage === undefined) throw notAdmitted();
      passage.sent = undefined;
      const redirected = passage.hops++ > 0;
      const url = redirected ? redirectedUrl(outgoing) : outgoingUrl(outgoing, options);
      const { allowed } = redirected
        ? rules.judge(url ?? "", { mayPass: url !== undefined })
        : rules.judge(url ?? "");
      if (!allowed) passage.strayed = true;
      // One that the proxy's own options set is meant to be there.
      if (url === undefined || passage.strayed || outgoing.hasHeader("authorization")) return passage;
      const token = manager.peek() ?? passage.token;
      requireOwnHost(outgoing, url);
      // The host that was judged is the host that is asked: behind a shared front the caller's could lead elsewhere.
      outgoing.setHeader("host", url.host);
      outgoing.setHeader("authorization", `Bearer ${token.accessToken}`);
      passage.sent = { token, origin: url.origin };
      return passage;
    } catch (error) {
      outgoing.destroy(error instanceof Error ? error : new Error("The request could not be authorized."));
      return undefined;
    }
  }

  /** Hears whether our token was refused, which is then replaced for the requests to come; keeps to us what was said to us. */
  function hear(passage: Passage, { statusCode, headers }: IncomingMessage): void {
    const { sent } = passage;
    if (sent === undefined) return;
    for (const name of notForCallers) delete headers[name];
    passage.refused = statusCode === 401;
    if (passage.refused) manager.getToken({ rejected: sent.token, origin: sent.origin }).catch(() => {});
    else manager.accepted(sent.token, sent.origin);
  }

  /** Authorizes a request, and hears its answer before the proxy does, whoever else listens to the proxy's events. */
  function accompany(...[outgoing, req, options]: Parameters<typeof attach>): Passage | undefined {
    const passage = attach(outgoing, req, options);
    if (passage === undefined) return undefined;
    outgoing.prependOnceListener("response", (answered) => {
      setAnswer(answered);
      hear(passage, answered);
    });
    return passage;
  }

  return {
    middleware(req, res, next) {
      admit(req, false).then(
        (refusal) => (refusal === undefined ? next() : answer(res, refusal)),
        (error) => next(tokenUnavailable(error)),
      );
    },

    async upgrade(req, socket, head, next) {
      // Without a listener an error of the socket while we wait would end the process.
      const ignore = () => {};
      socket.on("error", ignore);
      const refusal = await admit(req, true).catch(unavailable);
      if (socket.destroyed) return;
      if (refusal !== undefined) return answerRaw(socket, refusal);
      // Node's types leave open what kind of stream it is; its HTTP servers have sockets only.
      next(req, socket as Socket, head);
      socket.off("error", ignore);
    },

    on: {
      proxyReq(outgoing, req, res, options) {
        if (accompany(outgoing, req, options) === undefined) return;
        // The proxy would end an answer that broke off as if it were whole, and keep the connection for another one.
        outgoing.prependOnceListener("error", () => {
          if (res.headersSent) res.destroy();
        });
      },

      proxyReqWs(outgoing, req, socket, options) {
        const passage = accompany(outgoing, req, options);
        if (passage === undefined) return;
        outgoing.once("upgrade", (answered) => hear(passage, answered));
        // Comes before the proxy's own listener, which passes the answer on to a socket that can still be written to.
        outgoing.once("response", () => {
          if (passage.refused) answerRaw(socket, badGateway);
        });
      },

      proxyRes(incoming, req, res) {
        if (!passages.get(req)?.refused) return;
        incoming.on("error", () => {}).resume();
        answer(res, badGateway);
      },
    },
  };
}

const badGateway: Refusal = { status: 502, headers: {} };

function requireVerifier(options: IamProxyOptions): BearerVerifier | undefined {
  const { verifier, allowAnonymous }: { verifier?: unknown; allowAnonymous?: unknown } = options;
  if (verifier === undefined && allowAnonymous === true) return undefined;
  if (isVerifier(verifier) && allowAnonymous !== true) return verifier;
  throw new IamError(
    "ERR_IAM_CONFIG",
    "iamProxy lends this service's rights to whoever calls it. Give it a verifier, an object with verify(token), or " +
      "allowAnonymous: true if something in front of it checks the callers; not both.",
  );
}

/** Node checks a certificate against `Host`, which is the caller's unless the proxy is told to change it. */
function requireOwnHost(outgoing: ClientRequest, url: URL): void {
  const host = `https://${outgoing.getHeader("host")}`;
  if (url.protocol === "http:" || (URL.canParse(host) && new URL(host).host === url.host)) return;
  throw new IamError(
    "ERR_IAM_CONFIG",
    `iamProxy sends no token to ${url.origin} under a host name that the caller chose: set changeOrigin: true.`,
  );
}

function notAdmitted(): IamError {
  return new IamError(
    "ERR_IAM_CONFIG",
    "iamProxy has not let this request in. Use its middleware before the proxy, and its upgrade for WebSockets: " +
      "server.on('upgrade', …), without the proxy's option ws.",
  );
}

function unavailable(error: unknown): Refusal {
  const known = tokenUnavailable(error);
  return isUnavailable(known)
    ? { status: known.status, headers: known.headers }
    : { status: 500, headers: {} };
}

function answer(res: ServerResponse, { status, headers }: Refusal): void {
  if (res.headersSent) res.destroy();
  else res.writeHead(status, { ...headers, "Content-Length": "0" }).end();
}

function answerRaw(socket: Duplex, { status, headers }: Refusal): void {
  const lines = Object.entries({ ...headers, Connection: "close", "Content-Length": "0" });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.once("finish", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${head}\r\n`);
}
