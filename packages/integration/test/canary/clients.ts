import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { iamAxios } from "@iam/axios";
import type { TokenManager } from "@iam/core";
import { iamExpress, iamProxy } from "@iam/express";
import { iamFetch } from "@iam/fetch";
import { iamAuthenticator } from "@iam/ibm-sdk";
import { iamCos } from "@iam/ibm-sdk/cos";
import { iamKy } from "@iam/ky";
import axios from "axios";
import express, { type ErrorRequestHandler, type Express } from "express";
import { createProxyMiddleware } from "http-proxy-middleware";
import { BaseService } from "ibm-cloud-sdk-core";
import cos from "ibm-cos-sdk";
import ky from "ky";

export interface Settings {
  readonly manager: TokenManager;
  readonly origins: string[];
  readonly otherOrigins?: "pass";
}

export interface Asking {
  readonly method?: "GET" | "POST";
  readonly body?: string;
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A client with a token on its requests. It resolves with what its caller can look at, or rejects with that. */
export interface Client extends AsyncDisposable {
  ask(url: string, asking?: Asking): Promise<unknown>;
}

export type MakeClient = (settings: Settings, saw: (value: unknown) => void) => Promise<Client>;

function axiosWith(adapter: "http" | "xhr" | "fetch", authorize: typeof iamAxios | "by hand"): MakeClient {
  return async (settings) => {
    const client = axios.create({ adapter });
    if (authorize !== "by hand") authorize(client, settings);
    else
      client.interceptors.request.use(async (config) => {
        config.headers.set("Authorization", `Bearer ${(await settings.manager.getToken()).accessToken}`);
        return config;
      });
    return {
      ask: (url, { body, ...asking } = {}) =>
        client.request({ url, ...(body !== undefined && { data: body }), ...asking }),
      async [Symbol.asyncDispose]() {},
    };
  };
}

async function read(response: Response): Promise<unknown> {
  return [response, await response.text()];
}

/** What IBM's generator makes of a service. */
class SomeService extends BaseService {
  ask(url: string, { method = "GET", body, headers, signal }: Asking = {}) {
    return this.createRequest({
      options: { url, method, ...(body !== undefined && { body }) },
      defaultOptions: { ...this.baseOptions, headers: { ...headers }, axiosOptions: { signal } },
    });
  }
}

/** Each adapter, and each way of axios to send. */
export const clients: Readonly<Record<string, MakeClient>> = {
  async fetch(settings, saw) {
    const fetch = iamFetch(settings);
    saw(fetch);
    return {
      ask: async (url, asking) => read(await fetch(url, asking)),
      async [Symbol.asyncDispose]() {},
    };
  },
  "axios http": axiosWith("http", iamAxios),
  "axios xhr": axiosWith("xhr", iamAxios),
  "axios fetch": axiosWith("fetch", iamAxios),
  async ky(settings, saw) {
    const options = iamKy(settings);
    saw(options);
    const api = ky.extend(options).extend({ retry: 0 });
    return {
      ask: async (url, asking) => read(await api(url, asking)),
      async [Symbol.asyncDispose]() {},
    };
  },
  async "ibm-sdk"(settings, saw) {
    const authenticator = iamAuthenticator(settings);
    const service = new SomeService({ authenticator, serviceUrl: settings.origins.join() });
    for (const value of [authenticator, service]) saw(value);
    return {
      ask: (url, asking) => service.ask(url, asking),
      async [Symbol.asyncDispose]() {},
    };
  },
  async express(settings, saw) {
    const app = express().use(iamExpress(settings), express.json());
    app.all("/", async (req, res) => {
      saw(req.iam);
      const asking: Asking = JSON.parse(String(req.query.asking));
      const response = await req.iam.fetch(String(req.query.url), asking);
      saw(response);
      res.status(response.status).send(await response.text());
    });
    return serving(app, saw, (url, { signal, ...asking }) => {
      return `/?${new URLSearchParams({ url, asking: JSON.stringify(asking) })}`;
    });
  },
  async iamProxy(settings, saw) {
    const iam = iamProxy({ ...settings, allowAnonymous: true });
    saw(iam);
    const proxy = createProxyMiddleware({
      router: (req) => new URL(String(req.headers["x-to"])).origin,
      target: settings.origins.join(),
      changeOrigin: true,
      on: {
        ...iam.on,
        error: (error, _req, res) => {
          saw(error);
          if ("writeHead" in res) res.writeHead(502).end();
          else res.destroy();
        },
      },
    });
    return serving(express().use(iam.middleware, proxy), saw, (url) => new URL(url).pathname);
  },
};

/** Object Storage, whose SDK hangs everything that it knows on what it gives: its own requests, and a model of the service. */
export const objectStorage: MakeClient = async ({ manager, origins }) => ({
  async ask(url, { body } = {}) {
    const { origin, pathname } = new URL(url);
    const [, Bucket = "", Key = "key"] = pathname.split("/");
    const usual = { s3ForcePathStyle: true, maxRetries: 1, retryDelayOptions: { base: 1 } };
    const s3 = iamCos(cos.S3, { manager, origins, endpoint: origin, ...usual });
    const object = { Bucket, Key };
    return (body === undefined ? s3.getObject(object) : s3.putObject({ ...object, Body: body })).promise();
  },
  async [Symbol.asyncDispose]() {},
});

/** The same done by hand, as it is found in the wild: what this must be seen to leak. */
export const byHand: Readonly<Record<string, MakeClient>> = {
  "axios http by hand": axiosWith("http", "by hand"),
  "axios xhr by hand": axiosWith("xhr", "by hand"),
  "axios fetch by hand": axiosWith("fetch", "by hand"),
  async "ky by hand"({ manager }) {
    const api = ky.extend({
      retry: 0,
      hooks: {
        beforeRequest: [
          async ({ request }) => {
            request.headers.set("authorization", `Bearer ${(await manager.getToken()).accessToken}`);
          },
        ],
      },
    });
    return {
      ask: async (url, asking) => read(await api(url, asking)),
      async [Symbol.asyncDispose]() {},
    };
  },
};

/** A server between the caller and the API. Express tells its own callers the stack while it is being developed. */
async function serving(
  app: Express,
  saw: (value: unknown) => void,
  pathFor: (url: string, asking: Asking) => string,
): Promise<Client> {
  const remember: ErrorRequestHandler = (error, _req, _res, next) => {
    saw(error);
    next(error);
  };
  const server = app.set("env", "test").use(remember).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    async ask(url, asking = {}) {
      const response = await fetch(`http://127.0.0.1:${port}${pathFor(url, asking)}`, {
        ...asking,
        headers: { ...asking.headers, "x-to": url },
      });
      const shown = await read(response);
      if (response.status < 400) return shown;
      throw Object.assign(new Error("An error status"), { shown });
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}
