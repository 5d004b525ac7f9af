import { createServer, request as send } from "node:http";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { isIamError, systemClock, type TokenManagerEvent, type TokenManagerOptions } from "@iam/core";
import type { RunningEmulator } from "@iam/emulator";
import cos from "ibm-cos-sdk";
import { describe, expect, onTestFinished, test } from "vitest";
import { cosTokenManager, type IamCosOptions, iamCos } from "../src/cos.ts";
import { scene, streamOf } from "./scene.ts";

/** What the SDK's own types leave out. */
type S3Options = cos.S3.ClientConfiguration & { tokenManager?: unknown };

/** The emulator's resource as a bucket: errors in XML, and nothing where the resource would echo what it was sent. */
async function bucketOf({ url }: RunningEmulator): Promise<string> {
  const server = createServer((incoming, outgoing) => {
    const { method, headers } = incoming;
    const forward = send(`${url}/resource${incoming.url}`, { method, headers }, (answer) => {
      const { statusCode = 500 } = answer;
      if (statusCode === 200 && method === "GET") {
        outgoing.writeHead(statusCode, answer.headers);
        answer.pipe(outgoing);
        return;
      }
      const { "content-length": length, "content-type": type, ...rest } = answer.headers;
      outgoing.writeHead(statusCode, rest);
      const body = `<Error><Code>Status${statusCode}</Code><Message>HTTP ${statusCode}</Message></Error>`;
      answer.resume().on("end", () => outgoing.end(statusCode >= 400 ? body : ""));
    });
    incoming.pipe(forward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The COS SDK as published, over the emulator. */
async function store(
  options: Partial<IamCosOptions> & S3Options = {},
  managerOptions: Partial<TokenManagerOptions> = {},
) {
  const { emulator, manager } = await scene({ manager: managerOptions });
  const endpoint = await bucketOf(emulator);
  const usual = { endpoint, s3ForcePathStyle: true, retryDelayOptions: { base: 1 } };
  const s3 = iamCos(cos.S3, { manager, ...usual, ...options });
  return { emulator, manager, endpoint, s3 };
}

const object = { Bucket: "bucket", Key: "key" };
const statuses = (emulator: { counters: { resourceRequestsByStatus: unknown } }) =>
  emulator.counters.resourceRequestsByStatus;
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("the COS SDK with our token manager as its own", () => {
  async function tokenManaged(managerOptions: Partial<TokenManagerOptions> = {}) {
    const { emulator, manager } = await scene({ manager: managerOptions });
    const tokenManager = cosTokenManager({ manager });
    const options: S3Options = { endpoint: await bucketOf(emulator), s3ForcePathStyle: true, tokenManager };
    return { emulator, manager, tokenManager, s3: new cos.S3(options) };
  }

  test("gets a token once for any number of requests", async () => {
    const { emulator, s3 } = await tokenManaged();
    await Promise.all(Array.from({ length: 20 }, () => s3.putObject({ ...object, Body: "text" }).promise()));
    const { Body } = await s3.getObject(object).promise();
    expect(JSON.parse(`${Body}`)).toMatchObject({ ok: true, path: "/resource/bucket/key" });
    expect(emulator.counters).toMatchObject({ grants: 1, resourceRequestsByStatus: { 200: 21 } });
  });

  test("asks again when the token has expired", async () => {
    const { emulator, manager, s3 } = await tokenManaged();
    await s3.headObject(object).promise();
    const rejected = await manager.getToken();
    emulator.revokeAll();
    await manager.getToken({ rejected, origin: "https://elsewhere.example.com" });
    await s3.headObject(object).promise();
    expect(emulator.counters).toMatchObject({ grants: 2, resourceRequestsByStatus: { 200: 2 } });
  });

  test("goes on with a token that is about to expire while the token endpoint is silent", async () => {
    let ahead = 0;
    const clock = { ...systemClock, monotonicNow: () => systemClock.monotonicNow() + ahead };
    const { emulator, s3 } = await tokenManaged({ clock });
    await s3.headObject(object).promise();
    ahead = 3_400_000;
    emulator.fault({ kind: "hang" });
    await s3.headObject(object).promise();
    expect(emulator.counters).toMatchObject({ grants: 1, resourceRequestsByStatus: { 200: 2 } });
  });

  test("lets the SDK put its own words into no error that others get too", async () => {
    const { emulator, manager, s3 } = await tokenManaged();
    emulator.fault({ kind: "refuse", errorCode: "BXNIM0415E" });
    const [ours, theirs] = await Promise.all([
      failureOf(manager.getToken()),
      failureOf(s3.headObject(object).promise()),
    ]);
    expect(theirs).toMatchObject({ code: "CredentialsError" });
    expect(ours).toMatchObject({
      code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
      message: expect.stringMatching(/BXNIM0415E/),
    });
    expect(ours).not.toHaveProperty("originalError");
  });

  test("has a token that is fresh, and says so", async () => {
    const { manager, tokenManager } = await tokenManaged();
    expect(tokenManager.token).toBeUndefined();
    expect(() => tokenManager.getToken()).toThrow(/there is no token yet/);
    const token = await tokenManager.refreshToken();
    const { accessToken, expiresAt } = await manager.getToken();
    expect(token).toMatchObject({ tokenType: "Bearer", expiration: new Date(expiresAt ?? 0) });
    expect(tokenManager.getToken().accessToken).toBe(accessToken);
    expect([token?.isExpired(), tokenManager.token?.isExpired()]).toEqual([false, false]);
    const everything = { depth: Infinity, showHidden: true, getters: true };
    expect(inspect(tokenManager, everything)).not.toContain(accessToken);
    expect(inspect(token, everything)).not.toContain(accessToken);
    expect(JSON.stringify(token)).not.toContain(accessToken);
  });

  test("replaces its token when the SDK forces it to, and the old one is expired then", async () => {
    const { emulator, tokenManager } = await tokenManaged();
    const first = await tokenManager.refreshToken();
    const second = await tokenManager.refreshToken(null, true);
    expect(second?.accessToken).not.toBe(first?.accessToken);
    expect([first?.isExpired(), second?.isExpired()]).toEqual([true, false]);
    expect(emulator.counters.grants).toBe(2);
  });

  test.for<[string, (callback: (error: unknown, token?: unknown) => void) => unknown[]]>([
    ["first", (callback) => [callback]],
    ["second", (callback) => [{}, callback]],
    ["third", (callback) => [null, null, callback]],
  ])("tells a callback that comes %s", async ([, argumentsWith]) => {
    const { emulator, tokenManager } = await tokenManaged();
    const told = () =>
      new Promise<unknown[]>((resolve) => {
        const refresh = tokenManager.refreshToken as (...args: unknown[]) => Promise<unknown>;
        void refresh(...argumentsWith((...args) => resolve(args)));
      });
    emulator.fault({ kind: "refuse", errorCode: "BXNIM0415E" });
    const [error] = await told();
    expect(isIamError(error)).toBe(true);
    expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED" });
  });

  test.for([undefined, {}])("needs a manager: %j is ERR_IAM_CONFIG", (options) => {
    expect(() => cosTokenManager(options as never)).toThrow(/cosTokenManager needs \{ manager/);
  });
});

describe("a COS client that iamCos made", () => {
  test("replaces a revoked token and repeats the request: the caller sees no 401", async () => {
    // What the SDK would wait before a retry of its own.
    const { emulator, s3 } = await store({ retryDelayOptions: { customBackoff: () => 60_000 } });
    await s3.headObject(object).promise();
    emulator.revokeAll();
    await s3.putObject({ ...object, Body: "text" }).promise();
    expect(emulator.counters).toMatchObject({ grants: 2, resourceRequestsByStatus: { 200: 2, 401: 1 } });
    const [refused, repeated] = emulator.log.filter(({ method }) => method === "PUT");
    expect([refused?.bodyBytes, repeated?.bodyBytes]).toEqual([4, 4]);
  });

  test("asks for one more token, however many requests a revocation meets", async () => {
    const { emulator, s3 } = await store();
    await s3.headObject(object).promise();
    emulator.revokeAll();
    await Promise.all(Array.from({ length: 20 }, () => s3.headObject(object).promise()));
    expect(emulator.counters.grants).toBe(2);
  });

  test("gives a 401 that stays to the caller after one repetition", async () => {
    const events: TokenManagerEvent[] = [];
    const { emulator, manager, s3 } = await store({}, { onEvent: (event) => events.push(event) });
    emulator.fault({ kind: "status", status: 401 }, { target: "resource", times: 9 });
    const failure = await failureOf(s3.getObject(object).promise());
    expect(failure).toMatchObject({ statusCode: 401 });
    expect(statuses(emulator)).toEqual({ 401: 2 });
    expect(events.filter(({ type }) => type === "token_rejected")).toHaveLength(1);
    const { accessToken } = await manager.getToken();
    expect(inspect(failure, { depth: Infinity, showHidden: true })).not.toContain(accessToken);
  });

  test("does not repeat a request when there is no other token to send", async () => {
    const { emulator, s3 } = await store();
    for (let times = 0; times < 2; times++) {
      await s3
        .headObject(object)
        .promise()
        .catch(() => {});
      emulator.revokeAll();
    }
    // The second within 5 s: the manager asks for no more than one in that time.
    expect(await failureOf(s3.headObject(object).promise())).toMatchObject({ statusCode: 401 });
    expect(statuses(emulator)).toEqual({ 200: 2, 401: 2 });
  });

  test("heals again once a store that refused everything has accepted a token", async () => {
    let ahead = 0;
    const clock = { ...systemClock, monotonicNow: () => systemClock.monotonicNow() + ahead };
    const { emulator, s3 } = await store({}, { clock });
    emulator.fault({ kind: "status", status: 401 }, { target: "resource", times: 2 });
    expect(await failureOf(s3.headObject(object).promise())).toMatchObject({ statusCode: 401 });
    ahead = 6_000;
    await s3.headObject(object).promise();
    emulator.revokeAll();
    await s3.headObject(object).promise();
    expect(statuses(emulator)).toEqual({ 200: 2, 401: 3 });
  });

  test("never repeats a request whose body is a stream: the next one has a new token", async () => {
    const { emulator, s3 } = await store();
    await s3.headObject(object).promise();
    emulator.revokeAll();
    const put = () => s3.putObject({ ...object, Body: streamOf("text"), ContentLength: 4 }).promise();
    expect(await failureOf(put())).toMatchObject({ statusCode: 401 });
    await put();
    expect(emulator.counters).toMatchObject({ grants: 2, resourceRequestsByStatus: { 200: 2, 401: 1 } });
  });

  test.for<[string, Partial<IamCosOptions> & S3Options]>([
    ["replay: false", { replay: false }],
    ["maxRetries: 0 of the SDK", { maxRetries: 0 }],
  ])("does not repeat a request with %s, and has another token for the next", async ([, options]) => {
    const { emulator, s3 } = await store(options);
    await s3.headObject(object).promise();
    emulator.revokeAll();
    expect(await failureOf(s3.headObject(object).promise())).toMatchObject({ statusCode: 401 });
    await s3.headObject(object).promise();
    expect(statuses(emulator)).toEqual({ 200: 2, 401: 1 });
  });

  test("retries as the SDK does, each time with a current token", async () => {
    const { emulator, s3 } = await store();
    emulator.fault({ kind: "status", status: 503 }, { target: "resource" });
    emulator.onRequest(({ type, entry }) => {
      if (type === "ended" && entry.status === 503) emulator.revokeAll();
    });
    await s3.headObject(object).promise();
    expect(statuses(emulator)).toEqual({ 200: 1, 401: 1, 503: 1 });
  });

  test("does not take a 403 for a 401", async () => {
    const { emulator, s3 } = await store();
    emulator.fault({ kind: "status", status: 403 }, { target: "resource" });
    expect(await failureOf(s3.headObject(object).promise())).toMatchObject({ statusCode: 403 });
    expect(emulator.counters).toMatchObject({ grants: 1, resourceRequestsByStatus: { 403: 1 } });
  });

  test.for<[string, (s3: cos.S3) => Promise<unknown>]>([
    ["a promise", (s3) => s3.upload({ ...object, Body: "text" }).promise()],
    ["a callback", (s3) => new Promise((resolve) => s3.upload({ ...object, Body: "text" }, resolve))],
    [
      "options and a callback",
      (s3) => new Promise((resolve) => s3.upload({ ...object, Body: "text" }, {}, resolve)),
    ],
  ])("repeats what upload sends, with %s", async ([, upload]) => {
    const { emulator, s3 } = await store();
    await upload(s3);
    emulator.revokeAll();
    await upload(s3);
    expect(statuses(emulator)).toEqual({ 200: 2, 401: 1 });
  });

  test("fails with our typed error when there is no token", async () => {
    const { emulator, s3 } = await store();
    emulator.fault({ kind: "refuse", errorCode: "BXNIM0415E" });
    for (const promise of [s3.headObject(object).promise(), s3.headObject(object).promise()]) {
      const failure = await failureOf(promise);
      expect(isIamError(failure)).toBe(true);
      expect(failure).toMatchObject({
        code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
        message: expect.stringMatching(/BXNIM0415E/),
      });
    }
    expect(emulator.counters).toMatchObject({ tokenRequests: 1, resourceRequests: 0 });
  });

  test("sends the token to no other origin", async () => {
    const { emulator, s3 } = await store({ origins: ["https://s3.example.com"] });
    const failure = await failureOf(s3.headObject(object).promise());
    expect(isIamError(failure)).toBe(true);
    expect(failure).toMatchObject({ code: "ERR_IAM_ORIGIN_NOT_ALLOWED" });
    expect(emulator.counters.resourceRequests).toBe(0);
  });

  test("sends the token nowhere that a redirect leads to", async () => {
    const { emulator, s3 } = await store();
    const other = await emulator.listen();
    emulator.fault(
      { kind: "redirect", location: `${other.url}/resource/bucket/key`, status: 307 },
      { target: "resource" },
    );
    expect(await failureOf(s3.headObject(object).promise())).toMatchObject({
      code: "ERR_IAM_ORIGIN_NOT_ALLOWED",
    });
    expect(statuses(emulator)).toEqual({ 307: 1 });
  });

  test("needs no token for a request that is to go without one", async () => {
    const { emulator, s3 } = await store();
    const failure = await failureOf(s3.makeUnauthenticatedRequest("headObject", object).promise());
    expect(failure).toMatchObject({ statusCode: 401 });
    expect(emulator.counters.tokenRequests).toBe(0);
  });

  test("names its instance where buckets are made", async () => {
    const { s3 } = await store({ serviceInstanceId: "crn:v1:cos" });
    const request = s3.createBucket({ Bucket: "bucket" });
    const named = new Promise((resolve) => {
      request.on("send", () => resolve(request.httpRequest.headers["Ibm-Service-Instance-Id"]));
    });
    await failureOf(request.promise());
    expect(await named).toBe("crn:v1:cos");
  });

  test.for<[string, unknown, unknown]>([
    ["without a manager", cos.S3, {}],
    ["without options", cos.S3, undefined],
    ["with the SDK in place of its class", cos, { manager: { getToken() {}, peek() {}, accepted() {} } }],
    [
      "with a replay that is a text",
      cos.S3,
      { manager: { getToken() {}, peek() {}, accepted() {} }, replay: "no" },
    ],
    ["with another class", class Other {}, { manager: { getToken() {}, peek() {}, accepted() {} } }],
  ])("%s is ERR_IAM_CONFIG", ([, S3, options]) => {
    expect(() => iamCos(S3 as typeof cos.S3, options as never)).toThrow(
      expect.objectContaining({ code: "ERR_IAM_CONFIG", message: expect.stringMatching(/iamCos/) }),
    );
  });

  test("leaves its owner the handler of requests, and keeps its own work", async () => {
    const { emulator, s3 } = await store();
    const seen: string[] = [];
    const client = s3 as unknown as {
      customizeRequests(handler: ((request: { operation: string }) => void) | null): void;
    };
    client.customizeRequests(({ operation }) => seen.push(operation));
    await s3.headObject(object).promise();
    client.customizeRequests(null);
    emulator.revokeAll();
    await s3.headObject(object).promise();
    expect(seen).toEqual(["headObject"]);
    expect(statuses(emulator)).toEqual({ 200: 2, 401: 1 });
  });

  test("shows no token when it is printed", async () => {
    const { manager, s3 } = await store();
    await s3.headObject(object).promise();
    const { accessToken } = await manager.getToken();
    expect(inspect(s3.config, { depth: Infinity, showHidden: true })).not.toContain(accessToken);
  });

  test.for(["https://s3.eu-de.cloud-object-storage.appdomain.cloud", "https://s3.example.com"])(
    "may send the token to the buckets of its endpoint %s",
    async (endpoint) => {
      const { manager } = await scene();
      const request = iamCos(cos.S3, { manager, endpoint }).getObject({ Bucket: "my-bucket", Key: "k" });
      const signed = new Promise<string>((resolve) => {
        // Signed, and stopped before it is sent.
        request.on("sign", () => {
          resolve(request.httpRequest.endpoint.host);
          throw new Error("signed");
        });
      });
      await failureOf(request.promise());
      expect(await signed).toBe(`my-bucket.${new URL(endpoint).host}`);
    },
  );
});
