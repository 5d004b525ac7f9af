import { Readable } from "node:stream";
import { CloudantV1 } from "@ibm-cloud/cloudant";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { iamAuthenticator } from "../src/index.ts";
import { scene } from "./scene.ts";

/** The Cloudant SDK as published, with a copy of the core of its own; the emulator's resource echoes what it sends. */
async function cloudant() {
  const { emulator, manager } = await scene();
  // The one line that changes.
  const authenticator = iamAuthenticator({ manager });
  const service = new CloudantV1({ authenticator, serviceUrl: `${emulator.url}/resource` });
  return { emulator, service };
}

describe("Cloudant's SDK with our authenticator", () => {
  test("calls its operations with one token", async () => {
    const { emulator, service } = await cloudant();
    const { status, result } = await service.putDocument({ db: "db", docId: "a", document: { text: "t" } });
    expect(status).toBe(200);
    expect(result).toMatchObject({ ok: true });
    await service.getServerInformation();
    const requests = emulator.log.filter(({ target }) => target === "resource");
    expect(requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "PUT /resource/db/a",
      "GET /resource",
    ]);
    expect(emulator.counters.grants).toBe(1);
  });

  test("goes on after a revocation, where IBM's authenticator would answer 401 for the rest of the hour", async () => {
    const { emulator, service } = await cloudant();
    await service.headDocument({ db: "db", docId: "a" });
    emulator.revokeAll();
    const { status } = await service.postDocument({ db: "db", document: { text: "t" } });
    expect(status).toBe(200);
    expect(emulator.counters).toMatchObject({ grants: 2, resourceRequestsByStatus: { 200: 2, 401: 1 } });
  });

  test("finds its URL in the environment by itself, in a service that newInstance makes", async () => {
    const { emulator, manager } = await scene();
    vi.stubEnv("CLOUDANT_URL", `${emulator.url}/resource`);
    onTestFinished(() => void vi.unstubAllEnvs());
    const service = CloudantV1.newInstance({ authenticator: iamAuthenticator({ manager }) });
    await service.getServerInformation();
    emulator.revokeAll();
    expect((await service.getServerInformation()).status).toBe(200);
  });

  test("still has its own errors, retries and streams", async () => {
    const { emulator, service } = await cloudant();
    service.enableRetries({ maxRetries: 1, maxRetryInterval: 0.001 });
    emulator.fault({ kind: "status", status: 503 }, { target: "resource" });
    const { result } = await service.postAllDocsAsStream({ db: "db" });
    if (!(result instanceof Readable)) throw new Error("Not a stream");
    const text = Buffer.concat(await result.toArray()).toString();
    expect(JSON.parse(text)).toMatchObject({ path: "/resource/db/_all_docs" });
    emulator.fault({ kind: "status", status: 409 }, { target: "resource" });
    await expect(service.getServerInformation()).rejects.toMatchObject({ status: 409, message: /HTTP 409/ });
  });

  test("repeats an attachment that is a stream byte for byte: this SDK compresses, and so reads it first", async () => {
    const { emulator, service } = await cloudant();
    await service.getServerInformation();
    emulator.revokeAll();
    const attachment = Readable.from([Buffer.from("text")]);
    const names = { db: "db", docId: "a", attachmentName: "b.txt" };
    const { result } = await service.putAttachment({ ...names, attachment, contentType: "text/plain" });
    expect(result).toMatchObject({ ok: true });
    const sent = emulator.log.filter(({ method }) => method === "PUT");
    expect(sent.map(({ status }) => status)).toEqual([401, 200]);
    expect(new Set(sent.map(({ bodyBytes }) => bodyBytes)).size).toBe(1);
    expect(sent[0]?.bodyBytes).toBeGreaterThan(20);
  });
});
