import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { iamAxios } from "@iam/axios";
import { apiKeyGrant, createTokenManager, type TokenManager } from "@iam/core";
import { type RunningEmulator, startEmulator } from "@iam/emulator";
import { iamExpress } from "@iam/express";
import { iamFetch } from "@iam/fetch";
import { iamKy } from "@iam/ky";
import axios from "axios";
import express from "express";
import ky from "ky";
import { describe, expect, onTestFinished, test } from "vitest";

type Settings = { manager: TokenManager; origins: string[] };
/** Asks for a URL, and gives the status that the caller sees. */
type Ask = (url: string) => Promise<number>;

const adapters: Record<string, (settings: Settings) => Ask | Promise<Ask>> = {
  fetch(settings) {
    const fetch = iamFetch(settings);
    return async (url) => finished(await fetch(url));
  },
  axios(settings) {
    const client = axios.create({ validateStatus: null });
    iamAxios(client, settings);
    return async (url) => (await client.get(url)).status;
  },
  ky(settings) {
    const api = ky.extend(iamKy(settings)).extend({ retry: 0, throwHttpErrors: false });
    return async (url) => finished(await api(url));
  },
  async express(settings) {
    // Lazy, so that the handler's own request is the first one.
    const app = express().use(iamExpress({ ...settings, lazy: true }));
    app.get("/", async (req, res) => {
      res.sendStatus(await finished(await req.iam.fetch(String(req.query.url))));
    });
    const server = app.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    const { port } = server.address() as AddressInfo;
    return async (url) => finished(await fetch(`http://127.0.0.1:${port}/?${new URLSearchParams({ url })}`));
  },
};
const names = Object.keys(adapters);

async function finished(response: Response): Promise<number> {
  await response.arrayBuffer();
  return response.status;
}

/** One manager behind every adapter. */
async function shared(): Promise<{
  emulator: RunningEmulator;
  resource: string;
  asks: Ask[];
  settings: Settings;
}> {
  const emulator = await startEmulator();
  onTestFinished(() => emulator.close());
  const grant = apiKeyGrant(emulator.apiKey);
  const manager = createTokenManager({ grant, tokenEndpoint: emulator.url });
  const settings = { manager, origins: [emulator.url] };
  const asks = await Promise.all(Object.values(adapters).map((make) => make(settings)));
  return { emulator, resource: `${emulator.url}/resource`, asks, settings };
}

describe(`one manager behind ${names.join(", ")}`, () => {
  test("makes one grant for 1,000 first requests at once", { timeout: 30_000 }, async () => {
    const { emulator, resource, asks, settings } = await shared();
    // Nobody gets a token before all have asked for one, those behind Express' own server included.
    const { peek } = settings.manager;
    const everybodyWaits = new Promise<void>((resolve) => {
      let asked = 0;
      settings.manager.peek = () => {
        if (++asked === 1000) resolve();
        return peek();
      };
    });
    emulator.fault({ kind: "hold", until: everybodyWaits });
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => asks[i % asks.length]?.(resource)),
    );
    expect(answers.filter((status) => status === 200)).toHaveLength(1000);
    expect(emulator.counters).toMatchObject({ tokenRequests: 1, grants: 1, resourceRequests: 1000 });
  });

  test("makes one grant for 200 staggered 401s, and every caller gets 200", { timeout: 30_000 }, async () => {
    const { emulator, resource, asks } = await shared();
    for (const ask of asks) await ask(resource);
    const before = emulator.counters.grants;
    emulator.revokeAll();
    // All are sent with the old token; then one 401 after the other is told, most long after the token was replaced.
    const sent = emulator.counters.resourceRequests + 200;
    let told: Promise<unknown> = emulator.until(({ resourceRequests }) => resourceRequests === sent);
    for (let i = 0; i < 200; i++) {
      const until = told;
      emulator.fault({ kind: "hold", until }, { target: "resource" });
      told = until.then(() => new Promise((resolve) => setTimeout(resolve, 2)));
    }
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => asks[i % asks.length]?.(resource)),
    );
    expect(answers.filter((status) => status === 200)).toHaveLength(200);
    expect(emulator.counters.grants - before).toBe(1);
    expect(emulator.counters.resourceRequestsByStatus[401]).toBe(200);
  });
});

test.each(names)("an API that always answers 401 costs %s at most 2 grants for 21 requests", async (name) => {
  const { emulator, resource, asks } = await shared();
  emulator.fault({ kind: "status", status: 401 }, { target: "resource", times: "forever" });
  const ask = asks[names.indexOf(name)];
  for (let i = 0; i < 21; i++) expect(await ask?.(resource)).toBe(401);
  expect(emulator.counters.grants).toBeLessThanOrEqual(2);
});
