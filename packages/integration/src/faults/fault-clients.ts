import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { iamAxios } from "@iam/axios";
import type { TokenManager } from "@iam/core";
import { iamExpress } from "@iam/express";
import { iamFetch } from "@iam/fetch";
import { iamKy } from "@iam/ky";
import axios, { isAxiosError } from "axios";
import express, { type ErrorRequestHandler } from "express";
import ky, { isHTTPError } from "ky";

/** What the caller of a client gets. */
export interface ClientAnswer {
  /** The status of the response, also of one that the client makes an error of; undefined when there is none. */
  readonly status?: number;
  /** What the client throws when there is no response; with Express what it answers 503 for. */
  readonly error?: unknown;
  /** Express: what it tells its own caller, in seconds. */
  readonly retryAfterS?: number;
  /** The response or the error itself, and whatever else its caller can look at. */
  readonly shown: readonly unknown[];
}

/** A client with our adapter, as somebody uses it who leaves everything at its default. */
export interface FaultClient {
  ask(url: string): Promise<ClientAnswer>;
  close?(): Promise<void>;
}

type Settings = { manager: TokenManager; origins: string[] };

/** The clients of the table. */
export const faultClients: Readonly<Record<string, (settings: Settings) => Promise<FaultClient>>> = {
  async fetch(settings) {
    const fetch = iamFetch(settings);
    return { ask: (url) => answerOf(async () => finished(await fetch(url))) };
  },
  async axios(settings) {
    const client = axios.create();
    iamAxios(client, settings);
    const statusOf = (error: unknown) => (isAxiosError(error) ? error.response?.status : undefined);
    return { ask: (url) => answerOf(() => client.get(url), statusOf) };
  },
  async ky(settings) {
    const api = ky.extend(iamKy(settings));
    const statusOf = (error: unknown) => (isHTTPError(error) ? error.response.status : undefined);
    return { ask: (url) => answerOf(async () => finished(await api(url)), statusOf) };
  },
  async express(settings) {
    let thrown: unknown;
    const app = express().set("env", "test").use(iamExpress(settings));
    app.get("/", async (req, res) => {
      res.sendStatus((await finished(await req.iam.fetch(String(req.query.url)))).status);
    });
    const remember: ErrorRequestHandler = (error, _req, _res, next) => {
      thrown = error;
      next(error);
    };
    const server = app.use(remember).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return {
      async ask(url) {
        thrown = undefined;
        const response = await fetch(`http://127.0.0.1:${port}/?${new URLSearchParams({ url })}`);
        const { status, headers } = response;
        const shown = [response, await response.text(), thrown];
        if (thrown === undefined) return { status, shown };
        if (status !== 503) throw new Error(`Express answered ${status}`, { cause: thrown });
        return { error: thrown, retryAfterS: Number(headers.get("retry-after")), shown };
      },
      async close() {
        server.close();
        server.closeAllConnections();
      },
    };
  },
};

async function finished(response: Response): Promise<Response> {
  await response.arrayBuffer();
  return response;
}

async function answerOf(
  ask: () => Promise<{ readonly status: number }>,
  statusOf: (error: unknown) => number | undefined = () => undefined,
): Promise<ClientAnswer> {
  try {
    const response = await ask();
    return { status: response.status, shown: [response] };
  } catch (error) {
    const status = statusOf(error);
    return status === undefined ? { error, shown: [error] } : { status, shown: [error] };
  }
}
