import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type StartOptions, startEmulator } from "@iam/emulator";
import { describe, expect, type TestContext, test } from "vitest";

const main = fileURLToPath(new URL("../../../examples/demo/src/main.ts", import.meta.url));

/** Runs the demo as a person does, with nothing of this process's terminal or environment. */
function runDemo(
  env: Record<string, string> = {},
  nodeArguments: string[] = [],
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [...nodeArguments, main],
      { env: { PATH: process.env.PATH, ...env }, timeout: 55_000 },
      (_, stdout, stderr) => resolve({ code: child.exitCode, output: stdout + stderr }),
    );
  });
}

/** An IAM that ends with the test. */
async function emulating({ onTestFinished }: TestContext, apiKeys: StartOptions["apiKeys"]) {
  const emulator = await startEmulator({ ...(apiKeys && { apiKeys }) });
  onTestFinished(() => emulator.close());
  return emulator;
}

/** Arguments for a module that runs before the demo does. */
function before(source: string): string[] {
  return ["--import", `data:text/javascript,${encodeURIComponent(source)}`];
}

const jwt = /eyJ[\w-]+\.[\w-]+/;

// By itself: what it shows is timed.
test("the demo shows five acts and a table in plain lines, and ends with 0", {
  timeout: 60_000,
}, async () => {
  const { code, output } = await runDemo();
  expect(output).not.toMatch(/✗|Not as it should be/);
  for (const act of ["1  First token", "2  Cached", "3  Refreshed in time", "4  Revoked", "5  Outage"])
    expect(output).toContain(` ${act}. `);
  expect(output.match(/ ✓ {2}/g)).toHaveLength(5);
  expect(output.match(/IAM answered 503;/g)).toHaveLength(2);
  expect(output).toMatch(/│ Grants +│ +4 │ tokens that IAM gave, for 6 token requests/);
  expect(output).toMatch(/│ Requests +│ +[\d,]{4,} │/);
  expect(output).toMatch(/│ Failures +│ +0 │/);
  expect(output).toMatch(/│ Longest wait +│ +[\d.]+ m?s │/);
  expect(output).not.toContain("\u001b");
  expect(output).not.toMatch(/ $/m);
  expect(output).not.toMatch(jwt);
  expect(output).not.toContain("emulator-user-api-key");
  expect(code).toBe(0);
});

describe.concurrent("the demo", { timeout: 60_000 }, () => {
  test("ends with 1 and says so when a request fails", async () => {
    const breakOne = `
      const { fetch } = globalThis;
      let calls = 0;
      globalThis.fetch = (input, init) =>
        String(input).endsWith("/resource") && ++calls === 7
          ? Promise.resolve(new Response(null, { status: 418 }))
          : fetch(input, init);`;
    const { code, output } = await runDemo({}, before(breakOne));
    expect(output).toMatch(/requests that failed \(the first: HTTP 418\):\s+0\s+expected,\s+1\s+counted/);
    expect(output).toMatch(/│ Failures +│ +1 │/);
    expect(code).toBe(1);
  });

  test("ends with 1 and says so when IAM is asked more often than promised", async () => {
    const askTwice = `
      const { fetch } = globalThis;
      globalThis.fetch = async (input, init) => {
        if (String(input).endsWith("/identity/token")) await fetch(input, init);
        return fetch(input, init);
      };`;
    const { code, output } = await runDemo({}, before(askTwice));
    expect(output).toMatch(/token requests for \d+ requests: 1\s+expected,\s+2\s+counted/);
    expect(code).toBe(1);
  });

  test("says who a token is for and when it expires, never the token or the key", async (context) => {
    const apiKey = "canary-key-4711";
    const emulator = await emulating(context, [apiKey]);
    const { code, output } = await runDemo({ IBMCLOUD_API_KEY: apiKey, IAM_URL: emulator.url });
    expect(output).toContain(`The key goes to ${emulator.url} (IAM_URL) and nowhere else.`);
    expect(output).toMatch(/│ Name +│ Ada Byron +│/);
    expect(output).toMatch(/│ iam_id +│ IBMid-270000EMUL +│/);
    expect(output).toMatch(/│ Account +│ 0123456789abcdef0123456789abcdef +│/);
    expect(output).toMatch(/│ Expires +│ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, in (60 min 0|59 min \d+) s │/);
    expect(output).not.toMatch(jwt);
    expect(output).not.toContain(apiKey);
    expect(emulator.counters.tokenRequests).toBe(1);
    expect(code).toBe(0);
  });

  test("shows names in a token without what a terminal would obey", async (context) => {
    const name = "\u001b]0;title\u0007ci\u202e";
    const emulator = await emulating(context, [
      { key: "any", owner: { kind: "serviceId", id: "ServiceId-1", name } },
    ]);
    const { output } = await runDemo({ IBMCLOUD_API_KEY: "any", IAM_URL: emulator.url });
    expect(output).toMatch(/│ Name +│ ci +│/);
    expect(output).not.toMatch(/[\u0007\u001b\u202e]/);
  });

  test("knows nothing of an opaque token but its expiry", async (context) => {
    const emulator = await emulating(context, ["any"]);
    emulator.fault({ kind: "opaque-token" });
    const { code, output } = await runDemo({ IBMCLOUD_API_KEY: "any", IAM_URL: emulator.url });
    expect(output).toMatch(/│ iam_id +│ \(the token does not say\) +│/);
    expect(output).not.toContain("opaque-");
    expect(code).toBe(0);
  });

  for (const { title, env, message } of [
    {
      title: "a key that IAM does not know",
      env: { IBMCLOUD_API_KEY: "canary-unknown" },
      message: /BXNIM0415E/,
    },
    { title: "an empty key", env: { IBMCLOUD_API_KEY: "" }, message: /API key.* empty/s },
    { title: "a padded key", env: { IBMCLOUD_API_KEY: " canary-padded" }, message: /white\s*space/ },
    {
      title: "an endpoint in the clear",
      env: { IBMCLOUD_API_KEY: "any", IAM_URL: "http://iam.test" },
      message: /IAM_URL: tokenEndpoint http:\/\/iam\.test must be https/,
    },
    {
      title: "an endpoint that is none",
      env: { IBMCLOUD_API_KEY: "any", IAM_URL: "" },
      message: /IAM_URL: tokenEndpoint must be/,
    },
    {
      title: "an endpoint with credentials",
      env: { IBMCLOUD_API_KEY: "any", IAM_URL: "https://us:canary@iam.test" },
      message: /IAM_URL: tokenEndpoint must be/,
    },
  ]) {
    test(`ends with 1 and the error's own text for ${title}`, async (context) => {
      const emulator = await emulating(context, ["known"]);
      const { code, output } = await runDemo({ IAM_URL: emulator.url, ...env });
      expect(output).toMatch(message);
      expect(output).toMatch(/\[ERR_IAM_\w+\]/);
      expect(output).not.toContain("canary");
      expect(code).toBe(1);
    });
  }
});
