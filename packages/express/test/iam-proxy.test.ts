import { once } from "node:events";
import {
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { request as httpsRequest } from "node:https";
import { type AddressInfo, connect, createServer, Socket } from "node:net";
import { text } from "node:stream/consumers";
import { inspect } from "node:util";
import { type Clock, IamError, systemClock } from "@iam/core";
import express, { type Express } from "express";
import express4 from "express-4";
import { createProxyMiddleware, type Options } from "http-proxy-middleware";
import { describe, expect, onTestFinished, test } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { type BearerVerifier, type IamProxyOptions, iamProxy } from "../src/index.ts";
import { emulated } from "./emulated.ts";
import { serving } from "./serving.ts";

const goodToken = "good.caller.token";
const verifier: BearerVerifier = {
  verify: async (token) => {
    if (token === goodToken) return { sub: "caller" };
    throw new Error("bad token");
  },
};

type Settings = Partial<Omit<IamProxyOptions, "verifier" | "allowAnonymous">> & {
  verifier?: BearerVerifier;
  target?: string;
  proxy?: Options;
  make?: () => Express;
  clock?: Clock;
};

/** An API behind a gateway: what it saw is `seen`, what it answers can be set. */
async function gateway({ verifier, target, proxy, make = express, clock, ...rest }: Settings = {}) {
  const iam = await emulated({ clock });
  const seen: {
    method?: string | undefined;
    url?: string | undefined;
    headers: IncomingHttpHeaders;
    body: string;
  }[] = [];
  const api = {
    status: 200,
    headers: {} as Record<string, string>,
    body: "the API's answer",
  };
  const upstream = await serving(async (req, res) => {
    seen.push({ method: req.method, url: req.url, headers: req.headers, body: await text(req) });
    res.writeHead(api.status, api.headers).end(api.body);
  });
  const caller = verifier === undefined ? { allowAnonymous: true as const } : { verifier };
  const guard = iamProxy({ manager: iam.manager, origins: [upstream.url], ...caller, ...rest });
  const proxying = createProxyMiddleware({ target: target ?? upstream.url, on: guard.on, ...proxy });
  const { url, server } = await serving(make().use(guard.middleware, proxying));
  const upgrades = { done: [] as Promise<void>[], passed: 0 };
  server.on("upgrade", (req, socket, head) => {
    const next: typeof proxying.upgrade = (...args) => {
      upgrades.passed++;
      proxying.upgrade(...args);
    };
    upgrades.done.push(guard.upgrade(req, socket, head, next));
  });
  return { ...iam, api, guard, proxying, seen, upstream, url, server, upgrades };
}

/** A request that may carry what fetch forbids. */
async function ask(
  url: string,
  {
    headers = {},
    method = "GET",
    body,
  }: { headers?: Record<string, string>; method?: string; body?: string } = {},
): Promise<{ status: number | undefined; headers: IncomingHttpHeaders; body: string }> {
  const sent = httpRequest(url, { headers, method, agent: false });
  sent.end(body);
  const [answer]: [IncomingMessage] = (await once(sent, "response")) as [IncomingMessage];
  return { status: answer.statusCode, headers: answer.headers, body: await text(answer) };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe.each([
  ["express 5", express],
  ["express 4", express4],
] as [string, () => Express][])("a gateway on %s", (_, make) => {
  test("calls the API with its own token, and keeps the caller's credentials to itself", async () => {
    const { url, seen, manager } = await gateway({ verifier, make });
    const headers = {
      ...bearer(goodToken),
      cookie: "session=1",
      "proxy-authorization": "Basic eDp5",
      "x-other": "kept",
    };
    const answer = await ask(`${url}/path?q=1`, { method: "POST", headers, body: "payload" });
    expect(answer).toMatchObject({ status: 200, body: "the API's answer" });
    const { accessToken } = await manager.getToken();
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ method: "POST", url: "/path?q=1", body: "payload" });
    expect(seen[0]?.headers).toMatchObject({ authorization: `Bearer ${accessToken}`, "x-other": "kept" });
    expect(seen[0]?.headers).not.toHaveProperty("cookie");
    expect(seen[0]?.headers).not.toHaveProperty("proxy-authorization");
  });
});

describe("a caller", () => {
  test.each([
    ["without a token", {}, 401, "Bearer"],
    ["with Basic credentials", { authorization: "Basic eDp5" }, 401, "Bearer"],
    ["with a bad token", bearer("bad"), 401, 'Bearer error="invalid_token"'],
    ["with a malformed token", bearer("two words"), 401, 'Bearer error="invalid_token"'],
    ["with an empty token", { authorization: "Bearer " }, 401, 'Bearer error="invalid_token"'],
  ])("%s is refused, and the API sees nothing", async (_, headers, status, challenge) => {
    const { url, seen, emulator } = await gateway({ verifier });
    const answer = await ask(url, { headers: { ...headers } });
    expect(answer.status).toBe(status);
    expect(answer.headers["www-authenticate"]).toBe(challenge);
    expect(seen).toHaveLength(0);
    expect(emulator.counters.tokenRequests).toBe(0);
  });

  const failing = (error: unknown): BearerVerifier => ({ verify: () => Promise.reject(error) });
  const says = (wwwAuthenticate: string) => Object.assign(new Error("no"), { status: 403, wwwAuthenticate });
  test.each([
    [
      "an error that says how",
      failing(says('Bearer error="insufficient_scope"')),
      403,
      'Bearer error="insufficient_scope"',
    ],
    [
      "an error whose challenge has a line break",
      failing(says("Bearer\r\nx: y")),
      401,
      'Bearer error="invalid_token"',
    ],
    ["claims that are none", { verify: async () => false }, 401, 'Bearer error="invalid_token"'],
    ["undefined", { verify: async () => undefined }, 401, 'Bearer error="invalid_token"'],
    [
      "a failure to judge",
      failing(new IamError("ERR_IAM_BEARER", "no keys", { retryable: true })),
      503,
      undefined,
    ],
  ])("whose verification gives %s is refused accordingly", async (_, refusing, status, challenge) => {
    const { url, seen } = await gateway({ verifier: refusing });
    const answer = await ask(url, { headers: bearer(goodToken) });
    expect(answer.status).toBe(status);
    expect(answer.headers["www-authenticate"]).toBe(challenge);
    expect(seen).toHaveLength(0);
  });

  test("is anybody with allowAnonymous: true", async () => {
    const { url, seen } = await gateway();
    expect((await ask(url, { headers: bearer("whatever") })).status).toBe(200);
    expect(seen[0]?.headers.authorization).not.toContain("whatever");
  });

  test("cannot have the token echoed by TRACE, nor taken off by Connection, nor sent under another host", async () => {
    const { url, seen, upstream } = await gateway();
    expect((await ask(url, { method: "TRACE" })).status).toBe(405);
    expect(seen).toHaveLength(0);
    await ask(url, { headers: { connection: "close, authorization", host: "evil.example.com" } });
    expect(seen[0]?.headers).toMatchObject({ host: new URL(upstream.url).host });
    expect(seen[0]?.headers.connection ?? "").not.toContain("authorization");
    expect(seen[0]?.headers.authorization).toMatch(/^Bearer /);
  });

  test("that wants the connection closed after the answer has it closed", async () => {
    const { url } = await gateway();
    const answer = await ask(url, { headers: { connection: "close" } });
    expect(answer).toMatchObject({ status: 200, headers: { connection: "close" } });
  });

  test("that expects 100-continue is served with the token too", async () => {
    const { url, seen } = await gateway();
    const headers = { expect: "100-continue" };
    expect((await ask(url, { method: "POST", headers, body: "text" })).status).toBe(200);
    expect(seen[0]?.headers.authorization).toMatch(/^Bearer /);
  });

  test("gets 503 with Retry-After when there is no token", async () => {
    const { url, seen, emulator } = await gateway();
    emulator.fault({ kind: "throttle", retryAfter: 17 });
    const answer = await ask(url);
    expect(answer.status).toBe(503);
    expect(Number(answer.headers["retry-after"])).toBeGreaterThan(15);
    expect(seen).toHaveLength(0);
  });
});

/** Bytes to a server, and what comes back until it closes the connection, which it is asked to. */
async function sendRaw(url: string, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1").setEncoding("latin1");
  socket.write(bytes.replaceAll("\n", "\r\n"));
  return text(socket);
}

describe("what is said of one connection", () => {
  test("stays on it: nothing of it reaches the API, nor what Connection names", async () => {
    const { url, seen } = await gateway();
    const hops = {
      "proxy-connection": "keep-alive",
      te: "trailers",
      "keep-alive": "timeout=9",
      "x-hop": "1",
    };
    await ask(url, { headers: { ...hops, connection: "close, X-Hop", "x-kept": "1" } });
    expect(seen[0]?.headers).toMatchObject({ "x-kept": "1" });
    for (const name of Object.keys(hops)) expect(seen[0]?.headers).not.toHaveProperty(name);
  });

  test("takes away neither the length of a body nor what a proxy before us said", async () => {
    const { url, seen } = await gateway();
    const named = "Content-Length, Transfer-Encoding, Host, X-Forwarded-For, Forwarded";
    const smuggled = "GET /smuggled HTTP/1.1\nHost: x\n\n";
    await ask(url, {
      headers: {
        ...{ connection: `close, ${named}`, "x-forwarded-for": "192.0.2.1", forwarded: "for=192.0.2.1" },
        "content-length": `${smuggled.length}`,
      },
      body: smuggled,
    });
    await ask(url);
    expect(seen).toMatchObject([{ url: "/", body: smuggled }, { url: "/" }]);
    expect(seen[0]?.headers).toMatchObject({ "x-forwarded-for": "192.0.2.1", forwarded: "for=192.0.2.1" });
  });

  test("cannot end the process by a Trailer, in a request or in an answer", async () => {
    const { url, seen, api } = await gateway();
    const get = "GET / HTTP/1.1\nHost: x\nConnection: close\n";
    expect(await sendRaw(url, `${get}Trailer: x\n\n`)).toMatch(/^HTTP\/1.1 200 /);
    expect(seen[0]?.headers).not.toHaveProperty("trailer");
    api.headers = { trailer: "x", "transfer-encoding": "chunked" };
    // To HTTP/1.0 there are no chunks, and so no trailers.
    expect(await sendRaw(url, "GET / HTTP/1.0\n\n")).toMatch(/^HTTP\/1.1 200 [\s\S]*the API's answer$/);
  });

  test("is the gateway's own: a caller of HTTP/1.0 gets no chunks, and a connection that ends with the answer", async () => {
    const { url, api } = await gateway();
    api.headers = { "transfer-encoding": "chunked" };
    const answer = await sendRaw(url, "GET / HTTP/1.0\nConnection: keep-alive\n\n");
    expect(answer).toMatch(/^connection: close\r$/im);
    expect(answer).not.toMatch(/^transfer-encoding:/im);
    expect(answer).toMatch(/\r\n\r\nthe API's answer$/);
  });

  test("stays on it: nothing of it reaches the caller, nor what the answer's Connection names", async () => {
    const { url, api } = await gateway();
    const hops = { "keep-alive": "timeout=99", "proxy-connection": "x", "x-hop": "1", upgrade: "h2c" };
    api.headers = { ...hops, connection: "close, x-hop", "x-kept": "1" };
    const { headers } = await ask(url);
    expect(headers).toMatchObject({ "x-kept": "1" });
    for (const name of ["proxy-connection", "x-hop", "upgrade"]) expect(headers).not.toHaveProperty(name);
    expect(headers["keep-alive"]).not.toBe("timeout=99");
  });
});

describe("the path", () => {
  test.each([
    "/api/../admin",
    "/api/%2e%2E/admin",
    "/api/.%2e",
    "/api\\..\\admin",
    "/api/..%2fadmin",
    "/api/..;/admin",
    "/api/x%5c..",
  ])("%s, which leads up, is answered 400, and the API sees nothing", async (path) => {
    const { url, seen } = await gateway();
    const answer = await sendRaw(url, `GET ${path}?x=1 HTTP/1.1\nHost: x\nConnection: close\n\n`);
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(seen).toEqual([]);
  });

  test("with dots that lead nowhere goes on", async () => {
    const { url, seen } = await gateway();
    for (const path of ["/v1..2/...", "/..x/x../.x", "/?to=/../x"]) {
      await sendRaw(url, `GET ${path} HTTP/1.1\nHost: x\nConnection: close\n\n`);
      expect(seen.at(-1)?.url).toBe(path);
    }
  });
});

/** An API that answers these bytes and then, if asked to, breaks the connection. */
async function rawApi(bytes: string, { breaks = false } = {}): Promise<string> {
  const api = createServer((socket) => {
    socket
      .on("error", () => {})
      .once("data", () => {
        socket.write(bytes.replaceAll("\n", "\r\n"), "latin1", () => {
          if (breaks) setImmediate(() => socket.resetAndDestroy());
        });
      });
  }).listen(0, "127.0.0.1");
  await once(api, "listening");
  onTestFinished(() => void api.close());
  return `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
}

describe("an answer of the API", () => {
  test.each([
    ["a status below 100", "HTTP/1.1 099 x\nContent-Length: 0\n\n", 502],
    ["a switch of protocols that nobody asked for", "HTTP/1.1 101 x\nContent-Length: 0\n\n", 502],
    ["a reason phrase with a control character", "HTTP/1.1 200 a\u0001b\nContent-Length: 0\n\n", 200],
  ])("with %s ends in an answer, not the process", async (_, bytes, status) => {
    const target = await rawApi(bytes);
    const { url } = await gateway({ target, origins: [target] });
    expect((await ask(url)).status).toBe(status);
  });

  test.each([
    ["a length", "HTTP/1.1 200 OK\nContent-Length: 100\n\nhalf"],
    ["chunks", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n4\nhalf\n"],
  ])("with %s that breaks off breaks off for the caller too", async (_, bytes) => {
    const target = await rawApi(bytes, { breaks: true });
    const { url } = await gateway({ target, origins: [target] });
    await expect(fetch(url).then((answer) => answer.text())).rejects.toThrow();
  });

  test("keeps from the caller what it says to the service: its cookies and its challenge", async () => {
    const { url, api } = await gateway();
    api.status = 403;
    api.headers = {
      "set-cookie": "session=the-service's",
      "www-authenticate": 'Bearer error="insufficient_scope"',
      "proxy-authentication-info": "x=1",
      "x-kept": "1",
    };
    const { status, headers } = await ask(url);
    expect(status).toBe(403);
    expect(headers).toMatchObject({ "x-kept": "1" });
    for (const name of ["set-cookie", "www-authenticate", "proxy-authentication-info"])
      expect(headers).not.toHaveProperty(name);
  });

  test("leaves its cookies where a proxyRes of one's own can pass on some of them", async () => {
    const { url, api, guard, upstream } = await gateway();
    api.headers = { "set-cookie": "language=de" };
    const proxyRes: typeof guard.on.proxyRes = (answer, req, res) => {
      guard.on.proxyRes(answer, req, res);
      res.setHeader("set-cookie", answer.headersDistinct["set-cookie"] ?? []);
    };
    const proxy = createProxyMiddleware({ target: upstream.url, on: { ...guard.on, proxyRes } });
    const own = await serving(express().use(guard.middleware, proxy));
    expect((await ask(url)).headers).not.toHaveProperty("set-cookie");
    expect((await ask(own.url)).headers["set-cookie"]).toEqual(["language=de"]);
  });
});

describe("a 401 of the API", () => {
  test("replaces the token also where a proxyRes of one's own has taken the place of ours", async () => {
    const own: (number | undefined)[] = [];
    const { guard, upstream, api, emulator, seen } = await gateway();
    const on = { ...guard.on, proxyRes: ({ statusCode }: IncomingMessage) => void own.push(statusCode) };
    const proxying = createProxyMiddleware({ target: upstream.url, on });
    const { url } = await serving(express().use(guard.middleware, proxying));
    api.status = 401;
    api.headers = { "www-authenticate": "Bearer" };
    const answer = await ask(url);
    expect(answer.status).toBe(401);
    expect(answer.headers).not.toHaveProperty("www-authenticate");
    expect(own).toEqual([401]);
    await emulator.until(({ grants }) => grants === 2);
    api.status = 200;
    await ask(url);
    expect(seen[1]?.headers.authorization).not.toBe(seen[0]?.headers.authorization);
  });

  test("is 502 without its challenge, is not replayed, and the next request has a new token", async () => {
    const { url, seen, api, emulator } = await gateway();
    await ask(url);
    api.status = 401;
    api.headers = { "www-authenticate": 'Bearer realm="internal"', "x-internal": "1" };
    const answer = await ask(url, { method: "POST", body: "x".repeat(100_000) });
    expect(answer).toMatchObject({ status: 502, body: "" });
    expect(answer.headers).not.toHaveProperty("www-authenticate");
    expect(answer.headers).not.toHaveProperty("x-internal");
    expect(seen).toHaveLength(2);
    await emulator.until(({ grants }) => grants === 2);
    api.status = 200;
    expect((await ask(url)).status).toBe(200);
    expect(seen[2]?.headers.authorization).not.toBe(seen[1]?.headers.authorization);
  });

  test("every time costs two grants for 21 requests, until the API accepts a token", async () => {
    const { url, api, emulator } = await gateway();
    api.status = 401;
    for (let i = 0; i < 21; i++) expect((await ask(url)).status).toBe(502);
    expect(emulator.counters.grants).toBe(2);
  });

  test("counts anew once the API has accepted a token", async () => {
    let laterMs = 0;
    const monotonicNow = () => systemClock.monotonicNow() + laterMs;
    const { url, api, emulator } = await gateway({ clock: { ...systemClock, monotonicNow } });
    const askWhen = async (status: number) => {
      api.status = status;
      await ask(url);
      await emulator.until(({ tokenRequestsInFlight }) => tokenRequestsInFlight === 0);
    };
    await askWhen(401);
    await emulator.until(({ grants }) => grants === 2);
    // The replacement is refused too: from now on this API's 401s replace nothing, until it accepts a token.
    laterMs = 6000;
    await askWhen(401);
    await askWhen(200);
    await askWhen(401);
    await emulator.until(({ grants }) => grants === 3);
  });

  test("to a request that went without our token is the caller's to see", async () => {
    const { url, api, emulator } = await gateway({
      origins: ["https://api.example.com"],
      otherOrigins: "pass",
    });
    api.status = 401;
    api.headers = { "www-authenticate": "Basic" };
    expect(await ask(url)).toMatchObject({ status: 401, headers: { "www-authenticate": "Basic" } });
    expect(emulator.counters.grants).toBe(1);
  });

  test("to credentials that the proxy's own options set is the caller's to see", async () => {
    const { url, api, seen } = await gateway({ proxy: { headers: { authorization: "Basic b3du" } } });
    api.status = 401;
    expect((await ask(url)).status).toBe(401);
    expect(seen[0]?.headers.authorization).toBe("Basic b3du");
  });
});

describe("the outgoing origin", () => {
  test("that is not allowed gets nothing at all", async () => {
    const { url, seen } = await gateway({ origins: ["https://api.example.com"] });
    expect((await ask(url, { method: "POST", body: "secret" })).status).toBe(500);
    expect(seen).toHaveLength(0);
  });

  test("is judged on each redirect that the proxy follows", async () => {
    const stranger: IncomingHttpHeaders[] = [];
    let back = "";
    const elsewhere = await serving((req, res) => {
      stranger.push(req.headers);
      res.writeHead(302, { location: back }).end();
    });
    const { url, api, seen, upstream } = await gateway({ proxy: { followRedirects: 3 } });
    back = `${upstream.url}/back`;
    api.status = 307;
    api.headers = { location: `${elsewhere.url}/there` };
    await ask(url);
    expect(stranger[0]).toBeDefined();
    for (const headers of stranger) expect(headers).not.toHaveProperty("authorization");
    // The way back was chosen by an origin that may not have the token.
    expect(seen[1]?.headers).not.toHaveProperty("authorization");
  });

  test("of a redirect on the same origin gets the token again", async () => {
    const { url, api, seen, upstream } = await gateway({ proxy: { followRedirects: 1 } });
    api.status = 307;
    api.headers = { location: `${upstream.url}/next` };
    await ask(url);
    expect(seen).toMatchObject([{ url: "/" }, { url: "/next" }]);
    expect(seen[1]?.headers.authorization).toBe(seen[0]?.headers.authorization);
  });

  test("over https is not asked under a host name that the caller chose", async () => {
    const { port } = await serving(() => {});
    const { guard } = await gateway({ origins: [`https://127.0.0.1:${port}`] });
    const sentAs = async (host: string) => {
      const incoming = { method: "GET", headers: {} } as IncomingMessage;
      await new Promise<void>((resolve) => guard.middleware(incoming, {} as ServerResponse, () => resolve()));
      let reason: unknown;
      const outgoing = httpsRequest({ host: "127.0.0.1", port, headers: { host } }).on("error", (error) => {
        reason = error;
      });
      guard.on.proxyReqWs(outgoing, incoming, outgoing.socket ?? new Socket(), { target: { port } });
      const authorized = outgoing.hasHeader("authorization");
      const closed = new Promise((resolve) => outgoing.on("close", resolve));
      outgoing.destroy(new Error("enough"));
      await closed;
      return { authorized, reason };
    };
    expect(await sentAs(`127.0.0.1:${port}`)).toMatchObject({
      authorized: true,
      reason: { message: "enough" },
    });
    expect(await sentAs("other.example.com")).toMatchObject({
      authorized: false,
      reason: { code: "ERR_IAM_CONFIG", message: expect.stringContaining("changeOrigin: true") },
    });
  });
});

describe("the proxy used without its guard", () => {
  test("sends nothing when the middleware was forgotten", async () => {
    const { upstream, seen, guard } = await gateway();
    const bare = await serving(express().use(createProxyMiddleware({ target: upstream.url, on: guard.on })));
    expect((await ask(bare.url, { headers: bearer("callers") })).status).toBe(500);
    expect(seen).toHaveLength(0);
  });
});

/** A WebSocket API behind a gateway, which counts every byte and keeps the headers that it was asked with. */
async function webSocketGateway(settings: Settings = {}) {
  const sockets = new WebSocketServer({ noServer: true });
  const handshakes: IncomingHttpHeaders[] = [];
  const api = { status: 101, bytes: 0 };
  const upstream = await serving((_req, res) => void res.writeHead(426).end());
  upstream.server.on("connection", (socket) => {
    // The parser takes over the data, so what was read is asked for when the connection ends.
    socket.on("close", () => {
      api.bytes += socket.bytesRead;
    });
  });
  upstream.server.on("upgrade", (req, socket, head) => {
    handshakes.push(req.headers);
    if (api.status !== 101) {
      const challenge = 'WWW-Authenticate: Bearer realm="internal"\r\nConnection: close\r\n';
      socket.end(`HTTP/1.1 ${api.status} Refused\r\n${challenge}Content-Length: 0\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(req, socket, head, (client) => {
      client.on("message", (data) => client.send(`echo ${data}`));
    });
  });
  onTestFinished(() => {
    for (const client of sockets.clients) client.terminate();
  });
  const made = await gateway({ origins: [upstream.url], target: upstream.url, ...settings });
  return { ...made, wsUrl: made.url.replace("http", "ws"), handshakes, wsApi: api, wsUpstream: upstream };
}

/** What a WebSocket client gets: an open socket, or the answer that refused it. */
async function open(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; socket: WebSocket; headers: IncomingHttpHeaders }> {
  const socket = new WebSocket(url, { headers });
  onTestFinished(() => socket.terminate());
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("unexpected-response", (_request, answer) => {
      answer.resume();
      resolve({ status: answer.statusCode ?? 0, socket, headers: answer.headers });
    });
    socket.on("open", () => resolve({ status: 101, socket, headers: {} }));
  });
}

describe("a WebSocket", () => {
  test("is opened with the service's token, and carries messages both ways", async () => {
    const { wsUrl, handshakes, manager } = await webSocketGateway({ verifier });
    const { status, socket } = await open(wsUrl, { ...bearer(goodToken), cookie: "session=1" });
    expect(status).toBe(101);
    socket.send("hello");
    const [data] = await once(socket, "message");
    expect(String(data)).toBe("echo hello");
    const { accessToken } = await manager.getToken();
    expect(handshakes).toMatchObject([{ authorization: `Bearer ${accessToken}` }]);
    expect(handshakes[0]).not.toHaveProperty("cookie");
  });

  test("of nobody known gets 401 before the target sees a byte", async () => {
    const { wsUrl, wsApi, wsUpstream, handshakes, emulator } = await webSocketGateway({ verifier });
    let connections = 0;
    wsUpstream.server.on("connection", () => connections++);
    const anonymous = await open(wsUrl);
    expect(anonymous).toMatchObject({ status: 401, headers: { "www-authenticate": "Bearer" } });
    expect(await open(wsUrl, bearer("bad"))).toMatchObject({ status: 401 });
    expect({ connections, handshakes, bytes: wsApi.bytes }).toEqual({
      connections: 0,
      handshakes: [],
      bytes: 0,
    });
    expect(emulator.counters.tokenRequests).toBe(0);
  });

  test("that the proxy takes by itself, past the guard, sends the target nothing", async () => {
    const { wsUpstream, guard, handshakes, wsApi } = await webSocketGateway();
    const proxying = createProxyMiddleware({ target: wsUpstream.url, on: guard.on });
    const { server, url } = await serving(() => {});
    server.on("upgrade", (req, socket, head) => proxying.upgrade(req, socket as Socket, head));
    await expect(open(url.replace("http", "ws"))).rejects.toThrow();
    expect(handshakes).toEqual([]);
    expect(wsApi.bytes).toBe(0);
  });

  test("is not opened by an ordinary request, which is answered", async () => {
    const { url, server, handshakes } = await webSocketGateway();
    // With no listener for upgrades, Node takes every request for an ordinary one.
    for (const connection of ["keep-alive", "Upgrade"]) {
      if (connection === "Upgrade") server.removeAllListeners("upgrade");
      expect((await ask(url, { headers: { connection, upgrade: "websocket" } })).status).toBe(426);
    }
    expect(handshakes).toEqual([]);
  });

  test("that the API refuses with 401 gets 502 without the challenge, and the token is replaced", async () => {
    const { wsUrl, wsApi, handshakes, emulator } = await webSocketGateway();
    wsApi.status = 401;
    const { status, headers } = await open(wsUrl);
    expect(status).toBe(502);
    expect(headers).not.toHaveProperty("www-authenticate");
    await emulator.until(({ grants }) => grants === 2);
    wsApi.status = 101;
    expect((await open(wsUrl)).status).toBe(101);
    expect(handshakes[1]?.authorization).not.toBe(handshakes[0]?.authorization);
  });

  test("is opened without a body, and without the API's cookies", async () => {
    const { url, wsUpstream, handshakes } = await webSocketGateway();
    wsUpstream.server.removeAllListeners("upgrade").on("upgrade", (req, socket) => {
      handshakes.push(req.headers);
      const cookie = "Set-Cookie: session=1\r\n";
      socket.end(`HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${cookie}\r\n`);
    });
    const head = "GET / HTTP/1.1\nHost: x\nConnection: Upgrade\nUpgrade: websocket\n";
    const answer = await sendRaw(url, `${head}Content-Length: 4\n\nbody`);
    expect(answer).toMatch(/^HTTP\/1.1 101 /);
    expect(answer).not.toMatch(/cookie/i);
    expect(handshakes[0]).not.toHaveProperty("content-length");
  });

  test("that the API refuses otherwise gets that answer", async () => {
    const { wsUrl, wsApi } = await webSocketGateway();
    wsApi.status = 403;
    expect((await open(wsUrl)).status).toBe(403);
  });

  test("gets 503 with Retry-After when there is no token", async () => {
    const { wsUrl, emulator, handshakes } = await webSocketGateway();
    emulator.fault({ kind: "throttle", retryAfter: 17 });
    const { status, headers } = await open(wsUrl);
    expect(status).toBe(503);
    expect(Number(headers["retry-after"])).toBeGreaterThan(15);
    expect(handshakes).toEqual([]);
  });

  test("whose client goes away during the wait for a token ends there, and harms nothing", async () => {
    const { server, emulator, upgrades } = await webSocketGateway();
    let release = () => {};
    const until = new Promise<void>((resolve) => {
      release = resolve;
    });
    emulator.fault({ kind: "hold", until });
    const { port } = server.address() as AddressInfo;
    const upgraded = once(server, "upgrade");
    const client = connect(port, "127.0.0.1");
    const head = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    client.write(`${head}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`);
    const [, socket] = await upgraded;
    await emulator.until(({ tokenRequests }) => tokenRequests === 1);
    // Not with events.once, which would listen for the error that nobody else listens for.
    const closed = new Promise((resolve) => socket.on("close", resolve));
    client.resetAndDestroy();
    socket.resume();
    await closed;
    release();
    await Promise.all(upgrades.done);
    expect(upgrades).toMatchObject({ done: [expect.anything()], passed: 0 });
  });
});

test("no token is to be found in what the proxy's events and errors show", async () => {
  const shown: string[] = [];
  const show = (...things: unknown[]) => {
    shown.push(inspect(things, { depth: Infinity, showHidden: true, getters: true }));
  };
  const { url, guard, manager, upstream, api } = await gateway();
  const on = { ...guard.on, error: show };
  const proxying = createProxyMiddleware({
    target: upstream.url,
    on,
    logger: { info: show, warn: show, error: show },
  });
  const app = express().use(guard.middleware, (req, res, next) => {
    show(req, res.locals);
    proxying(req, res, next);
  });
  const logging = await serving(app);
  await ask(logging.url);
  const tokens = [(await manager.getToken()).accessToken];
  api.status = 401;
  await ask(logging.url);
  await ask(url);
  tokens.push((await manager.getToken()).accessToken);
  expect(new Set(tokens).size).toBe(2);
  expect(shown.length).toBeGreaterThan(2);
  for (const token of tokens) expect(shown.join()).not.toContain(token);
});

describe("bad input", () => {
  test.each([
    ["neither verifier nor allowAnonymous", {}],
    ["allowAnonymous that is only truthy", { allowAnonymous: "yes" }],
    ["a verifier that is none", { verifier: {} }],
    ["both", { verifier, allowAnonymous: true }],
  ])("%s is an error at registration", async (_, who) => {
    const { manager } = await emulated();
    const options = { manager, ...who } as unknown as IamProxyOptions;
    expect(() => iamProxy(options)).toThrow(
      expect.objectContaining({
        code: "ERR_IAM_CONFIG",
        message: expect.stringContaining("allowAnonymous: true"),
      }),
    );
  });

  test("no manager is an error at registration", () => {
    expect(() => iamProxy({ allowAnonymous: true } as unknown as IamProxyOptions)).toThrow(
      expect.objectContaining({ code: "ERR_IAM_CONFIG", message: expect.stringContaining("iamProxy") }),
    );
    expect(() => iamProxy(undefined as unknown as IamProxyOptions)).toThrow(
      expect.objectContaining({ code: "ERR_IAM_CONFIG" }),
    );
  });
});
