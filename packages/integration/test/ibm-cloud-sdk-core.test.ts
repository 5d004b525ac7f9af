import { type RunningEmulator, startEmulator } from "@iam/emulator";
import { BaseService, IamAuthenticator } from "ibm-cloud-sdk-core";
import { expect, onTestFinished, test } from "vitest";

/** What IBM's generator makes for each of its services: a subclass whose operations call `createRequest`. */
class ResourceService extends BaseService {
  read(path: string) {
    return this.createRequest({
      options: { url: path, method: "GET" },
      defaultOptions: { ...this.baseOptions, headers: { Accept: "application/json" } },
    });
  }
}

async function emulating(): Promise<RunningEmulator> {
  const emulator = await startEmulator();
  onTestFinished(() => emulator.close());
  return emulator;
}

function serviceOf(emulator: RunningEmulator, options: { apikey?: string; [name: string]: unknown } = {}) {
  const authenticator = new IamAuthenticator({ apikey: emulator.apiKey, url: emulator.url, ...options });
  return new ResourceService({ authenticator, serviceUrl: emulator.url });
}

test("IBM's own client obtains a token from the emulator and calls the protected resource with it", async () => {
  const emulator = await emulating();
  const { status, result } = await serviceOf(emulator).read("/resource/things");
  expect(status).toBe(200);
  expect(result).toMatchObject({ ok: true, path: "/resource/things", iam_id: "IBMid-270000EMUL" });
  const [asked, read] = emulator.log;
  expect(asked?.fields).toMatchObject({ grant_type: "urn:ibm:params:oauth:grant-type:apikey" });
  expect(read?.authorization).toMatchObject({ scheme: "Bearer", jti: result.jti });
});

test("IBM's own client keeps the emulator's token for the next request", async () => {
  const emulator = await emulating();
  const service = serviceOf(emulator);
  await service.read("/resource");
  await service.read("/resource");
  expect(emulator.counters).toMatchObject({ grants: 1, resourceRequestsByStatus: { 200: 2 } });
});

test("IBM's own client asks the emulator again when the token's exp claim has passed", async () => {
  const emulator = await emulating();
  // The client compares the token's `exp` claim with its own clock: a server two hours behind gives it expired tokens.
  emulator.clock.skew(-7_200_000);
  const service = serviceOf(emulator);
  await service.read("/resource");
  await service.read("/resource");
  expect(emulator.counters.grants).toBe(2);
});

test("IBM's own client authenticates itself to the emulator as a client", async () => {
  const emulator = await emulating();
  const { status } = await serviceOf(emulator, { clientId: "bx", clientSecret: "bx" }).read("/resource");
  expect(status).toBe(200);
  expect(emulator.log[0]?.authorization?.scheme).toBe("Basic");
});

test("IBM's own client reports the emulator's refusal of an unknown key as it does IAM's", async () => {
  const emulator = await emulating();
  const refused = serviceOf(emulator, { apikey: "unknown" }).read("/resource");
  await expect(refused).rejects.toMatchObject({ message: "Provided API key could not be found." });
  expect(emulator.counters).toMatchObject({ refusals: 1, resourceRequests: 0 });
});
