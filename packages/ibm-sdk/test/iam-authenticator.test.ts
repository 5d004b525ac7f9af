import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { isIamError } from "@iam/core";
import axios from "axios";
import { IamAuthenticator as OfficialAuthenticator } from "ibm-cloud-sdk-core";
import { describe, expect, onTestFinished, test } from "vitest";
import { type IamAuthenticatorOptions, iamAuthenticator } from "../src/index.ts";
import { ResourceService, scene, streamOf } from "./scene.ts";

const statuses = (emulator: { counters: { resourceRequestsByStatus: unknown } }) =>
  emulator.counters.resourceRequestsByStatus;

describe("a service of IBM's SDK with our authenticator", () => {
  test("gets a token once and sends it with every request", async () => {
    const { emulator, service } = await scene();
    const { status, result } = await service.read("/resource/things");
    expect(status).toBe(200);
    expect(result).toMatchObject({ ok: true, path: "/resource/things", method: "GET" });
    await Promise.all(Array.from({ length: 50 }, () => service.read("/resource")));
    expect(emulator.counters).toMatchObject({ grants: 1, resourceRequestsByStatus: { 200: 51 } });
  });

  test("shares its token with other services, and with the manager's other clients", async () => {
    const { emulator, manager, service } = await scene();
    const other = new ResourceService({
      authenticator: iamAuthenticator({ manager }),
      serviceUrl: emulator.url,
    });
    await Promise.all([service.read("/resource"), other.read("/resource"), manager.getToken()]);
    expect(emulator.counters.grants).toBe(1);
  });

  test("replaces a revoked token and repeats the request: the caller sees no 401", async () => {
    const { emulator, service } = await scene();
    await service.read("/resource");
    emulator.revokeAll();
    const { status, result } = await service.write("/resource/orders", { item: 1 });
    expect(status).toBe(200);
    expect(result).toMatchObject({ method: "POST", body: '{"item":1}', content_type: "application/json" });
    expect(emulator.counters).toMatchObject({ grants: 2, resourceRequestsByStatus: { 200: 2, 401: 1 } });
  });

  test("in place of IBM's own authenticator: that one fails with the same revoked token for the rest of the hour", async () => {
    const { emulator } = await scene();
    const authenticator = new OfficialAuthenticator({ apikey: emulator.apiKey, url: emulator.url });
    const service = new ResourceService({ authenticator, serviceUrl: emulator.url });
    await service.read("/resource");
    emulator.revokeAll();
    await expect(service.read("/resource")).rejects.toMatchObject({ status: 401 });
    await expect(service.read("/resource")).rejects.toMatchObject({ status: 401 });
    expect(emulator.counters.grants).toBe(1);
  });

  test("asks for one more token, however many requests a revocation meets", async () => {
    const { emulator, service } = await scene();
    await service.read("/resource");
    emulator.revokeAll();
    await Promise.all(Array.from({ length: 20 }, () => service.read("/resource")));
    expect(emulator.counters.grants).toBe(2);
    expect(emulator.counters.resourceRequestsByStatus[200]).toBe(21);
  });

  test("gives a 401 that stays as the SDK does, without the token in it", async () => {
    const { emulator, manager, service } = await scene();
    emulator.fault({ kind: "status", status: 401 }, { target: "resource", times: 2 });
    const failure = await service.read("/resource").catch((error: unknown) => error);
    expect(failure).toMatchObject({ status: 401, message: "Access is denied due to invalid credentials." });
    const { accessToken } = await manager.getToken();
    expect(inspect(failure, { depth: Infinity, showHidden: true })).not.toContain(accessToken);
    expect(statuses(emulator)).toEqual({ 401: 2 });
  });

  test("does not repeat a request with replay: false, and has another token for the next", async () => {
    const { emulator, service } = await scene({ authenticator: { replay: false } });
    await service.read("/resource");
    emulator.revokeAll();
    await expect(service.read("/resource")).rejects.toMatchObject({ status: 401 });
    await service.read("/resource");
    expect(statuses(emulator)).toEqual({ 200: 2, 401: 1 });
  });

  test.for([
    [
      "a stream",
      (service: ResourceService) =>
        service.write("/resource", streamOf("body"), { "Content-Type": "text/plain" }),
    ],
    [
      "a form with a file that is a stream",
      (service: ResourceService) => service.upload("/resource", streamOf("body")),
    ],
  ] as const)(
    "never sends %s twice: its 401 is the answer, and the next request has a new token",
    async ([, send]) => {
      const { emulator, service } = await scene();
      await service.read("/resource");
      emulator.revokeAll();
      await expect(send(service)).rejects.toMatchObject({ status: 401 });
      expect((await send(service)).result).toMatchObject({ body: expect.stringContaining("body") });
      expect(statuses(emulator)).toEqual({ 200: 2, 401: 1 });
    },
  );

  test("sends a compressed body again byte for byte", async () => {
    const { emulator, service } = await scene({ service: { enableGzipCompression: true } });
    const sizes: number[] = [];
    emulator.onRequest(({ type, entry }) => {
      if (type === "received" && entry.target === "resource") sizes.push(entry.bodyBytes);
    });
    emulator.fault({ kind: "status", status: 401 }, { target: "resource" });
    const { status } = await service.write("/resource", { text: "a".repeat(10_000) });
    expect(status).toBe(200);
    expect(sizes).toHaveLength(2);
    expect(sizes[0]).toBe(sizes[1]);
    expect(sizes[0]).toBeLessThan(200);
  });

  test("retries as the SDK does when retries are on, each time with a current token", async () => {
    const { emulator, service } = await scene();
    service.enableRetries({ maxRetries: 3, maxRetryInterval: 0.001 });
    emulator.fault({ kind: "status", status: 503 }, { target: "resource" });
    emulator.onRequest(({ type, entry }) => {
      if (type === "ended" && entry.status === 503) emulator.revokeAll();
    });
    expect((await service.read("/resource")).status).toBe(200);
    expect(statuses(emulator)).toEqual({ 200: 1, 401: 1, 503: 1 });
    expect(emulator.counters.grants).toBe(2);
  });

  test("gives up retrying when the SDK would", async () => {
    const { emulator, service } = await scene();
    service.enableRetries({ maxRetries: 2, maxRetryInterval: 0.001 });
    emulator.fault({ kind: "status", status: 503 }, { target: "resource", times: 10 });
    await expect(service.read("/resource")).rejects.toMatchObject({ status: 503 });
    expect(statuses(emulator)).toEqual({ 503: 3 });
  });

  test("fails with our typed error when there is no token, not with the SDK's words", async () => {
    const { emulator, service } = await scene({ manager: { deadlineMs: 50 } });
    emulator.fault({ kind: "hang" }, { times: 5 });
    const failure = await service.read("/resource").catch((error: unknown) => error);
    expect(isIamError(failure)).toBe(true);
    expect(failure).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", retryable: true });
    expect(emulator.counters.resourceRequests).toBe(0);
  });

  test("stops waiting for a token when the caller aborts", async () => {
    const { emulator, service } = await scene();
    emulator.fault({ kind: "hang" });
    const controller = new AbortController();
    const read = service.read("/resource", {}, controller.signal);
    await emulator.until(({ tokenRequests }) => tokenRequests === 1);
    controller.abort(new Error("enough"));
    await expect(read).rejects.toThrow("enough");
  });

  test.for(["Authorization", "authorization"])("leaves a header %s of the caller's alone", async (name) => {
    const { emulator, service } = await scene();
    await expect(service.read("/resource", { [name]: "Bearer mine" })).rejects.toMatchObject({ status: 401 });
    expect(emulator.counters).toMatchObject({ tokenRequests: 0, resourceRequests: 1 });
  });

  test("keeps the settings of the service: headers, interceptors, and an adapter of the user's own", async () => {
    const { emulator, manager } = await scene();
    let sentBy: string | undefined;
    const service = new ResourceService({
      authenticator: iamAuthenticator({ manager }),
      serviceUrl: emulator.url,
      adapter: async (config: { url: string; headers: { get(name: string): string } }) => {
        sentBy = config.headers.get("X-Mine");
        const response = await fetch(config.url, {
          headers: { authorization: config.headers.get("Authorization") },
        });
        return { status: response.status, statusText: "", headers: {}, config, data: await response.json() };
      },
    });
    service.getHttpClient().interceptors.request.use((config) => {
      config.headers.set("X-Mine", "yes");
      return config;
    });
    expect((await service.read("/resource")).result).toMatchObject({ ok: true });
    expect(sentBy).toBe("yes");
  });

  test("shows no token to interceptors of responses, on success and on failure", async () => {
    const { emulator, manager, service } = await scene();
    // As they are then: the SDK takes things away later.
    const seen: { url: string | undefined; text: string }[] = [];
    const see = (answer: { config: { url?: string } }) => {
      seen.push({ url: answer.config.url, text: inspect(answer, { depth: Infinity, showHidden: true }) });
    };
    service.getHttpClient().interceptors.response.use(
      (response) => {
        see(response);
        return response;
      },
      (error) => {
        see(error);
        throw error;
      },
    );
    await service.read("/resource");
    await service.read("/nowhere").catch(() => {});
    expect(seen.map(({ url }) => url)).toEqual([`${emulator.url}/resource`, `${emulator.url}/nowhere`]);
    const { accessToken } = await manager.getToken();
    for (const { text } of seen) expect(text.includes(accessToken)).toBe(false);
  });
});

describe("where the token may go", () => {
  test("is the service's own URL and IBM's, unless origins are given", async () => {
    const { emulator, manager } = await scene();
    const other = await emulator.listen();
    const to = (serviceUrl: string, options: Partial<IamAuthenticatorOptions> = {}) =>
      new ResourceService({ authenticator: iamAuthenticator({ manager, ...options }), serviceUrl });
    await to(other.url).read("/resource");
    await to(emulator.url, { origins: [emulator.url] }).read("/resource");
    const failure = await to(other.url, { origins: [emulator.url] })
      .read("/resource")
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: "IamError", code: "ERR_IAM_ORIGIN_NOT_ALLOWED" });
    await expect(
      to(other.url, { origins: [emulator.url], otherOrigins: "pass" }).read("/resource"),
    ).rejects.toMatchObject({
      status: 401,
    });
    expect(statuses(emulator)).toEqual({ 200: 2, 401: 1 });
  });

  test("is judged on the URL that is sent to, which an operation may choose", async () => {
    const { emulator, service } = await scene();
    const other = await emulator.listen();
    await expect(service.read(`${other.url}/resource`)).rejects.toThrow(`goes to "${other.url}"`);
    expect(emulator.counters.resourceRequests).toBe(0);
  });

  test("is not another service's URL, though both share one authenticator", async () => {
    const { emulator, manager } = await scene();
    const other = await emulator.listen();
    const authenticator = iamAuthenticator({ manager });
    const [one, two] = [emulator.url, other.url].map(
      (serviceUrl) => new ResourceService({ authenticator, serviceUrl }),
    );
    await one?.read("/resource");
    await two?.read("/resource");
    await expect(one?.read(`${other.url}/resource`)).rejects.toThrow("goes to");
  });

  test.for(["http://cloudant.example.com", "not a url", "https://user:secret@cloudant.example.com"])(
    "is not %s, and the error is typed",
    async (serviceUrl) => {
      const { emulator, manager } = await scene();
      const service = new ResourceService({ authenticator: iamAuthenticator({ manager }), serviceUrl });
      await expect(service.read("/resource")).rejects.toMatchObject({ code: "ERR_IAM_ORIGIN_NOT_ALLOWED" });
      expect(emulator.counters.tokenRequests).toBe(0);
    },
  );

  test("is not where a redirect leads", async () => {
    const { emulator, service } = await scene();
    const authorizations: (string | undefined)[] = [];
    const stranger = createServer((request, response) => {
      authorizations.push(request.headers.authorization);
      response.setHeader("content-type", "application/json").end("{}");
    });
    await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void stranger.close());
    const location = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}/`;
    emulator.fault({ kind: "redirect", location, status: 307 }, { target: "resource" });
    expect((await service.read("/resource")).status).toBe(200);
    expect(authorizations).toEqual([undefined]);
  });
});

describe("the authenticator itself", () => {
  test("puts the header on the options it is given, for code that sends them in another way", async () => {
    const { manager } = await scene();
    const { accessToken } = await manager.getToken();
    const options = { headers: { accept: "x" } };
    await iamAuthenticator({ manager }).authenticate(options);
    expect(options.headers).toEqual({ accept: "x", Authorization: `Bearer ${accessToken}` });
  });

  test("replaces its own header when the same options come again", async () => {
    const { emulator, manager } = await scene();
    const authenticator = iamAuthenticator({ manager });
    const options: { headers?: Record<string, string> } = {};
    await authenticator.authenticate(options);
    const first = options.headers?.Authorization;
    emulator.revokeAll();
    await manager.getToken({ rejected: first?.slice(7), origin: "https://x.cloud.ibm.com" });
    await authenticator.authenticate(options);
    expect(options.headers?.Authorization).toMatch(/^Bearer ey/);
    expect(options.headers?.Authorization).not.toBe(first);
  });

  test("repeats a request once, however often the options of it came by", async () => {
    const { emulator, manager } = await scene();
    const authenticator = iamAuthenticator({ manager });
    const options: { serviceUrl: string; headers?: Record<string, string>; axiosOptions?: object } = {
      serviceUrl: emulator.url,
    };
    for (let times = 0; times < 3; times++) await authenticator.authenticate(options);
    emulator.fault({ kind: "status", status: 401 }, { target: "resource", times: 9 });
    const { headers = {}, axiosOptions } = options;
    const sent = axios.get(`${emulator.url}/resource`, { ...axiosOptions, headers });
    await expect(sent).rejects.toMatchObject({ response: { status: 401 } });
    expect(statuses(emulator)).toEqual({ 401: 2 });
  });

  test("does not edit the headers that it was given", async () => {
    const { manager } = await scene();
    const headers = Object.freeze({ accept: "x" });
    await iamAuthenticator({ manager }).authenticate({ headers });
  });

  test("says that its type is iam, or another that services ask for", async () => {
    const { manager } = await scene();
    expect(iamAuthenticator({ manager }).authenticationType()).toBe("iam");
    expect(iamAuthenticator({ manager, authenticationType: "cp4d" }).authenticationType()).toBe("cp4d");
  });

  test.for<[string, unknown]>([
    ["nothing", undefined],
    ["no manager", {}],
    ["a manager of something else", { manager: { getToken() {} } }],
  ])("made of %s is ERR_IAM_CONFIG that shows how to make one", ([, options]) => {
    expect(() => iamAuthenticator(options as IamAuthenticatorOptions)).toThrow(
      /iamAuthenticator needs \{ manager/,
    );
  });

  test("refuses origins that cannot be, at once", async () => {
    const { manager } = await scene();
    expect(() => iamAuthenticator({ manager, origins: ["*"] })).toThrow(/origins/);
  });
});
