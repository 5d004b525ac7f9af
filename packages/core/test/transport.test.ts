import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { createContext, runInContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { IamError } from "../src/errors.ts";
import { buildTokenRequest, type TokenRequest } from "../src/token-request.ts";
import { parseTokenErrorResponse } from "../src/token-response.ts";
import { fetchTransport, type TokenTransport, unreachable } from "../src/transport.ts";
import { rejectionOf } from "./thrown.ts";

const key = "Qw3-canary-key-0123456789abcdef";
const mebibyte = 1_048_576;

afterEach(() => {
  vi.unstubAllGlobals();
});

/** A real server on loopback for one test. */
async function serving(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const requestTo = (origin: string): TokenRequest =>
  buildTokenRequest({
    tokenEndpoint: `${origin}/identity/token`,
    form: { grant_type: "urn:ibm:params:oauth:grant-type:apikey", apikey: key },
  });

const patient = () => ({ signal: new AbortController().signal });
const ask = (origin: string, transport: TokenTransport = fetchTransport()) =>
  transport(requestTo(origin), patient());

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const part of request) text += String(part);
  return text;
}

function unreachableWith(code: string) {
  return {
    code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE",
    retryable: true,
    message: expect.stringContaining(code),
  };
}

describe("the transport over fetch", () => {
  test("sends the request as it was built and brings the answer back", async () => {
    const seen: { method?: string; url?: string; headers?: IncomingMessage["headers"]; body?: string } = {};
    const origin = await serving(async (request, response) => {
      Object.assign(seen, { method: request.method, url: request.url, headers: request.headers });
      seen.body = await bodyOf(request);
      response.setHeader("date", "Sun, 06 Nov 1994 08:49:37 GMT");
      response.setHeader("retry-after", "7");
      response.setHeader("transaction-id", "t-1");
      response.writeHead(200, { "content-type": "application/json" }).end('{"access_token":"tökén"}');
    });
    const answer = await ask(origin);
    expect(seen).toMatchObject({ method: "POST", url: "/identity/token" });
    expect(seen.headers).toMatchObject({
      accept: "application/json",
      "content-type": "application/x-www-form-urlencoded",
      "content-length": String(seen.body?.length),
    });
    expect(seen.headers?.authorization).toBeUndefined();
    expect(seen.body).toBe(requestTo(origin).body);
    expect(answer.body).toBe('{"access_token":"tökén"}');
    expect({ ...answer }).toEqual({
      status: 200,
      date: "Sun, 06 Nov 1994 08:49:37 GMT",
      retryAfter: "7",
      transactionId: "t-1",
    });
    expect(inspect(answer, { showHidden: true, getters: true })).not.toContain("tökén");
  });

  test("leaves out headers that are not there", async () => {
    const origin = await serving((_, response) => {
      response.sendDate = false;
      response.end();
    });
    const { status, body, date, retryAfter, transactionId } = await ask(origin);
    expect([status, body, date, retryAfter, transactionId]).toEqual([
      200,
      "",
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("judges no status", async () => {
    const origin = await serving((request, response) => {
      response.writeHead(Number(request.headers["x-status"])).end("x");
    });
    for (const status of [201, 400, 401, 404, 429, 500, 501, 503, 599]) {
      const request = { ...requestTo(origin), headers: { "x-status": String(status) } };
      expect(await fetchTransport()(request, patient())).toMatchObject({ status });
    }
  });

  test.for([301, 302, 303, 307, 308])(
    "does not follow a %d: the key reaches no other origin",
    async (status) => {
      const elsewhere: string[] = [];
      const second = await serving(async (request, response) => {
        elsewhere.push(`${request.method} ${await bodyOf(request)}`);
        response.end('{"access_token":"abc"}');
      });
      const asked: string[] = [];
      const first = await serving(async (request, response) => {
        asked.push(await bodyOf(request));
        response.writeHead(status, { location: `${second}/identity/token` }).end();
      });
      const answer = await ask(first);
      expect(answer.status).toBe(status);
      expect(asked).toHaveLength(1);
      expect(elsewhere).toEqual([]);
    },
  );

  test("an opaque redirect, which browsers give status 0, is refused as a redirect", async () => {
    const opaque = Object.defineProperties(new Response(null), {
      type: { value: "opaqueredirect" },
      status: { value: 0 },
    });
    const answer = await ask("https://iam.example.com", fetchTransport({ fetch: async () => opaque }));
    expect(parseTokenErrorResponse(answer, "https://iam.example.com", 0)).toMatchObject({
      code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
      message: expect.stringContaining("a redirect"),
      status: 0,
    });
  });

  test("asks for a request that is neither cached nor redirected, under the given signal", async () => {
    const seen: (RequestInit | undefined)[] = [];
    const { signal } = new AbortController();
    const transport = fetchTransport({
      fetch: async (_, init) => {
        seen.push(init);
        return new Response("{}");
      },
    });
    await transport(requestTo("https://iam.example.com"), { signal });
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ method: "POST", redirect: "manual", cache: "no-store" });
    expect(seen[0]?.signal).toBe(signal);
    expect(seen[0]?.headers).not.toHaveProperty("authorization");
  });

  test("sends no body where the request has none", async () => {
    const seen: (RequestInit | undefined)[] = [];
    const transport = fetchTransport({
      fetch: async (_, init) => {
        seen.push(init);
        return new Response("{}");
      },
    });
    await transport({ method: "PUT", url: "http://127.0.0.1/", headers: {} }, patient());
    expect(seen[0]?.body ?? undefined).toBeUndefined();
    expect(seen[0]).toMatchObject({ method: "PUT" });
  });

  test("looks globalThis.fetch up for each request, so that patches apply", async () => {
    const transport = fetchTransport();
    for (const body of ["first", "second"]) {
      vi.stubGlobal("fetch", async () => new Response(body));
      expect((await ask("https://iam.example.com", transport)).body).toBe(body);
    }
  });

  test("prefers the fetch that it was given", async () => {
    vi.stubGlobal("fetch", async () => new Response("global"));
    const transport = fetchTransport({ fetch: async () => new Response("given") });
    expect((await ask("https://iam.example.com", transport)).body).toBe("given");
  });
});

describe("the body of the answer", () => {
  const sized = (bytes: number, encoding?: string): RequestListener =>
    function answer(_, response) {
      const body = Buffer.alloc(bytes, "x");
      if (encoding !== undefined) response.setHeader("content-encoding", encoding);
      response.end(encoding === undefined ? body : gzipSync(body));
    };

  test("is read up to 1 MiB", async () => {
    const { body } = await ask(await serving(sized(mebibyte)));
    expect(body.length).toBe(mebibyte);
  });

  test.for<[string, number, string | undefined]>([
    ["one byte more", mebibyte + 1, undefined],
    ["10 MiB", 10 * mebibyte, undefined],
    ["10 MiB, compressed to little", 10 * mebibyte, "gzip"],
  ])("of %s is refused", async ([, bytes, encoding]) => {
    const origin = await serving(sized(bytes, encoding));
    const error = await rejectionOf(() => ask(origin));
    expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_RESPONSE_INVALID", status: 200, retryable: true });
    expect(error.message).toContain("1 MiB");
    expect(error.message).toContain("tokenEndpoint");
  });

  test("that never stops is cut at 1 MiB, and the connection is closed", async () => {
    let sent = 0;
    let closed: () => void = () => {};
    const closing = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const origin = await serving((_, response) => {
      response.on("close", closed);
      const part = Buffer.alloc(65_536, "x");
      const pump = () => {
        while (!response.destroyed && response.write(part)) sent += part.length;
      };
      response.on("drain", pump);
      pump();
    });
    expect(await rejectionOf(() => ask(origin))).toMatchObject({ code: "ERR_IAM_TOKEN_RESPONSE_INVALID" });
    await closing;
    expect(sent).toBeLessThan(64 * mebibyte);
  });

  test("that never ends is ended by the signal, with a typed error", async () => {
    const controller = new AbortController();
    const started = listenOnce();
    const origin = await serving((_, response) => {
      response.write('{"access_token":');
      started.tell(response);
    });
    const asking = rejectionOf(() => fetchTransport()(requestTo(origin), { signal: controller.signal }));
    const response = await started.told;
    const closed = new Promise((resolve) => response.on("close", resolve));
    controller.abort();
    const error = await asking;
    expect(error).toMatchObject(unreachableWith("AbortError"));
    await closed;
  });

  test("is decoded as UTF-8 across the borders of its parts, without a byte order mark", async () => {
    const bytes = Buffer.from('\ufeff{"a":"€🔑"}');
    const origin = await serving(async (_, response) => {
      for (const byte of bytes) {
        response.write(Buffer.from([byte]));
        await new Promise(setImmediate);
      }
      response.end();
    });
    expect((await ask(origin)).body).toBe('{"a":"€🔑"}');
  });

  test("that is no UTF-8 does not fail the transport", async () => {
    const origin = await serving((_, response) => {
      response.end(Buffer.from([0x7b, 0xff, 0xfe, 0xe2, 0x82]));
    });
    expect((await ask(origin)).body).toMatch(/^\{\ufffd+$/);
  });
});

describe("no answer is a typed error that may pass", () => {
  test("when nothing listens", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const error = await rejectionOf(() => ask(`http://127.0.0.1:${port}`));
    expect(error).toMatchObject(unreachableWith("ECONNREFUSED"));
    expect(error.message).toContain(`127.0.0.1:${port}`);
    expect(inspect(error, { depth: Infinity, showHidden: true })).not.toContain(key);
  });

  test("when the connection is reset before the answer", async () => {
    const origin = await serving((request) => {
      request.socket.resetAndDestroy();
    });
    const error = await rejectionOf(() => ask(origin));
    expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", retryable: true });
    expect(inspect(error, { depth: Infinity, showHidden: true })).not.toContain(key);
  });

  test("when the connection is reset within the body", async () => {
    const origin = await serving((request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write('{"access_token":"s3cret', () => request.socket.resetAndDestroy());
    });
    const error = await rejectionOf(() => ask(origin));
    expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", retryable: true });
    expect(inspect(error, { depth: Infinity, showHidden: true })).not.toContain("s3cret");
  });

  test("when the signal has been aborted before", async () => {
    let asked = 0;
    const origin = await serving((_, response) => {
      asked++;
      response.end();
    });
    const transport = fetchTransport();
    const error = await rejectionOf(() => transport(requestTo(origin), { signal: AbortSignal.abort() }));
    expect(error).toMatchObject(unreachableWith("AbortError"));
    expect(asked).toBe(0);
  });

  test.for<[string, () => unknown]>([
    [
      "rejects with an error that holds the request",
      () => Promise.reject(Object.assign(new Error(key), { key })),
    ],
    ["rejects with a text", () => Promise.reject(key)],
    ["rejects with undefined", () => Promise.reject(undefined)],
    ["rejects with a Proxy that was revoked", () => Promise.reject(revoked())],
    ["rejects with an error whose members throw", () => Promise.reject(spiteful())],
    ["gives undefined", () => Promise.resolve(undefined)],
    ["gives an object that is no Response", () => Promise.resolve({ status: 200 })],
    [
      "gives a Response whose body was read",
      async () => {
        const response = new Response("x");
        await response.text();
        return response;
      },
    ],
  ])("when fetch %s", async ([, run]) => {
    const transport = fetchTransport({ fetch: run as typeof fetch });
    const error = await rejectionOf(() => ask("https://iam.example.com", transport));
    expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", retryable: true });
    expect(error.message).toContain("https://iam.example.com/identity/token");
    expect(inspect(error, { depth: Infinity, showHidden: true, getters: true })).not.toContain(key);
  });

  test("unless it is one of ours already: that says more", async () => {
    const ours = new IamError("ERR_IAM_ORIGIN_NOT_ALLOWED", "x");
    const transport = fetchTransport({ fetch: () => Promise.reject(ours) });
    expect(await rejectionOf(() => ask("https://iam.example.com", transport))).toBe(ours);
  });

  test("named by the code of the network where there is one, else by the error's name", () => {
    const cause = Object.assign(new Error("x"), { code: "ENOTFOUND" });
    expect(unreachable("https://a.b", new TypeError("fetch failed", { cause })).message).toContain(
      "ENOTFOUND",
    );
    expect(unreachable("https://a.b", new DOMException("x", "TimeoutError")).message).toContain(
      "TimeoutError",
    );
  });
});

describe("where the runtime does not know the cache option", () => {
  const notImplemented = () =>
    new TypeError("The 'cache' field on 'RequestInitializerDict' is not implemented.");

  function pickyFetch(refuse: () => unknown) {
    const caches: unknown[] = [];
    const fetch: typeof globalThis.fetch = async (_, init) => {
      caches.push(init?.cache);
      if (init?.cache !== undefined) throw refuse();
      return new Response("{}");
    };
    return { caches, fetch };
  }

  test("the request is sent once more without, and the transport remembers", async () => {
    const { caches, fetch } = pickyFetch(notImplemented);
    const transport = fetchTransport({ fetch });
    for (let n = 0; n < 3; n++) expect((await ask("https://iam.example.com", transport)).body).toBe("{}");
    expect(caches).toEqual(["no-store", undefined, undefined, undefined]);
    await ask("https://iam.example.com", fetchTransport({ fetch }));
    expect(caches.slice(4)).toEqual(["no-store", undefined]);
  });

  test("the plain Error that workerd throws is understood too", async () => {
    const message = "The 'cache' field on 'RequestInitializerDict' is not implemented.";
    const { caches, fetch } = pickyFetch(() => new Error(message));
    await ask("https://iam.example.com", fetchTransport({ fetch }));
    expect(caches).toEqual(["no-store", undefined]);
  });

  test("a TypeError of another realm is understood too", async () => {
    const { caches, fetch } = pickyFetch(() =>
      runInContext("new TypeError('Unsupported cache mode: no-store')", createContext({})),
    );
    expect((await ask("https://iam.example.com", fetchTransport({ fetch }))).body).toBe("{}");
    expect(caches).toEqual(["no-store", undefined]);
  });

  test.for<[string, () => unknown]>([
    ["a TypeError about something else", () => new TypeError("fetch failed")],
    ["a TypeError about something like it", () => new TypeError("no cached or precache entry")],
    ["a text", () => "TypeError"],
    ["nothing", () => undefined],
  ])("%s is no such refusal: the request is sent once", async ([, refuse]) => {
    const { caches, fetch } = pickyFetch(refuse);
    const error = await rejectionOf(() => ask("https://iam.example.com", fetchTransport({ fetch })));
    expect(error.code).toBe("ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE");
    expect(caches).toEqual(["no-store"]);
  });

  test("a failure of the second request is a typed error", async () => {
    let sent = 0;
    const fetch = async () => {
      if (sent++ === 0) throw notImplemented();
      throw Object.assign(new Error(key), { code: "ECONNRESET" });
    };
    const error = await rejectionOf(() => ask("https://iam.example.com", fetchTransport({ fetch })));
    expect(error).toMatchObject(unreachableWith("ECONNRESET"));
    expect(sent).toBe(2);
  });
});

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function spiteful(): Error {
  const get = () => {
    throw new Error(key);
  };
  return Object.defineProperties(new Error("x"), {
    name: { get },
    message: { get },
    cause: { get },
    code: { get },
  });
}

function listenOnce(): { tell: (response: ServerResponse) => void; told: Promise<ServerResponse> } {
  let tell: (response: ServerResponse) => void = () => {};
  const told = new Promise<ServerResponse>((resolve) => {
    tell = resolve;
  });
  return { tell, told };
}
