import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { EmulatorError, isLoopback, startEmulator } from "../src/index.ts";
import { askToken, emulating, tokenOf } from "./emulating.ts";

describe("the server", () => {
  test("listens on loopback and a free port, and says where", async () => {
    const emulator = await emulating();
    expect(emulator.url).toBe(`http://127.0.0.1:${emulator.port}`);
    expect((await askToken(emulator)).status).toBe(200);
  });

  test.for(["0.0.0.0", "::", "example.com", "127.0.0.1.example.com", "localhost.example.com", "10.0.0.1"])(
    "refuses to listen on %s and says what to do",
    async (host) => {
      const error = await startEmulator({ host }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(EmulatorError);
      expect(error).toMatchObject({
        code: "ERR_EMULATOR_REMOTE",
        message: expect.stringContaining("allowRemote"),
      });
    },
  );

  test("listens elsewhere when it is allowed to, also for further listeners", async () => {
    const emulator = await emulating({ host: "0.0.0.0", allowRemote: true });
    expect((await fetch(`http://127.0.0.1:${emulator.port}/resource`)).status).toBe(401);
    await emulator.listen({ host: "0.0.0.0" });
    const careful = await emulating();
    await expect(careful.listen({ host: "0.0.0.0" })).rejects.toThrow("allowRemote");
  });

  test.for(["127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]", "LOCALHOST"])(
    "takes %s for this machine",
    (host) => {
      expect(isLoopback(host)).toBe(true);
    },
  );

  test("says when a port is taken", async () => {
    const { port } = await emulating();
    await expect(startEmulator({ port })).rejects.toMatchObject({
      code: "ERR_EMULATOR_LISTEN",
      message: expect.stringContaining(String(port)),
      cause: { code: "EADDRINUSE" },
    });
  });

  test("has several origins on one state", async () => {
    const emulator = await emulating();
    const other = await emulator.listen();
    expect(other.url).not.toBe(emulator.url);
    const token = await tokenOf(emulator);
    const response = await fetch(`${other.url}/resource`, { headers: { authorization: `Bearer ${token}` } });
    expect(response.status).toBe(200);
    expect(emulator.log.at(-1)?.origin).toBe(other.url);
  });

  test("closes all origins at once, with clients connected and silent", async () => {
    const emulator = await startEmulator();
    const other = await emulator.listen();
    const socket = connect(other.port, "127.0.0.1");
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => {});
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.write("POST /identity/token HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
    await emulator[Symbol.asyncDispose]();
    await closed;
    await expect(fetch(other.url)).rejects.toThrow();
    await expect(fetch(emulator.url)).rejects.toThrow();
    await emulator.close();
  });

  test("can be disposed of by the language", async () => {
    let url = "";
    {
      await using emulator = await startEmulator();
      url = emulator.url;
      expect((await fetch(url)).status).toBe(404);
    }
    await expect(fetch(url)).rejects.toThrow();
  });

  test("goes on when a fault sets what Node does not send, in the answer or in the one that says so", async () => {
    const emulator = await emulating();
    for (const set of [{ trailer: "x" }, { "content-length": "1", trailer: "x" }]) {
      emulator.fault({ kind: "headers", set }, { target: "keys" });
      const response = await fetch(`${emulator.url}/identity/keys`);
      expect([response.status, await response.text()]).toEqual([
        500,
        expect.stringContaining("itself failed"),
      ]);
    }
    expect((await fetch(`${emulator.url}/identity/keys`)).status).toBe(200);
  });

  test("answers a request that names no sensible host", async () => {
    const { port } = await emulating();
    const socket = connect(port, "127.0.0.1");
    socket.write("GET /identity/keys HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n");
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toContain("200 OK");
  });
});

test("options that make no sense are refused", async () => {
  await expect(startEmulator({ expiresInS: Number.NaN })).rejects.toMatchObject({
    code: "ERR_EMULATOR_OPTION",
  });
  await expect(startEmulator({ apiKeys: [""] })).rejects.toMatchObject({ code: "ERR_EMULATOR_OPTION" });
});
