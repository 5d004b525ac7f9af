import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseCommandLine } from "../src/command-line.ts";
import { paintFor, requestLine } from "../src/request-line.ts";
import { apiKeyGrantType, emulating, post } from "./emulating.ts";

function run(...args: string[]) {
  const file = new URL("../src/command.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [file, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const errors: string[] = [];
  child.stderr.on("data", (chunk) => errors.push(String(chunk)));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const until = async (pattern: RegExp) => {
    for (let next = await lines.next(); !next.done; next = await lines.next())
      if (pattern.test(next.value)) return next.value;
    throw new Error(`the command ended without ${pattern}: ${errors.join("")}`);
  };
  return { child, until, errors, ended: once(child, "exit") };
}

describe("the command", () => {
  test.for(["SIGINT", "SIGTERM"] as const)(
    "says where it listens, prints a line per request and ends cleanly on %s",
    { timeout: 20_000 },
    async (signal) => {
      const { child, until, ended } = run(
        "--port",
        "0",
        "--apikey",
        "k1",
        "--fault",
        "throttle,retryAfter=2",
      );
      const url = /http:\S+/.exec(await until(/URL/))?.[0] ?? "";
      expect(await until(/API key/)).toContain("k1");
      await until(/curl -s http.*identity\/token/);
      const fields = { grant_type: apiKeyGrantType, apikey: "k1" };
      expect((await post(url, fields)).headers.get("retry-after")).toBe("2");
      expect(await until(/POST/)).toMatch(
        /^\d\d:\d\d:\d\d 429 +POST +\/identity\/token · grant apikey, fault throttle$/,
      );
      expect((await post(url, fields)).status).toBe(200);
      expect(await until(/200/)).not.toContain("\u001b");
      child.kill(signal);
      expect(await ended).toEqual([0, null]);
    },
  );

  test("prints nothing but the URL when quiet", { timeout: 20_000 }, async () => {
    const { child, until, ended } = run("--port", "0", "--quiet");
    const url = await until(/./);
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    await post(url, {});
    child.kill("SIGTERM");
    await ended;
    await expect(until(/./)).rejects.toThrow("ended");
  });

  test("opens the metadata service when it is asked to", { timeout: 20_000 }, async () => {
    const { until } = run("--port", "0", "--metadata-port", "0");
    const url = /http:\S+/.exec(await until(/metadata/))?.[0] ?? "";
    const headers = { "metadata-flavor": "ibm" };
    const response = await fetch(`${url}/identity/v1/token?version=2025-08-26`, { method: "PUT", headers });
    expect(response.status).toBe(200);
  });

  test("refuses to listen beyond this machine, in one line", { timeout: 20_000 }, async () => {
    const { ended, errors } = run("--host", "0.0.0.0");
    expect(await ended).toEqual([1, null]);
    expect(errors.join("")).toMatch(/^iam-emulator: .*--allow-remote.*\n$/);
  });
});

test.for([
  ["a port for the metadata service that it cannot have", ["--metadata-port", "70000"], "port 70000"],
  ["a port that it cannot have", ["--port", "70000"], "port 70000"],
] as const)("the command ends with 1 and one line for %s", { timeout: 20_000 }, async ([, args, words]) => {
  const { ended, errors } = run("--port", "0", ...args);
  expect(await ended).toEqual([1, null]);
  expect(errors.join("")).toMatch(/^iam-emulator: .*\n$/);
  expect(errors.join("")).toContain(words);
});

test.for([
  ["throttle,retryafter=2", '"throttle" has no retryafter: it takes retryAfter'],
  ["status,status=abc", 'status of "status" is a whole number from 200 to 599'],
  ["status,status=503,times=0", 'times are a number, 1 or more, or "forever"'],
  ["status,status=503,times=often", 'times are a number, 1 or more, or "forever"'],
  ["delay,ms=-5", 'ms of "delay" is milliseconds, 0 or more'],
  ["reset,target=tokn", "target is one of token,"],
  ["rset", 'there is no fault "rset", only delay,'],
] as const)("the command says of --fault %s what is wrong", { timeout: 20_000 }, async ([fault, words]) => {
  const { ended, errors } = run("--port", "0", "--fault", fault);
  expect(await ended).toEqual([1, null]);
  expect(errors.join("")).toContain(words);
});

describe("the command line", () => {
  test("becomes options", () => {
    const args = [
      "-p",
      "1",
      "-k",
      "a",
      "-k",
      "b",
      "--expires-in",
      "60",
      "--control",
      "--cors",
      "--allow-remote",
    ];
    const { start, faults, quiet } = parseCommandLine(args, "1.0.0");
    expect(start).toEqual({
      port: 1,
      host: "127.0.0.1",
      apiKeys: ["a", "b"],
      expiresInS: 60,
      control: true,
      cors: true,
      allowRemote: true,
    });
    expect([faults, quiet]).toEqual([[], false]);
  });

  test("names the issuer, or makes it of the origin", () => {
    expect(parseCommandLine(["--issuer", "https://x.test"], "1").start.issuer).toBe("https://x.test");
    const { issuer } = parseCommandLine(["--issuer", "origin"], "1").start;
    expect(typeof issuer === "function" && issuer("http://a")).toBe("http://a/identity");
  });

  test("becomes a Retry-After that is a date", () => {
    const [{ fault } = { fault: undefined }] = parseCommandLine(["-f", "throttle,dateInS=30"], "1").faults;
    expect(fault).toEqual({ kind: "throttle", retryAfter: { dateInS: 30 } });
  });

  test("becomes faults, each with its options", () => {
    const one = "status,status=503,times=forever,target=resource,path=/resource/a";
    const two = "redirect,location=http://x.test/?a=b,times=2";
    expect(parseCommandLine(["-f", one, "-f", two], "1").faults).toEqual([
      {
        fault: { kind: "status", status: 503 },
        options: { times: "forever", target: "resource", path: "/resource/a" },
      },
      { fault: { kind: "redirect", location: "http://x.test/?a=b" }, options: { times: 2 } },
    ]);
  });
});

test("a request line has colours only for a terminal that wants them", async () => {
  const emulator = await emulating();
  emulator.fault({ kind: "status", status: 503 });
  await post(emulator.url, { grant_type: "password" });
  const [entry] = emulator.log;
  if (!entry) throw new Error("nothing was logged");
  expect(requestLine(entry, paintFor(true, {}))).toContain("\u001b[31m503");
  for (const [isTty, environment] of [
    [false, {}],
    [true, { NO_COLOR: "1" }],
    [true, { TERM: "dumb" }],
  ] as const)
    expect(requestLine(entry, paintFor(isTty, environment))).toMatch(
      /^\d\d:\d\d:\d\d 503 {7}POST {3}\/identity\/token · grant password, fault status$/,
    );
});
