import { describe, expect, test } from "vitest";
import { TokenEndpointError } from "../src/errors.ts";
import { createTokenManager, passcodeGrant } from "../src/index.ts";
import { mayHaveArrived } from "../src/one-time.ts";
import { unreachable as unreachableError } from "../src/transport.ts";
import { failing, failureOf, hanging, ok, unreachable, world } from "./virtual-world.ts";

const wrong = failing(401, { body: { errorCode: "BXNIM0602E" } });

describe("a passcode", () => {
  test("that gave a token is not sent again when the token expires, and the error says what to do", async () => {
    const { manager, endpoint, clock } = world({ grant: passcodeGrant("code-1") });
    await manager.getToken();
    await clock.advance(3_600_000);
    const error = await failureOf(manager.getToken());
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG", retryable: false });
    expect(error.message).toMatch(
      /passcode has been sent before, and is good for one time\. Get a new one at https:/,
    );
    expect(error.message).not.toContain("code-1");
    expect(endpoint.requests).toHaveLength(1);
  });

  test("that was refused is not sent again, neither at once nor after the cool-down", async () => {
    const { manager, endpoint, clock } = world({ grant: passcodeGrant("code-1") });
    endpoint.script.push(wrong);
    const first = await failureOf(manager.getToken());
    expect(first).toMatchObject({ status: 401, errorCode: "BXNIM0602E", retryable: false });
    expect(first.message).toMatch(
      /HTTP 401, BXNIM0602E: the passcode is wrong, has been used or has expired; get a new one at https:\S+\.$/,
    );
    await clock.advance(2000);
    expect((await failureOf(manager.getToken())).message).toMatch(/BXNIM0602E.* Remembered/);
    await clock.advance(30_000);
    expect((await failureOf(manager.getToken())).message).toMatch(/has been sent before/);
    expect(endpoint.requests).toHaveLength(1);
  });

  test.for([
    ["no answer", hanging],
    ["a 503", failing(503)],
    ["an answer that holds no token", () => ok({ access_token: undefined })],
  ] as const)("whose fate is unknown after %s is not sent again", async ([, answer]) => {
    const { manager, endpoint, clock } = world({ grant: passcodeGrant("code-1") });
    endpoint.script.push(answer);
    const first = failureOf(manager.getToken());
    await clock.advance(4000);
    expect(await first).toMatchObject({ retryable: true });
    await clock.advance(1000);
    expect((await failureOf(manager.getToken())).message).toMatch(/has been sent before/);
    expect(endpoint.requests).toHaveLength(1);
  });

  test.for([
    ["no connection came about", unreachable],
    ["there were too many requests", failing(429)],
  ] as const)("that never arrived because %s is sent again by the next call", async ([, answer]) => {
    const { manager, endpoint, clock } = world({ grant: passcodeGrant("code-1") });
    endpoint.script.push(answer);
    await failureOf(manager.getToken());
    await clock.advance(1000);
    expect((await manager.getToken()).accessToken).toMatch(/^token-/);
    expect(endpoint.requests).toHaveLength(2);
  });

  test("is not sent by a second manager of the same grant either", async () => {
    const grant = passcodeGrant("code-1");
    const { manager, endpoint } = world({ grant });
    await manager.getToken();
    const other = createTokenManager({ grant, transport: async () => ok() });
    expect((await failureOf(other.getToken())).message).toMatch(/has been sent before/);
    expect(endpoint.requests).toHaveLength(1);
  });

  test("is not sent by two managers at the same time, however long the client's secret takes", async () => {
    const clientSecret = async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return "bx";
    };
    const grant = passcodeGrant("code-1", { clientId: "bx", clientSecret });
    const [one, other] = [world({ grant }), world({ grant })];
    const outcomes = await Promise.allSettled([one.manager.getToken(), other.manager.getToken()]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(one.endpoint.requests.length + other.endpoint.requests.length).toBe(1);
    // The one that came too late has not made the passcode good again.
    await one.clock.advance(3_600_000);
    expect((await failureOf(one.manager.getToken())).message).toMatch(/has been sent before/);
  });

  test("that was refused gives way to the next one of its function within a second", async () => {
    const codes = ["code-1", "code-2"];
    let asked = 0;
    const grant = passcodeGrant(() => codes[asked++] ?? "");
    const { manager, endpoint, clock } = world({ grant });
    endpoint.script.push(wrong);
    await failureOf(manager.getToken());
    await clock.advance(1000);
    await manager.getToken();
    // The person is asked once for each passcode: what was read to see whether it changed is what is sent.
    expect(asked).toBe(2);
    expect(endpoint.requests.map(({ body }) => new URLSearchParams(body).get("passcode"))).toEqual(codes);
  });

  test("that a person gives too late for one exchange is what the next one sends", async () => {
    let asked = 0;
    let give: (value: string) => void = () => {};
    const late = new Promise<string>((resolve) => {
      give = resolve;
    });
    const grant = passcodeGrant(() => {
      asked++;
      return late;
    });
    const { manager, endpoint, clock } = world({ grant });
    const first = failureOf(manager.getToken());
    await clock.advance(9000);
    expect(await first).toMatchObject({ retryable: true });
    give("code-1");
    await clock.advance(1000);
    expect(endpoint.requests).toHaveLength(0);
    await manager.getToken();
    expect([asked, endpoint.requests.length]).toEqual([1, 1]);
  });

  test("that could not be had is asked for again", async () => {
    let asked = 0;
    const grant = passcodeGrant(async () => {
      if (asked++ === 0) throw new Error("the window was closed");
      return "code-2";
    });
    const { manager } = world({ grant });
    expect(await failureOf(manager.getToken())).toMatchObject({ code: "ERR_IAM_CONFIG", retryable: true });
    await manager.getToken();
    expect(asked).toBe(2);
  });

  test("is not spent by a client secret that could not be read", async () => {
    let asked = 0;
    const clientSecret = () => {
      if (asked++ === 0) throw new Error("the vault is closed");
      return "bx";
    };
    const { manager, endpoint, clock } = world({
      grant: passcodeGrant("code-1", { clientId: "bx", clientSecret }),
    });
    await failureOf(manager.getToken());
    expect(endpoint.requests).toHaveLength(0);
    await clock.advance(1000);
    await manager.getToken();
    expect(endpoint.requests).toHaveLength(1);
  });
});

describe("a request may have arrived", () => {
  const lost = (code: string) =>
    unreachableError("https://iam.example.com", Object.assign(new Error("x"), { code }));
  const answered = (status: number) =>
    new TokenEndpointError("ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", "x", { status });

  test.for<[string, unknown, boolean]>([
    ["when it was refused", answered(400), true],
    ["when the server broke", answered(500), true],
    ["when there were too many", answered(429), false],
    ["when it was stopped here", new TokenEndpointError("ERR_IAM_TOKEN_REQUEST_BUDGET", "x"), false],
    ["when it was misconfigured", new TokenEndpointError("ERR_IAM_CONFIG", "x"), false],
    ["when it timed out", unreachableError("https://iam.example.com", undefined, "after 4 s"), true],
    ["when the connection was cut", lost("ECONNRESET"), true],
    ["when the host did not answer in time", lost("ETIMEDOUT"), true],
    ["when the connection was refused", lost("ECONNREFUSED"), false],
    ["when Bun's connection was refused", lost("ConnectionRefused"), false],
    ["when the connection timed out", lost("UND_ERR_CONNECT_TIMEOUT"), false],
    ["when the name did not resolve", lost("ENOTFOUND"), false],
    ["when no name resolved", lost("EAI_AGAIN"), false],
    ["when the certificate had expired", lost("CERT_HAS_EXPIRED"), false],
    ["when the certificate was another's", lost("ERR_TLS_CERT_ALTNAME_INVALID"), false],
    ["when nobody vouched for the certificate", lost("UNABLE_TO_VERIFY_LEAF_SIGNATURE"), false],
    ["when something else was thrown", new TypeError("ECONNREFUSED"), true],
    ["when nothing was thrown", undefined, true],
  ])("%s: %s", ([, error, expected]) => {
    expect(mayHaveArrived(error)).toBe(expected);
  });

  test("also below an error in the words of a grant", () => {
    const outer = new TokenEndpointError("ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", "x", {
      cause: lost("ECONNREFUSED"),
    });
    expect(mayHaveArrived(outer)).toBe(false);
  });
});
