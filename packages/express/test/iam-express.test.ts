import { once } from "node:events";
import { createServer } from "node:http";
import { inspect } from "node:util";
import { isIamError } from "@iam/core";
import express, { type Express, type Request } from "express";
import express4 from "express-4";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { iamExpress } from "../src/index.ts";
import { emulated } from "./emulated.ts";
import { serving } from "./serving.ts";

/** A promise and the function that settles it. */
function signal(): { given: Promise<void>; give: () => void } {
  let give = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give };
}

describe.each([
  ["express 5", express],
  ["express 4", express4],
] as [string, () => Express][])("%s", (_, make) => {
  test("a handler calls the API with the token by req.iam.fetch", async () => {
    const { manager, origins, resource, emulator } = await emulated();
    const app = make().use(iamExpress({ manager, origins }));
    app.get("/", async (req, res) => {
      const answer = await req.iam.fetch(resource, { method: "POST", body: "hello" });
      res.json(await answer.json());
    });
    const { url } = await serving(app);
    const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(url).then((r) => r.json())));
    expect(answers.every(({ body }) => body === "hello")).toBe(true);
    expect(emulator.counters.grants).toBe(1);
  });

  test("there is a token before the handler runs, and with lazy there need not be", async () => {
    const { manager, origins, emulator } = await emulated();
    const held: boolean[] = [];
    const handler = (_req: Request, res: { end(): void }) => {
      held.push(manager.peek() !== undefined);
      res.end();
    };
    const lazy = await serving(make().use(iamExpress({ manager, origins, lazy: true }), handler));
    await fetch(lazy.url);
    expect(emulator.counters.tokenRequests).toBe(0);
    const eager = await serving(make().use(iamExpress({ manager, origins }), handler));
    await fetch(eager.url);
    expect(held).toEqual([false, true]);
  });

  test("when IAM gives no token the default error handler answers 503 with Retry-After", async () => {
    const { manager, origins, emulator } = await emulated();
    emulator.fault({ kind: "throttle", retryAfter: 17 });
    const handler = vi.fn();
    const app = make().use(iamExpress({ manager, origins }), handler);
    app.set("env", "test");
    const { url } = await serving(app);
    const answer = await fetch(url);
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(15);
    expect(handler).not.toHaveBeenCalled();
  });

  test("the error that goes to next is an IamError of its own for each request", async () => {
    const { manager, origins, emulator } = await emulated();
    emulator.apiKeys.disable(emulator.apiKey);
    const app = make().use(iamExpress({ manager, origins }));
    const errors: Error[] = [];
    app.use((error: Error, _req: Request, res: { end(): void }, _next: unknown) => {
      errors.push(error);
      res.end();
    });
    const { url } = await serving(app);
    await Promise.all([fetch(url), fetch(url), fetch(url)]);
    expect(new Set(errors).size).toBe(3);
    expect(new Set(errors.map(({ cause }) => cause)).size).toBeLessThan(3);
    for (const error of errors) {
      expect(isIamError(error)).toBe(true);
      expect(error).toMatchObject({
        code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
        status: 503,
        statusCode: 503,
        headers: { "Retry-After": expect.stringMatching(/^[1-9]\d*$/) },
        cause: { status: 400 },
      });
      expect(error.cause).not.toHaveProperty("headers");
    }
  });

  test("a token that cannot be had in a handler is 503 too, not the status that IAM answered", async () => {
    const { manager, origins, resource, emulator } = await emulated();
    emulator.apiKeys.disable(emulator.apiKey);
    const app = make().use(iamExpress({ manager, origins, lazy: true }));
    app.get("/fetch", (req, res, next) => {
      req.iam.fetch(resource).then(() => res.end(), next);
    });
    app.get("/token", (req, res, next) => {
      req.iam.getToken().then(() => res.end(), next);
    });
    app.get("/elsewhere", (req, res, next) => {
      req.iam.fetch("https://elsewhere.example.com").then(() => res.end(), next);
    });
    app.set("env", "test");
    const { url } = await serving(app);
    expect((await fetch(`${url}/fetch`)).status).toBe(503);
    expect((await fetch(`${url}/token`)).status).toBe(503);
    expect((await fetch(`${url}/elsewhere`)).status).toBe(500);
  });

  test("a call goes on after the request's body has been read, and ends when the client goes away", async () => {
    const { manager, origins, resource, emulator } = await emulated();
    const { given, give } = signal();
    emulator.fault({ kind: "hold", until: given }, { target: "resource", path: "/resource/slow" });
    const failed = signal();
    const errors: unknown[] = [];
    const app = make().use(iamExpress({ manager, origins }), express.text());
    app.post("/", async (req, res) => {
      const before = await req.iam.fetch(resource, { method: "POST", body: req.body });
      expect(before.status).toBe(200);
      await req.iam.fetch(`${resource}/slow`).catch((error: unknown) => errors.push(error));
      await req.iam.getToken().catch((error: unknown) => errors.push(error));
      res.end();
      failed.give();
    });
    const { url } = await serving(app);
    const client = new AbortController();
    const asked = fetch(url, { method: "POST", body: "text", signal: client.signal }).catch(() => {});
    await emulator.until(({ resourceRequests }) => resourceRequests === 2);
    client.abort();
    await asked;
    await failed.given;
    give();
    expect(errors).toMatchObject([{ name: "AbortError" }, { name: "AbortError" }]);
  });

  test("a call in the background outlives a response that was finished", async () => {
    const { manager, origins, resource, emulator } = await emulated();
    const { given, give } = signal();
    emulator.fault({ kind: "hold", until: given }, { target: "resource" });
    let background: Promise<Response> | undefined;
    const app = make().use(iamExpress({ manager, origins }));
    app.get("/", (req, res) => {
      background = req.iam.fetch(resource);
      res.end("done");
    });
    const { url } = await serving(app);
    await (await fetch(url, { headers: { connection: "close" } })).text();
    await emulator.until(({ resourceRequests }) => resourceRequests === 1);
    give();
    expect((await background)?.status).toBe(200);
  });

  test("a signal of the handler's own ends a call too", async () => {
    const { manager, origins, resource, emulator } = await emulated();
    emulator.fault({ kind: "hang" }, { target: "resource", times: "forever" });
    const app = make().use(iamExpress({ manager, origins }));
    const names: unknown[] = [];
    app.get("/", async (req, res) => {
      const reason = new Error("enough");
      const aborted = AbortSignal.abort(reason);
      const request = new globalThis.Request(resource, { signal: aborted });
      const calls: Parameters<typeof globalThis.fetch>[] = [
        [resource, { signal: aborted }],
        [request],
        [resource, request],
      ];
      for (const args of calls) await req.iam.fetch(...args).catch((error: unknown) => names.push(error));
      expect(names).toEqual([reason, reason, reason]);
      res.end();
    });
    const { url } = await serving(app);
    await fetch(url);
    expect(names).toHaveLength(3);
  });

  test("a call that begins after the client has gone is not sent", async () => {
    const { manager, origins, resource, emulator } = await emulated();
    const arrived = signal();
    const called = signal();
    let error: unknown;
    const app = make().use(iamExpress({ manager, origins }));
    app.get("/", async (req, res) => {
      const closed = once(res, "close");
      arrived.give();
      await closed;
      error = await req.iam.fetch(resource).catch((reason: unknown) => reason);
      called.give();
    });
    const { url } = await serving(app);
    const client = new AbortController();
    const asked = fetch(url, { signal: client.signal }).catch(() => {});
    await arrived.given;
    client.abort();
    await asked;
    await called.given;
    expect(error).toMatchObject({ name: "AbortError" });
    expect(emulator.counters.resourceRequests).toBe(0);
  });

  test("the token is on no property of the request or the response", async () => {
    const { manager, origins, resource, emulator } = await emulated();
    await manager.getToken();
    const app = make().use(iamExpress({ manager, origins }));
    let shown = "";
    app.get("/", async (req, res) => {
      await (await req.iam.fetch(resource)).text();
      shown = inspect([req, res, res.locals, req.iam], { depth: Infinity, showHidden: true, getters: true });
      res.end();
    });
    const { url } = await serving(app);
    await fetch(url);
    const { accessToken } = await manager.getToken();
    expect(shown).toContain("iam:");
    expect(shown).not.toContain(accessToken);
    expect(shown).not.toContain(emulator.apiKey);
  });

  test("used twice it is harmless, and the nearer one counts", async () => {
    const outer = await emulated();
    const inner = await emulated();
    const app = make().use(iamExpress(outer), iamExpress(outer));
    app.get("/", iamExpress(inner), async (req, res) => {
      res.status((await req.iam.fetch(inner.resource)).status).end();
    });
    const { url } = await serving(app);
    expect((await fetch(url)).status).toBe(200);
    expect(outer.emulator.counters.grants).toBe(1);
    expect(inner.emulator.counters.grants).toBe(1);
  });
});

test("it also works in front of a plain Node server", async () => {
  const { manager, origins, resource } = await emulated();
  const middleware = iamExpress({ manager, origins });
  const server = createServer((req, res) => {
    middleware(req, res, () => {
      const { iam } = req as Request;
      iam.fetch(resource).then(({ status }) => res.writeHead(status).end());
    });
  });
  onTestFinished(() => void server.close());
  const { url } = await serving((req, res) => server.emit("request", req, res));
  expect((await fetch(url)).status).toBe(200);
});

test.each([
  ["no options", undefined],
  ["no manager", {}],
  ["a manager that is not one", { manager: { getToken: () => "token" } }],
])("%s is an error at registration", (_, options) => {
  expect(() => iamExpress(options as unknown as Parameters<typeof iamExpress>[0])).toThrow(
    expect.objectContaining({
      code: "ERR_IAM_CONFIG",
      message: expect.stringContaining("iamExpress needs { manager: "),
    }),
  );
});

test("lazy that is a text is an error at registration", async () => {
  const { manager } = await emulated();
  expect(() => iamExpress({ manager, lazy: "false" as never })).toThrow(
    expect.objectContaining({ code: "ERR_IAM_CONFIG", message: expect.stringContaining("lazy") }),
  );
});
