import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { BearerError, type BearerErrorWord } from "@iam/core";
import { requireIam } from "@iam/express";
import express from "express";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";

/** One seed for all, so that a failure is the same everywhere; FUZZ_SEED and FUZZ_RUNS look further. */
const seed = Number(process.env.FUZZ_SEED ?? 20_260_101);
const numRuns = Number(process.env.FUZZ_RUNS ?? 1000);

/** A challenge by RFC 9110 section 11.6.1 and RFC 6750 section 3, read letter by letter; undefined when it is none. */
function readChallenge(text: string): Map<string, string> | undefined {
  const parameters = new Map<string, string>();
  if (!text.startsWith("Bearer")) return undefined;
  let at = "Bearer".length;
  for (let first = true; at < text.length; first = false) {
    const separator = first ? " " : ", ";
    if (!text.startsWith(separator, at)) return undefined;
    at += separator.length;
    const equals = text.indexOf('="', at);
    const name = text.slice(at, equals);
    const end = text.indexOf('"', equals + 2);
    if (equals < 0 || end < 0 || !/^[a-z_]+$/.test(name) || parameters.has(name)) return undefined;
    const value = text.slice(equals + 2, end);
    if ([...value].some((letter) => letter < " " || letter > "~" || letter === "\\")) return undefined;
    parameters.set(name, value);
    at = end + 1;
  }
  return parameters;
}

test("whatever a WWW-Authenticate is made of, it is one challenge with these parameters and nothing else", {
  timeout: 60_000,
}, () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom('", realm="evil', "\r\nSet-Cookie: a=b", '\\"', "plain words", "ünï"),
  );
  const word = fc.constantFrom<BearerErrorWord | undefined>(
    "invalid_request",
    "invalid_token",
    "insufficient_scope",
    undefined,
  );
  const option = fc.option(text, { nil: undefined });
  const property = fc.property(word, option, option, (error, description, scope) => {
    const { wwwAuthenticate, status } = new BearerError("x", { reason: "x", error, description, scope });
    const parameters = readChallenge(wwwAuthenticate);
    expect(parameters).toBeDefined();
    expect(parameters?.get("error")).toBe(error);
    expect([...(parameters?.keys() ?? [])]).toEqual(
      Object.entries({ error, error_description: description, scope }).flatMap(([name, value]) =>
        value === undefined ? [] : [name],
      ),
    );
    expect(new Headers({ "www-authenticate": wwwAuthenticate }).get("www-authenticate")).toBe(
      wwwAuthenticate.trim(),
    );
    expect(status).toBe(
      { invalid_request: 400, invalid_token: 401, insufficient_scope: 403 }[error ?? "invalid_token"],
    );
  });
  fc.assert(property, { seed, numRuns: numRuns / 2 });
});

/** RFC 6750 section 2.1, letter by letter: the token, or undefined for what is no credentials of it. */
function readCredentials(header: string): string | undefined {
  const text = header.replace(/^[ \t]+|[ \t]+$/g, "");
  if (text.slice(0, 6).toLowerCase() !== "bearer" || text[6] !== " ") return undefined;
  const token = text.slice(6).replace(/^ +/, "");
  let at = 0;
  while (/^[A-Za-z0-9\-._~+/]$/.test(token[at] ?? "")) at++;
  if (at === 0) return undefined;
  while (token[at] === "=") at++;
  return at === token.length ? token : undefined;
}

test("whatever comes as Authorization, only the token of RFC 6750 reaches the verifier, and anything else is refused", {
  timeout: 60_000,
}, async () => {
  const verified: string[] = [];
  const guard = requireIam({
    verifier: {
      async verify(token) {
        verified.push(token);
        return { sub: "somebody" };
      },
    },
  });
  const app = express()
    .set("env", "test")
    .use(guard, (_req, res) => void res.sendStatus(204));
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => {
    agent.destroy();
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const ask = async (authorization: string) => {
    const request = get({ port, host: "127.0.0.1", agent, headers: { authorization } });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    response.resume();
    await once(response, "end");
    return response;
  };

  const token = fc.stringMatching(/^[A-Za-z0-9\-._~+/]{1,30}={0,3}$/);
  const scheme = fc.constantFrom("Bearer", "bearer", "BEARER", "BeArEr", "Basic", "Bearer:", "Bear", "DPoP");
  const gap = fc.constantFrom(" ", "  ", "", "\t", " \t", ", ");
  const junk = fc.string({
    unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
  });
  const header = fc.oneof(
    fc.tuple(scheme, gap, token).map((parts) => parts.join("")),
    fc
      .tuple(scheme, gap, token, fc.constantFrom(" ", ",", "==", " x", "\u00e9", '"'), junk)
      .map((parts) => parts.join("")),
    junk,
  );
  let taken = 0;
  const property = fc.asyncProperty(header, async (text) => {
    fc.pre(!/[\u007f-\u009f]/.test(text));
    verified.length = 0;
    const expected = readCredentials(text);
    const { statusCode, headers } = await ask(text);
    expect(verified).toEqual(expected === undefined ? [] : [expected]);
    expect(statusCode).toBe(expected === undefined ? 401 : 204);
    if (expected === undefined) expect(readChallenge(String(headers["www-authenticate"]))).toBeDefined();
    else taken++;
  });
  await fc.assert(property, { seed, numRuns: numRuns / 2 });
  expect(taken).toBeGreaterThan(20);
});
