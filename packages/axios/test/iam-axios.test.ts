import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { isIamError, type TokenManager } from "@iam/core";
import {
  type AxiosAdapter,
  type AxiosError,
  type AxiosInstance,
  type AxiosRequestConfig,
  type AxiosStatic,
  type CreateAxiosDefaults,
  isAxiosError,
} from "axios";
import { setupCache } from "axios-cache-interceptor";
import axiosRetry from "axios-retry";
import LegacyFormData from "form-data";
import { describe, expect, test, vi } from "vitest";
import { axiosAdapters, axiosVersions, loadAxios } from "./axios-versions.ts";
import { failure, printed, type Recorder, record, startScene } from "./scene.ts";

/** The origin of a recorder is allowed, and the token is had already. */
async function tokenOf(manager: TokenManager): Promise<string> {
  return `Bearer ${(await manager.getToken()).accessToken}`;
}

const authorizations = ({ received }: Recorder) => received.map(({ authorization }) => authorization);

for (const version of axiosVersions) {
  const { axios, iamAxios } = await loadAxios(version);

  /** An instance with the interceptor on it. */
  function clientOf(
    options: Parameters<typeof iamAxios>[1],
    defaults: CreateAxiosDefaults = {},
  ): AxiosInstance {
    const client = axios.create({ adapter: "http", ...defaults });
    iamAxios(client, options);
    return client;
  }

  describe(`axios ${version}`, () => {
    for (const adapter of axiosAdapters) {
      describe(`with the ${adapter} adapter`, () => {
        test("what answers and fails shows no token, however it is printed", async () => {
          await using scene = await startScene();
          await using recorder = await record(({ path }, response, { socket }) => {
            if (path === "/reset") socket.resetAndDestroy();
            else if (path === "/late") return;
            else if (path === "/half") response.writeHead(200, { "content-length": 99 }).write("half of it");
            else if (path === "/half-and-cut")
              response.writeHead(200, { "content-length": 99 }).write("half", () => socket.resetAndDestroy());
            else
              response
                .writeHead(Number(path.slice(1)))
                .end(path === "/204" ? undefined : "long enough a body");
          });
          const client = clientOf(
            { manager: scene.manager, origins: [recorder.origin] },
            { adapter, baseURL: recorder.origin },
          );
          const seen: Record<string, unknown> = {
            200: await client.get("/200"),
            204: await client.get("/204"),
            accepted: await client.get("/401", { validateStatus: null }),
            401: await failure(client.get("/401")),
            404: await failure(client.post("/404", { a: "body" })),
            503: await failure(client.get("/503")),
            reset: await failure(client.get("/reset")),
            cut: await failure(client.get("/half-and-cut")),
            timeout: await failure(client.get("/late", { timeout: 50 })),
            halfTimeout: await failure(client.get("/half", { timeout: 50 })),
            aborted: await failure(client.get("/late", { signal: AbortSignal.timeout(50) })),
            parsing: await failure(
              client.get("/200", { responseType: "json", transitional: { silentJSONParsing: false } }),
            ),
          };
          // The first fetch adapter did not know cancel tokens.
          if (adapter !== "fetch" || version !== "1.7.0") {
            const source = axios.CancelToken.source();
            const cancelled = failure(client.get("/late", { cancelToken: source.token }));
            setTimeout(() => source.cancel("enough"), 50);
            seen.cancelled = await cancelled;
          }
          if (adapter !== "xhr") {
            const big = client.get("/200", { maxContentLength: 3 });
            seen.tooBig = await big.catch((error) => error);
          }
          expect(authorizations(recorder).every((value) => value?.startsWith("Bearer "))).toBe(true);
          const tokens = new Set(recorder.received.map(({ authorization = "" }) => authorization.slice(7)));
          for (const [name, value] of Object.entries(seen)) {
            for (const token of tokens) expect(printed(value).includes(token), name).toBe(false);
          }
        });

        test("the config of responses and errors is the caller's own", async () => {
          await using scene = await startScene();
          const client = clientOf(
            { manager: scene.manager, origins: [scene.emulator.url] },
            { adapter, baseURL: scene.emulator.url },
          );
          const { config } = await client.get("/resource", { params: { a: 1 } });
          expect(config).toMatchObject({ adapter, url: "/resource", baseURL: scene.emulator.url });
          expect(config.headers.has("authorization")).toBe(false);
          const error = (await failure(client.get("/nowhere"))) as AxiosError;
          expect(error.config).toMatchObject({ adapter, url: "/nowhere" });
          expect(error.response?.config).toBe(error.config);
          expect((await client.request({ ...error.config, url: "/resource" })).status).toBe(200);
        });

        test("a replay after a 401 runs no interceptor and no transform twice", async () => {
          await using scene = await startScene();
          const client = clientOf({ manager: scene.manager, origins: [scene.emulator.url] }, { adapter });
          const runs: string[] = [];
          client.interceptors.request.use((config) => {
            runs.push("request");
            return config;
          });
          client.interceptors.response.use((response) => {
            runs.push("response");
            return response;
          });
          await scene.manager.getToken();
          scene.emulator.revokeAll();
          const { status, data } = await client.post(scene.resource, "the body", {
            transformRequest: (body) => {
              runs.push("transformRequest");
              return body;
            },
            transformResponse: (body) => {
              runs.push("transformResponse");
              return body;
            },
          });
          expect(status).toBe(200);
          expect(JSON.parse(data)).toMatchObject({ method: "POST", body: "the body" });
          expect(runs).toEqual(["request", "transformRequest", "transformResponse", "response"]);
          expect(scene.emulator.counters).toMatchObject({ grants: 2, resourceRequests: 2 });
        });

        test("a validateStatus that accepts 401 does not hide it, and the last one is the answer", async () => {
          await using scene = await startScene();
          const client = clientOf(
            { manager: scene.manager, origins: [scene.emulator.url] },
            { adapter, validateStatus: null },
          );
          scene.emulator.fault({ kind: "status", status: 401 }, { target: "resource" });
          expect((await client.get(scene.resource)).status).toBe(200);
          scene.emulator.fault({ kind: "status", status: 401 }, { target: "resource", times: "forever" });
          const last = await client.get(scene.resource);
          expect(last.status).toBe(401);
          expect(JSON.stringify(last.data)).toContain("invalid_token");
        });

        test("the URL arrives as axios makes it of baseURL, params and paramsSerializer", async () => {
          await using scene = await startScene();
          await using recorder = await record();
          const plain = axios.create({ adapter });
          const client = clientOf({ manager: scene.manager, origins: [recorder.origin] }, { adapter });
          const baseURL = `${recorder.origin}/v1/`;
          const configs: AxiosRequestConfig[] = [
            { baseURL, url: "/things" },
            { baseURL, url: "" },
            { baseURL: recorder.origin },
            { baseURL, url: "a b/é?x=1#part", params: { a: [1, 2], b: "c d", e: null } },
            { baseURL, url: `${recorder.origin}/absolute?x=1` },
            {
              baseURL,
              url: "q",
              params: { a: 1 },
              paramsSerializer: { serialize: () => "@127.0.0.2/serialized" },
            },
            { url: `http://127.0.0.1:${recorder.port}/a/../b`, params: new URLSearchParams("p=q") },
          ];
          for (const config of configs) {
            await plain.request(config);
            await client.request(config);
          }
          const paths = recorder.received.map(({ path }) => path);
          const sent = (remainder: number) => paths.filter((_, index) => index % 2 === remainder);
          expect(sent(1)).toEqual(sent(0));
          const authorized = recorder.received.map(({ authorization }) => authorization !== undefined);
          expect(authorized).toEqual(paths.map((_, index) => index % 2 === 1));
        });
      });
    }

    describe("who has an Authorization", () => {
      test("the caller's own stays, in any case and wherever it was set", async () => {
        await using scene = await startScene();
        await using recorder = await record();
        const options = { manager: scene.manager, origins: [recorder.origin] };
        const url = recorder.origin;
        for (const name of ["Authorization", "authorization", "AUTHORIZATION"]) {
          await clientOf(options).get(url, { headers: { [name]: "own" } });
          await clientOf(options, { headers: { common: { [name]: "own" } } }).get(url);
        }
        const before = axios.create({ adapter: "http" });
        const after = axios.create({ adapter: "http" });
        const setOwn = (client: AxiosInstance) =>
          client.interceptors.request.use((config) => {
            config.headers.set("authorization", "own");
            return config;
          });
        setOwn(before);
        iamAxios(before, options);
        iamAxios(after, options);
        setOwn(after);
        await before.get(url);
        await after.get(url);
        expect(authorizations(recorder)).toEqual(Array(8).fill("own"));
        expect(scene.emulator.counters.tokenRequests).toBe(0);
      });

      test("the caller's auth is its Authorization", async () => {
        await using scene = await startScene();
        await using recorder = await record();
        const client = clientOf({ manager: scene.manager, origins: [recorder.origin] });
        await client.get(recorder.origin, { auth: { username: "a", password: "b" } });
        expect(authorizations(recorder)).toEqual([`Basic ${btoa("a:b")}`]);
        expect(scene.emulator.counters.tokenRequests).toBe(0);
      });

      test("iam: false sends as if there were no interceptor, for one request or as a default", async () => {
        await using scene = await startScene();
        await using recorder = await record();
        const options = { manager: scene.manager, origins: ["https://api.example.com"] };
        await clientOf(options).get(recorder.origin, { iam: false });
        await clientOf(options, { iam: false }).get(recorder.origin);
        expect(authorizations(recorder)).toEqual([undefined, undefined]);
      });

      test("iam: { replay: false } leaves the 401 to the caller, and replaces the token for the next", async () => {
        await using scene = await startScene();
        const client = clientOf({ manager: scene.manager, origins: [scene.emulator.url] });
        await scene.manager.getToken();
        scene.emulator.revokeAll();
        const error = (await failure(client.get(scene.resource, { iam: { replay: false } }))) as AxiosError;
        expect(error.response?.status).toBe(401);
        await scene.emulator.until(({ grants }) => grants === 2);
        expect((await client.get(scene.resource, { iam: { replay: false } })).status).toBe(200);
      });

      test("iam: { waitUntil } is given the replacement that goes on in the background", async () => {
        await using scene = await startScene();
        const client = clientOf({ manager: scene.manager, origins: [scene.emulator.url] });
        await scene.manager.getToken();
        scene.emulator.revokeAll();
        const kept: Promise<unknown>[] = [];
        const iam = { replay: false, waitUntil: (promise: Promise<unknown>) => void kept.push(promise) };
        await failure(client.get(scene.resource, { iam }));
        expect(kept.length).toBeGreaterThan(0);
        await Promise.all(kept);
        expect(scene.emulator.counters.grants).toBe(2);
      });
    });

    describe("where the token may go", () => {
      test("the origin is judged on the final URL", async () => {
        await using scene = await startScene();
        await using recorder = await record();
        await using stranger = await record();
        const client = clientOf(
          { manager: scene.manager, origins: [recorder.origin] },
          { baseURL: `${recorder.origin}/base` },
        );
        for (const url of [
          `${stranger.origin}/x`,
          `//127.0.0.1:${stranger.port}/x`,
          `http://a:b@127.0.0.1:${recorder.port}/x`,
          `http://127.0.0.1:${recorder.port}@127.0.0.1:${stranger.port}/x`,
          "data:text/plain,x",
        ]) {
          const config = url.startsWith("data:") ? { baseURL: "" } : {};
          expect(await failure(client.get(url, config))).toMatchObject({
            code: "ERR_IAM_ORIGIN_NOT_ALLOWED",
          });
        }
        expect(stranger.received).toEqual([]);
        expect(recorder.received).toEqual([]);
        await client.get(`${stranger.origin}/x`, { allowAbsoluteUrls: false });
        expect(recorder.received.map(({ path }) => path)).toEqual([`/base/${stranger.origin}/x`]);
        expect(stranger.received).toEqual([]);
      });

      test('otherOrigins: "pass" sends elsewhere without the token', async () => {
        await using scene = await startScene();
        await using recorder = await record();
        const client = clientOf({ manager: scene.manager, otherOrigins: "pass" });
        await client.get(recorder.origin);
        expect(authorizations(recorder)).toEqual([undefined]);
      });

      test("a socket is not the origin that the URL names", async () => {
        await using scene = await startScene();
        const socketPath = join(tmpdir(), `iam-axios-${process.pid}-${version}.sock`);
        await using listener = await record(undefined, socketPath);
        const url = scene.resource;
        const refusing = clientOf({ manager: scene.manager, origins: [scene.emulator.url] });
        expect(await failure(refusing.get(url, { socketPath }))).toMatchObject({
          code: "ERR_IAM_ORIGIN_NOT_ALLOWED",
        });
        expect(listener.received).toEqual([]);
        const passing = clientOf({
          manager: scene.manager,
          origins: [scene.emulator.url],
          otherOrigins: "pass",
        });
        await passing.get(url, { socketPath });
        await refusing.get(url, { socketPath, headers: { authorization: "own" } });
        expect(authorizations(listener)).toEqual([undefined, "own"]);
      });

      test("a redirect to a subdomain carries no token", async () => {
        await using scene = await startScene();
        await using other = await record();
        await using first = await record((_request, response) =>
          response.writeHead(302, { location: `http://sub.localhost:${other.port}/` }).end(),
        );
        const home = `http://localhost:${first.port}`;
        const client = clientOf(
          { manager: scene.manager, origins: [home] },
          { lookup: (_host: string, _options: object, done: LookupDone) => done(null, "127.0.0.1", 4) },
        );
        await client.get(home);
        expect(authorizations(first)).toEqual([await tokenOf(scene.manager)]);
        expect(other.received.map(({ headers }) => headers.host)).toEqual([`sub.localhost:${other.port}`]);
        expect(authorizations(other)).toEqual([undefined]);
      });

      test("a redirect keeps the token on its own origin, and loses it for good on a strange one", async () => {
        await using scene = await startScene();
        await using stranger = await record((_request, response) =>
          response.writeHead(302, { location: `${home.origin}/back` }).end(),
        );
        await using home: Recorder = await record(({ path }, response) => {
          const next: Record<string, string> = { "/start": "/again", "/again": `${stranger.origin}/x` };
          const location = next[path];
          if (location === undefined) response.end();
          else response.writeHead(307, { location }).end();
        });
        const client = clientOf({ manager: scene.manager, origins: [home.origin] });
        await client.post(`${home.origin}/start`, "text");
        const token = await tokenOf(scene.manager);
        expect(authorizations(home)).toEqual([token, token, undefined]);
        expect(authorizations(stranger)).toEqual([undefined]);
      });

      test("the 401 of where a redirect led replaces nothing", async () => {
        await using scene = await startScene();
        await using stranger = await record((_request, response) => response.writeHead(401).end());
        await using home = await record((_request, response) =>
          response.writeHead(302, { location: stranger.origin }).end(),
        );
        const client = clientOf({ manager: scene.manager, origins: [home.origin] });
        await failure(client.get(home.origin));
        expect(home.received.length).toBe(1);
        expect(scene.emulator.counters.tokenRequests).toBe(1);
      });

      test("the caller's beforeRedirect runs, may end it, and does not see the token", async () => {
        await using scene = await startScene();
        await using home = await record(({ path }, response) =>
          path === "/end" ? response.end() : response.writeHead(302, { location: "/end" }).end(),
        );
        const client = clientOf({ manager: scene.manager, origins: [home.origin] });
        const seen: unknown[] = [];
        await client.get(home.origin, {
          beforeRedirect: (options, ...details) => seen.push({ ...options.headers }, details),
        });
        const token = await tokenOf(scene.manager);
        expect(seen.length).toBe(2);
        expect(printed(seen)).not.toContain(token);
        expect(authorizations(home)).toEqual([token, token]);
        const error = await failure(
          client.get(home.origin, {
            beforeRedirect: () => {
              throw new Error("not there");
            },
          }),
        );
        expect(String(error)).toContain("not there");
        await client.get(home.origin, {
          beforeRedirect: ({ headers }) => {
            headers.authorization = "own";
          },
        });
        expect(authorizations(home).at(-1)).toBe("own");
      });

      test("maxRedirects: 0 gives the redirect to the caller", async () => {
        await using scene = await startScene();
        await using home = await record((_request, response) =>
          response.writeHead(302, { location: "/end" }).end(),
        );
        const client = clientOf({ manager: scene.manager, origins: [home.origin] });
        const error = (await failure(client.get(home.origin, { maxRedirects: 0 }))) as AxiosError;
        expect(error.response?.status).toBe(302);
        expect(home.received.length).toBe(1);
      });
    });

    describe("redirects of the fetch adapter are followed here", () => {
      const onFetch = { adapter: "fetch" } as const;

      test("no token goes to a strange origin, nor on from there, even back; cookies stay too", async () => {
        await using scene = await startScene();
        await using stranger = await record((_request, response) =>
          response.writeHead(302, { location: `${home.origin}/back` }).end(),
        );
        await using home: Recorder = await record(({ path }, response) => {
          const next: Record<string, string> = { "/start?a=1": "/again", "/again": `${stranger.origin}/x` };
          const location = next[path];
          if (location === undefined) response.end();
          else response.writeHead(307, { location }).end();
        });
        const client = clientOf({ manager: scene.manager, origins: [home.origin] }, onFetch);
        const headers = { cookie: "c=1", "x-shape": "round" };
        const { config } = await client.post(`${home.origin}/start`, "text", { params: { a: 1 }, headers });
        const token = await tokenOf(scene.manager);
        expect(authorizations(home)).toEqual([token, token, undefined]);
        expect(home.received.map(({ path }) => path)).toEqual(["/start?a=1", "/again", "/back"]);
        expect(stranger.received).toMatchObject([
          { authorization: undefined, method: "POST", body: "text", headers: { "x-shape": "round" } },
        ]);
        expect(stranger.received[0]?.headers.cookie).toBeUndefined();
        // The caller's own config, whatever became of the request.
        expect(config).toMatchObject({ url: `${home.origin}/start`, params: { a: 1 }, data: "text" });
        expect(config.fetchOptions).toBeUndefined();
      });

      test.for([{ maxRedirects: 0 }, { fetchOptions: { redirect: "manual" } }] as const)(
        "%j gives the redirect to the caller",
        async (config) => {
          await using scene = await startScene();
          await using home = await record((_request, response) =>
            response.writeHead(302, { location: "/end" }).end(),
          );
          const client = clientOf({ manager: scene.manager, origins: [home.origin] }, onFetch);
          const error = (await failure(client.get(home.origin, config as never))) as AxiosError;
          expect(error.response?.status).toBe(302);
          expect(home.received.length).toBe(1);
        },
      );

      test("after twenty of them the request fails", async () => {
        await using scene = await startScene();
        await using home = await record((_request, response) =>
          response.writeHead(302, { location: "/again" }).end(),
        );
        const client = clientOf({ manager: scene.manager, origins: [home.origin] }, onFetch);
        const error = (await failure(client.get(home.origin))) as AxiosError;
        expect(error).toMatchObject({ message: "More than 20 redirects", config: { url: home.origin } });
        expect(isAxiosError(error)).toBe(true);
        expect(home.received.length).toBe(21);
      });

      test("one that leads nowhere is an error of axios, with the caller's own config", async () => {
        await using scene = await startScene();
        await using home = await record((_request, response) =>
          response.writeHead(302, { location: "ftp://127.0.0.1/a" }).end(),
        );
        const client = clientOf({ manager: scene.manager, origins: [home.origin] }, onFetch);
        const error = (await failure(client.get(home.origin))) as AxiosError;
        expect(isAxiosError(error)).toBe(true);
        expect(error.config?.url).toBe(home.origin);
        expect(printed(error)).not.toContain(await tokenOf(scene.manager));
      });

      test("a timeout is that of all hops together", async () => {
        await using scene = await startScene();
        await using home = await record(({ path }, response) => {
          vi.advanceTimersByTime(400);
          if (path === "/end") response.end();
          else response.writeHead(302, { location: "/end" }).end();
        });
        await scene.manager.getToken();
        const timeouts: unknown[] = [];
        const adapter: AxiosAdapter = (config) => {
          timeouts.push(config.timeout);
          return axios.getAdapter("fetch")(config);
        };
        const client = clientOf({ manager: scene.manager, origins: [home.origin] }, { adapter });
        vi.useFakeTimers({ toFake: ["performance"] });
        try {
          await client.get(home.origin, { timeout: 60_000 });
          await client.get(home.origin);
        } finally {
          vi.useRealTimers();
        }
        expect(timeouts).toEqual([60_000, 59_600, 0, 0]);
      });

      test("a header that is false stays away on each hop", async () => {
        await using scene = await startScene();
        await using home = await record(({ path }, response) => {
          if (path === "/end") response.end();
          else response.writeHead(302, { location: "/end" }).end();
        });
        const client = clientOf({ manager: scene.manager, origins: [home.origin] }, onFetch);
        await client.get(home.origin, { headers: { "User-Agent": false } as never });
        const [first, ...others] = home.received.map(({ headers }) => headers["user-agent"]);
        expect(first).not.toContain("axios");
        expect(others).toEqual([first]);
      });

      // Axios 1.12 began to ask for these; before it they change nothing.
      test("also by a fetch that is not to be given a Request", async () => {
        await using scene = await startScene();
        await using home = await record(({ path }, response) => {
          if (path === "/v1/end") response.end("done");
          else response.writeHead(302, { location: "end" }).end();
        });
        const env = { fetch: (...call: Parameters<typeof fetch>) => fetch(...call), Request: null };
        const client = clientOf({ manager: scene.manager, origins: [home.origin] }, {
          ...onFetch,
          env,
        } as never);
        expect((await client.get(`${home.origin}/v1/start`)).data).toBe("done");
        const token = await tokenOf(scene.manager);
        expect(authorizations(home)).toEqual([token, token]);
      });

      test("a request is replayed once, however many hops it has", async () => {
        await using scene = await startScene();
        await using home = await record(({ path }, response) => {
          if (path === "/end" || home.received.length === 1) response.writeHead(401).end();
          else response.writeHead(302, { location: "/end" }).end();
        });
        const client = clientOf({ manager: scene.manager, origins: [home.origin] }, onFetch);
        const error = (await failure(client.get(`${home.origin}/start`))) as AxiosError;
        expect(error.response?.status).toBe(401);
        expect(home.received.map(({ path }) => path)).toEqual(["/start", "/start", "/end"]);
      });
    });

    describe("bodies and streams", () => {
      test("a form of the platform is replayed whole, one of the form-data package never", async () => {
        await using scene = await startScene();
        const client = clientOf({ manager: scene.manager, origins: [scene.emulator.url] });
        await scene.manager.getToken();
        scene.emulator.revokeAll();
        const form = new FormData();
        form.append("field", "of the platform");
        const { data } = await client.post(scene.resource, form);
        expect(data).toMatchObject({ body: expect.stringContaining("of the platform") });
        expect(scene.emulator.counters).toMatchObject({ grants: 2, resourceRequests: 2 });

        const { manager } = await renewed(scene);
        const another = clientOf({ manager, origins: [scene.emulator.url] });
        scene.emulator.revokeAll();
        const legacy = new LegacyFormData();
        legacy.append("field", "of the package");
        const error = (await failure(another.post(scene.resource, legacy))) as AxiosError;
        expect(error.response?.status).toBe(401);
        expect(scene.emulator.counters.resourceRequests).toBe(3);
      });

      test("a refused answer that is a stream is closed before the replay, and the good one arrives", async () => {
        await using scene = await startScene();
        await scene.manager.getToken();
        scene.emulator.revokeAll();
        const closed: boolean[] = [];
        const client = clientOf({ manager: scene.manager, origins: [scene.emulator.url] });
        const { default: http } = await import("node:http");
        const agent = new http.Agent({ keepAlive: true });
        const bodies: Readable[] = [];
        const inner = axios.getAdapter("http");
        const response = await client.get(scene.resource, {
          responseType: "stream",
          httpAgent: agent,
          adapter: async (config) => {
            closed.push(...bodies.map(({ destroyed }) => destroyed));
            try {
              return await inner(config);
            } catch (error) {
              bodies.push((error as AxiosError<Readable>).response?.data ?? Readable.from([]));
              throw error;
            }
          },
        });
        expect(closed).toEqual([true]);
        expect(JSON.parse(await text(response.data))).toMatchObject({ ok: true });
        agent.destroy();
      });

      test("a response that is a stream shows no token, nor does the error that ends it", async () => {
        await using scene = await startScene();
        await using recorder = await record(({ path }, response) => {
          response.writeHead(path === "/404" ? 404 : 200).write("the beginning");
          if (path !== "/endless") response.end();
        });
        const client = clientOf(
          { manager: scene.manager, origins: [recorder.origin] },
          { baseURL: recorder.origin, responseType: "stream" },
        );
        const token = await tokenOf(scene.manager);
        const accessToken = token.slice(7);
        const whole = await client.get("/200");
        expect(printed(whole)).not.toContain(accessToken);
        expect(await text(whole.data)).toBe("the beginning");
        expect(printed(whole)).not.toContain(accessToken);
        const unredirected = await client.get("/200", { maxRedirects: 0, decompress: false });
        expect(printed(unredirected)).not.toContain(accessToken);
        unredirected.data.resume();
        expect(printed(await failure(client.get("/404")))).not.toContain(accessToken);
        const controller = new AbortController();
        const endless = await client.get("/endless", { signal: controller.signal });
        const ending = failure(text(endless.data));
        controller.abort();
        expect(printed(await ending)).not.toContain(accessToken);
        expect(authorizations(recorder)).toEqual(Array(4).fill(token));
      });
    });

    describe("an agent of the caller's", () => {
      test("leads from no error and no response to requests that are on their way", async () => {
        await using scene = await startScene();
        await using recorder = await record(({ path }, response, { socket }) => {
          if (path === "/reset") socket.resetAndDestroy();
          else if (path !== "/late") response.writeHead(Number(path.slice(1))).end("{}");
        });
        const { default: http } = await import("node:http");
        const httpAgent = new http.Agent({ keepAlive: true });
        const client = clientOf(
          { manager: scene.manager, origins: [recorder.origin] },
          { baseURL: recorder.origin, httpAgent },
        );
        const { accessToken } = await scene.manager.getToken();
        const underWay = new AbortController();
        const late = failure(client.get("/late", { signal: underWay.signal }));
        await vi.waitUntil(() => recorder.received.length === 1);
        // The newer of the tested versions have a list of names that are not to be printed.
        const redact: Partial<AxiosRequestConfig> & { redact: string[] } = { redact: ["password"] };
        const seen: Record<string, unknown> = {
          200: await client.get("/200"),
          503: await failure(client.get("/503")),
          reset: await failure(client.get("/reset")),
          timeout: await failure(client.get("/late", { timeout: 50 })),
          redacting: await failure(client.get("/503", redact)),
          parsing: await failure(client.get("/200", { transformResponse: () => JSON.parse("no") })),
        };
        for (const [name, value] of Object.entries(seen))
          expect(printed(value).includes(accessToken), name).toBe(false);
        const { config } = seen[503] as AxiosError;
        expect(config?.httpAgent).toBe(httpAgent);
        const json: { config: object } = JSON.parse(JSON.stringify(seen[503]));
        expect(json.config).toMatchObject({ url: "/503", httpAgent: "[agent]" });
        underWay.abort();
        expect(printed(await late).includes(accessToken)).toBe(false);
        expect((await client.request({ ...config, url: "/200" })).status).toBe(200);
        httpAgent.destroy();
      });
    });

    describe("the wait for a token", () => {
      test("a signal and a cancel token end it for their caller, in axios' words", async () => {
        await using scene = await startScene();
        let release = () => {};
        const until = new Promise<void>((resolve) => {
          release = resolve;
        });
        scene.emulator.fault({ kind: "hold", until });
        const client = clientOf({ manager: scene.manager, origins: [scene.emulator.url] });
        const controller = new AbortController();
        const source = axios.CancelToken.source();
        const aborted = failure(client.get(scene.resource, { signal: controller.signal }));
        const cancelled = failure(client.get(scene.resource, { cancelToken: source.token }));
        const both = failure(
          client.get(scene.resource, {
            signal: controller.signal,
            cancelToken: axios.CancelToken.source().token,
          }),
        );
        const patient = client.get(scene.resource);
        await scene.emulator.until(({ tokenRequests }) => tokenRequests === 1);
        controller.abort();
        source.cancel("enough");
        expect(await aborted).toMatchObject({ code: "ERR_CANCELED", name: "CanceledError" });
        expect(await both).toMatchObject({ code: "ERR_CANCELED" });
        expect(await cancelled).toMatchObject({ code: "ERR_CANCELED", message: "enough" });
        expect(scene.emulator.counters.resourceRequests).toBe(0);
        release();
        expect((await patient).status).toBe(200);
        expect(scene.emulator.counters.tokenRequests).toBe(1);
      });

      test("a signal of another make than the platform's ends it too", async () => {
        await using scene = await startScene();
        const client = clientOf({ manager: scene.manager, origins: [scene.emulator.url] });
        // Of a class, as polyfills are: axios copies what is a plain object.
        const signal = new (class {
          aborted = false;
          readonly listeners = new Set<() => void>();
          addEventListener(_type: string, listener: () => void) {
            this.listeners.add(listener);
          }
          removeEventListener(_type: string, listener: () => void) {
            this.listeners.delete(listener);
          }
        })();
        expect((await client.get(scene.resource, { signal })).status).toBe(200);
        expect(signal.listeners.size).toBe(0);

        let release = () => {};
        const until = new Promise<void>((resolve) => {
          release = resolve;
        });
        await scene.manager.getToken().then((rejected) => {
          scene.emulator.fault({ kind: "hold", until });
          void scene.manager.getToken({ rejected }).catch(() => {});
        });
        const ended = failure(client.get(scene.resource, { signal }));
        await scene.emulator.until(({ tokenRequests }) => tokenRequests === 2);
        signal.aborted = true;
        for (const listener of signal.listeners) listener();
        expect(await ended).toMatchObject({ code: "ERR_CANCELED" });
        expect(scene.emulator.counters.resourceRequests).toBe(1);
        release();
      });

      test("axios' timeout is for each send, and does not end it", async () => {
        await using scene = await startScene();
        const until = new Promise<void>((resolve) => setTimeout(resolve, 400));
        scene.emulator.fault({ kind: "hold", until });
        const client = clientOf({ manager: scene.manager, origins: [scene.emulator.url] });
        expect((await client.get(scene.resource, { timeout: 300 })).status).toBe(200);
      });

      test("a failure of the manager reaches the caller as itself", async () => {
        await using scene = await startScene();
        scene.emulator.fault({ kind: "status", status: 400 });
        const client = clientOf({ manager: scene.manager, origins: [scene.emulator.url] });
        const error = await failure(client.get(scene.resource));
        expect(isIamError(error)).toBe(true);
        expect(isAxiosError(error)).toBe(false);
        expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED" });
      });
    });

    describe("other interceptors", () => {
      test.each([
        ["after", false],
        ["before", true],
      ])("each send of axios-retry, registered %s ours, carries the token of its time", async (_, before) => {
        await using scene = await startScene();
        await using recorder = await record((_request, response) =>
          response.writeHead(recorder.received.length < 3 ? 503 : 200).end("{}"),
        );
        let registrations = 0;
        const client = axios.create({ adapter: "http" });
        const register = () => iamAxios(client, { manager: scene.manager, origins: [recorder.origin] });
        if (!before) register();
        client.interceptors.request.use((config) => {
          registrations++;
          return config;
        });
        const old = await scene.manager.getToken();
        axiosRetry(client, {
          retries: 2,
          retryDelay: () => 1,
          onRetry: async (count) => {
            if (count === 1) await scene.manager.getToken({ rejected: old });
          },
        });
        if (before) register();
        expect((await client.get(recorder.origin)).status).toBe(200);
        const now = await tokenOf(scene.manager);
        expect(now).not.toBe(`Bearer ${old.accessToken}`);
        expect(authorizations(recorder)).toEqual([`Bearer ${old.accessToken}`, now, now]);
        expect(registrations).toBe(3);
      });

      test("an adapter that another interceptor puts in is the one that sends", async () => {
        await using scene = await startScene();
        await using recorder = await record();
        const seen: unknown[] = [];
        const client = clientOf({ manager: scene.manager, origins: [recorder.origin] });
        await client.get(recorder.origin, {
          adapter: async (config) => {
            seen.push(config.headers.get("authorization"), config.url);
            return { data: "{}", status: 200, statusText: "OK", headers: {}, config, request: {} };
          },
        });
        expect(seen).toEqual([await tokenOf(scene.manager), `${recorder.origin}/`]);
        expect(recorder.received).toEqual([]);
      });

      test("each request is sent by its own adapter, however alike the adapters of requests look", async () => {
        await using scene = await startScene();
        const client = clientOf({ manager: scene.manager, origins: [scene.emulator.url] });
        const named =
          (data: string): AxiosAdapter =>
          async (config) => ({ data, status: 200, statusText: "OK", headers: {}, config, request: {} });
        const [one, two] = [named("one"), named("two")];
        const adapters: NonNullable<AxiosRequestConfig["adapter"]>[] = [
          one,
          two,
          [one],
          [two],
          ["http"],
          [two, "http"],
          one,
        ];
        const seen = [];
        for (const adapter of adapters) seen.push((await client.get(scene.resource, { adapter })).data);
        expect(seen).toEqual([
          "one",
          "two",
          "one",
          "two",
          expect.objectContaining({ ok: true }),
          "two",
          "one",
        ]);
      });

      test("the names of adapters mean what axios means by them", async () => {
        await using scene = await startScene();
        await using recorder = await record();
        const client = clientOf({ manager: scene.manager, origins: [recorder.origin] });
        await client.get(recorder.origin, { adapter: ["none" as "http", "http"].slice(1) });
        expect(authorizations(recorder)).toEqual([await tokenOf(scene.manager)]);
        const own = await failure(axios.get(recorder.origin, { adapter: "none" }));
        const ours = await failure(client.get(recorder.origin, { adapter: "none" }));
        expect(String(ours)).toBe(String(own));
      });
    });

    describe("registration", () => {
      test("on an instance that was made with new Axios, which cannot make another", async () => {
        await using scene = await startScene();
        await using recorder = await record();
        const client = new axios.Axios({ ...axios.defaults, headers: {} }) as AxiosInstance;
        iamAxios(client, { manager: scene.manager, origins: [recorder.origin] });
        expect((await client.get(recorder.origin)).data).toEqual({ ok: true });
        expect(authorizations(recorder)).toEqual([await tokenOf(scene.manager)]);
      });

      test("twice is once, and eject takes it out", async () => {
        await using scene = await startScene();
        await using recorder = await record();
        const client = axios.create({ adapter: "http" });
        const options = { manager: scene.manager, origins: [recorder.origin] };
        const first = iamAxios(client, options);
        const second = iamAxios(client, options);
        expect([first, second].map(({ requestInterceptor }) => requestInterceptor)).toEqual([0, 1]);
        let asked = 0;
        const { getToken } = scene.manager;
        await getToken();
        scene.manager.peek = () => undefined;
        scene.manager.getToken = (...wanted) => {
          asked++;
          return getToken(...wanted);
        };
        await client.get(recorder.origin);
        expect(asked).toBe(1);
        first.eject();
        await client.get(recorder.origin);
        expect(asked).toBe(2);
        second.eject();
        await client.get(recorder.origin);
        const token = await tokenOf(scene.manager);
        expect(authorizations(recorder)).toEqual([token, token, undefined]);
      });

      test("what cannot work is refused, in words that name it", async () => {
        await using scene = await startScene();
        const { manager } = scene;
        const noManager = () => iamAxios(axios.create(), { manager: {} as TokenManager });
        expect(noManager).toThrow(expect.objectContaining({ code: "ERR_IAM_CONFIG" }));
        const noInstance = () => iamAxios({} as AxiosInstance, { manager });
        expect(noInstance).toThrow(expect.objectContaining({ code: "ERR_IAM_CONFIG" }));
        for (const old of ["0.27.2", "1.6.8", "2.0.0"]) {
          const foreign: AxiosStatic = Object.assign(axios.create(), axios, { VERSION: old });
          expect(() => iamAxios(foreign, { manager })).toThrow(
            `(@iam/axios) needs an instance of axios >=1.7 <2: this is axios ${old}.`,
          );
        }
        // As axios 0.27 makes them, with no version to be read.
        const created = axios.create();
        created.defaults.env = { FormData };
        expect(() => iamAxios(created, { manager })).toThrow("this is axios 0.x.");
        // Somebody has emptied its defaults, as @iam/ibm-sdk does.
        Reflect.deleteProperty(created.defaults, "env");
        expect(iamAxios(created, { manager })).toMatchObject({ requestInterceptor: 0 });
      });
    });

    test("the instance of another copy of axios keeps its own classes of errors and headers", async () => {
      await using scene = await startScene();
      const packageName = { "1.7.0": "axios-1-7", "1.18.1": "axios-1-18", "1.21.1": "axios" }[version];
      const copy: AxiosStatic = createRequire(import.meta.url)(packageName);
      expect(copy.AxiosHeaders).not.toBe(axios.AxiosHeaders);
      const client = copy.create({ adapter: "http", headers: { common: { Accept: "text/x" } } });
      iamAxios(client, { manager: scene.manager, origins: [scene.emulator.url] });
      await scene.manager.getToken();
      scene.emulator.revokeAll();
      const response = await client.post(scene.resource, { a: 1 });
      expect(response.data).toMatchObject({ ok: true, body: '{"a":1}' });
      expect(response.headers).toBeInstanceOf(copy.AxiosHeaders);
      expect(printed(response)).not.toContain((await scene.manager.getToken()).accessToken);
      const error = (await failure(client.get(`${scene.emulator.url}/nowhere`))) as AxiosError;
      expect(error).toBeInstanceOf(copy.AxiosError);
      expect(error.config?.url).toBe(`${scene.emulator.url}/nowhere`);
      expect(printed(error)).not.toContain((await scene.manager.getToken()).accessToken);
      expect(scene.emulator.counters).toMatchObject({ grants: 2 });
    });
  });
}

type LookupDone = (error: null, address: string, family: 4) => void;

/** A manager of its own, with a token: limits on how often one is replaced are not what is tested. */
async function renewed({ emulator }: Awaited<ReturnType<typeof startScene>>) {
  const { apiKeyGrant, createTokenManager } = await import("@iam/core");
  const manager = createTokenManager({
    grant: apiKeyGrant(emulator.apiKey),
    tokenEndpoint: emulator.url,
  });
  await manager.getToken();
  return { manager };
}

test("axios-cache-interceptor answers from its cache, and what it asks for has the token", async () => {
  const { axios, iamAxios } = await loadAxios("1.21.1");
  await using scene = await startScene();
  const client = axios.create({ adapter: "http" });
  iamAxios(client, { manager: scene.manager, origins: [scene.emulator.url] });
  const cached = setupCache(client);
  const first = await cached.get(scene.resource);
  const second = await cached.get(scene.resource);
  expect([first.cached, second.cached]).toEqual([false, true]);
  expect(second.data).toEqual(first.data);
  expect(scene.emulator.counters.resourceRequests).toBe(1);
});
