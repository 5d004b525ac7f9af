import { type ClientRequest, request } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { outgoingUrl, redirectedUrl } from "../src/outgoing-url.ts";

/** A request that is never sent. */
function outgoing(options: {
  host?: string;
  port?: number;
  socketPath?: string;
  header?: string;
}): ClientRequest {
  const { header, ...rest } = options;
  const made = request({ ...rest, ...(header !== undefined && { headers: { host: header } }) });
  made.on("error", () => {});
  onTestFinished(() => void made.destroy());
  made.destroy();
  return made;
}

test.each([
  ["text", "127.0.0.1", "http://127.0.0.1:8080/path", "http://127.0.0.1:8080"],
  ["a URL", "127.0.0.1", new URL("http://127.0.0.1:8080"), "http://127.0.0.1:8080"],
  ["parts", "127.0.0.1", { port: 8080 }, "http://127.0.0.1:8080"],
  ["parts with the port as text", "127.0.0.1", { port: "8080" }, "http://127.0.0.1:8080"],
  ["no port", "127.0.0.1", new URL("http://127.0.0.1"), "http://127.0.0.1"],
  ["an IPv6 address", "::1", { port: 8080 }, "http://[::1]:8080"],
  ["upper case", "LOCALHOST", { port: 80 }, "http://localhost"],
])("the origin of a target given as %s is that of the connection", (_, host, target, origin) => {
  expect(outgoingUrl(outgoing({ host, header: "evil.example.com" }), { target })?.origin).toBe(origin);
});

test("a Unix socket has no origin", () => {
  const unix = outgoing({ socketPath: "/nowhere/api.sock", header: "127.0.0.1" });
  expect(outgoingUrl(unix, { target: { port: 80 } })).toBeUndefined();
  expect(redirectedUrl(unix)).toBeUndefined();
});

test("a redirect's origin is that of its Host only when the connection goes there", () => {
  const there = outgoing({ host: "127.0.0.1", header: "127.0.0.1:8080" });
  expect(redirectedUrl(there)?.origin).toBe("http://127.0.0.1:8080");
  expect(redirectedUrl(outgoing({ host: "127.0.0.1", header: "evil.example.com" }))).toBeUndefined();
});
