import { describe, expect, test } from "vitest";
import { type Grant, mcspGrant, vpcInstanceGrant } from "../src/index.ts";
import { failing, failureOf, hanging, ok, unreachable, world } from "./virtual-world.ts";

const service = (code: string) => ({ errors: [{ code, message: "why" }], status_code: 400, trace: "t" });

describe("an instance", () => {
  test("gets its token in two steps, with the lifetime of the second", async () => {
    const { manager, endpoint } = world({ grant: vpcInstanceGrant() });
    endpoint.script.push(
      () => ok({ access_token: "i1", expires_in: 300, expires_at: "2030-01-01T00:00:00.000Z" }),
      () => ok({ access_token: "t1", expires_in: 3000, expires_at: "2030-01-01T00:00:00.000Z" }),
    );
    const { accessToken, expiresAt, obtainedAt } = await manager.getToken();
    expect([accessToken, (expiresAt ?? 0) - obtainedAt]).toEqual(["t1", 3_000_000]);
    expect(endpoint.requests[1]?.headers.authorization).toBe("Bearer i1");
  });

  test("whose metadata service is silent fails after one attempt, with words about the service", async () => {
    const { manager, endpoint, clock } = world({ grant: vpcInstanceGrant() });
    endpoint.otherwise = hanging;
    const failure = failureOf(manager.getToken());
    await clock.advance(4000);
    const error = await failure;
    expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", retryable: true });
    expect(error.message).toBe(
      "No answer from the token endpoint http://169.254.169.254/instance_identity/v1/token?version=2022-03-01 (after 4 s): http://169.254.169.254 is the metadata service of a VPC instance: does this run on one, and is the service enabled there?",
    );
    expect(endpoint.requests).toHaveLength(1);
  });

  test("fails as soon as its manager allows", async () => {
    const { manager, endpoint, clock } = world({ grant: vpcInstanceGrant(), attemptDeadlineMs: 500 });
    endpoint.otherwise = hanging;
    const failure = failureOf(manager.getToken());
    await clock.advance(500);
    expect((await failure).message).toMatch(/\(after 0\.5 s\)/);
  });

  test("without a network says so at once", async () => {
    const { manager, endpoint } = world({ grant: vpcInstanceGrant() });
    endpoint.otherwise = unreachable;
    expect((await failureOf(manager.getToken())).message).toMatch(
      /\(ECONNREFUSED\): http:.* does this run on one/,
    );
  });

  test.for([
    [
      400,
      service("profile_not_linked"),
      /HTTP 400, profile_not_linked: the trusted profile does not exist or is not linked to this instance; check/,
    ],
    [
      404,
      service("not_found"),
      /HTTP 404, not_found: it does not know version 2022-03-01 of the metadata service; give another version, or check url/,
    ],
    [403, service("unauthorized"), /HTTP 403, unauthorized: this instance may not have a token/],
    [500, service("service_error"), /HTTP 500, service_error: try again later/],
    [400, service("missing_value"), /HTTP 400, missing_value: check the credentials/],
  ] as const)("tells a refusal with %s %o in the words of the service", async ([status, body, words]) => {
    const { manager, endpoint, clock } = world({ grant: vpcInstanceGrant() });
    endpoint.otherwise = failing(status, { body });
    const failure = failureOf(manager.getToken());
    await clock.advance(2000);
    expect((await failure).message).toMatch(words);
  });

  test.for([
    { access_token: undefined },
    { access_token: "" },
    { access_token: "a\nb" },
    { access_token: 7 },
  ])("does not send on what is no identity token: %o", async (fields) => {
    const { manager, endpoint } = world({ grant: vpcInstanceGrant() });
    endpoint.otherwise = () => ok(fields);
    const error = await failureOf(manager.getToken());
    expect(error).toMatchObject({ code: "ERR_IAM_TOKEN_RESPONSE_INVALID", status: 200 });
    expect(error.message).toMatch(/without an instance identity token. Is it the metadata service\?/);
    expect(endpoint.requests).toHaveLength(1);
  });

  test.for([
    "http://169.254.169.254",
    "http://169.254.169.254/",
    "http://169.254.169.254:80",
    "http://0xa9fea9fe",
    "http://api.metadata.cloud.ibm.com",
    "https://api.metadata.cloud.ibm.com",
    "http://127.0.0.1:8080",
  ])("may ask %s", async (url) => {
    const { manager } = world({ grant: vpcInstanceGrant({ url }) });
    expect((await manager.getToken()).accessToken).toMatch(/^token-/);
  });

  test.for([
    "http://169.254.169.253",
    "http://169.254.169.254:8080",
    "http://169.254.169.254.example.com",
    "http://api.metadata.cloud.ibm.com.example.com",
    "http://api.metadata.cloud.ibm.com:8080",
    "http://apiXmetadata.cloud.ibm.com",
    "http://169.254.169.254/path",
    "http://metadata",
  ])("may not ask %s in the clear, unless its manager allows", async (url) => {
    const { manager, endpoint } = world({ grant: vpcInstanceGrant({ url }) });
    const error = await failureOf(manager.getToken());
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
    expect(error.message).toMatch(/must be https/);
    expect(endpoint.requests).toHaveLength(0);
    const allowed = world({ grant: vpcInstanceGrant({ url }), allowInsecure: true });
    await allowed.manager.getToken();
    expect(allowed.endpoint.requests).toHaveLength(2);
  });
});

test("no other grant may ask the metadata address in the clear", async () => {
  const grant: Grant = mcspGrant("key", { url: "http://169.254.169.254" });
  const { manager, endpoint } = world({ grant });
  expect((await failureOf(manager.getToken())).message).toMatch(/must be https/);
  expect(endpoint.requests).toHaveLength(0);
});
