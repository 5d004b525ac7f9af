import { expect } from "vitest";
import { type ContractCase, contractGroup } from "../contract-case.ts";
import { repeat } from "../repeat.ts";
import type { Scene } from "../scene.ts";

const { add, cases } = contractGroup("token endpoint");

/** What callers get when no token can be had. */
export const tokenEndpoint: readonly ContractCase[] = cases;

const forever = Number.POSITIVE_INFINITY;

function expectIamError(scene: Scene, error: unknown, members: Record<string, unknown>): void {
  expect(scene.subject.core.isIamError(error)).toBe(true);
  expect(error).toMatchObject(members);
}

add("a token endpoint that is down is a typed error, and nothing is sent to the resource", async (scene) => {
  scene.emulator.fault({ kind: "reset" }, { times: forever });
  const error = await scene.failure(scene.send());
  expectIamError(scene, error, { code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", retryable: true });
  expect(scene.counters.resourceRequests).toBe(0);
});

add("a token endpoint that stumbles once is not noticed", async (scene) => {
  scene.emulator.fault({ kind: "status", status: 503 });
  expect((await scene.send()).status).toBe(200);
  expect(scene.counters.tokenRequests).toBe(2);
});

add(
  "after a failure callers fail at once, and the token endpoint is left alone for a while",
  async (scene) => {
    scene.emulator.fault({ kind: "status", status: 503 }, { times: forever });
    await scene.failure(scene.send());
    const asked = scene.counters.tokenRequests;
    expect(asked).toBeLessThanOrEqual(3);
    for (let sent = 0; sent < 20; sent++) {
      const error = await scene.failure(scene.send());
      expectIamError(scene, error, { code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE" });
    }
    expect(scene.counters).toMatchObject({ tokenRequests: asked, resourceRequests: 0 });
  },
);

add("requests succeed again when the token endpoint has recovered", async (scene) => {
  scene.emulator.fault({ kind: "status", status: 503 }, { times: forever });
  await scene.failure(scene.send());
  scene.emulator.clearFaults();
  scene.advance(6000);
  const answers = await Promise.all(repeat(10, () => scene.send()));
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  expect(scene.counters.grants).toBe(1);
});

add("a pause that the token endpoint asks for is kept", async (scene) => {
  scene.emulator.fault({ kind: "throttle", retryAfter: 20 });
  const error = await scene.failure(scene.send());
  expectIamError(scene, error, {
    code: "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE",
    status: 429,
    retryAfterMs: 20_000,
  });
  scene.advance(19_000);
  await scene.failure(scene.send());
  expect(scene.counters.tokenRequests).toBe(1);
  scene.advance(2000);
  expect((await scene.send()).status).toBe(200);
});

add("a key that is refused is a typed error with IAM's code, asked for once", async (scene) => {
  scene.emulator.apiKeys.delete(scene.emulator.apiKey);
  const errors = await Promise.all(repeat(20, () => scene.failure(scene.send())));
  for (const error of errors) {
    expectIamError(scene, error, {
      code: "ERR_IAM_TOKEN_ENDPOINT_REFUSED",
      retryable: false,
      status: 400,
      errorCode: "BXNIM0415E",
      message: expect.stringContaining("BXNIM0415E"),
    });
  }
  expect(scene.counters).toMatchObject({ tokenRequests: 1, resourceRequests: 0 });
});

for (const kind of ["html", "no-token", "error-in-200", "broken-json", "empty-body"] as const) {
  add(`a 200 of the token endpoint that is no token response (${kind}) is a typed error`, async (scene) => {
    scene.emulator.fault({ kind }, { times: forever });
    const error = await scene.failure(scene.send());
    expectIamError(scene, error, { code: "ERR_IAM_TOKEN_RESPONSE_INVALID" });
    expect(scene.counters.resourceRequests).toBe(0);
  });
}

add("a 200 that is no token response leaves the held token alone", async (scene) => {
  scene.emulator.configure({ expiresInS: 100 });
  await scene.send();
  scene.emulator.fault({ kind: "html" }, { times: forever });
  scene.advance(70_000);
  await scene.send();
  await scene.until(
    "the refresh",
    ({ faults, tokenRequestsInFlight }) => faults + tokenRequestsInFlight === 1,
  );
  expect((await scene.send()).status).toBe(200);
});

add("the API key does not follow a redirect of the token endpoint", async (scene) => {
  const recorder = await scene.recorder();
  for (const status of [302, 307] as const) {
    scene.emulator.fault({ kind: "redirect", status, location: `${recorder.origin}/identity/token` });
    const client = await scene.client({ manager: scene.createManager() });
    const error = await scene.failure(client.send({ url: scene.resource }));
    expect(scene.subject.core.isIamError(error)).toBe(true);
  }
  expect(recorder.requests).toEqual([]);
});
