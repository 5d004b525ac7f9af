import { expect } from "vitest";
import { type ContractCase, contractGroup } from "../contract-case.ts";
import { createGate } from "../gate.ts";
import { repeat } from "../repeat.ts";
import type { Scene } from "../scene.ts";
import { createTestClock } from "../test-clock.ts";

const { add, cases } = contractGroup("lifetime");

/** Fresh, expiring, expired: what each costs a request. */
export const lifetime: readonly ContractCase[] = cases;

/** A token of 100 s is expiring from 63 s on (random is 0 here), and expired from 90 s on. */
async function holdShortToken(scene: Scene): Promise<void> {
  scene.emulator.configure({ expiresInS: 100 });
  expect((await scene.send()).status).toBe(200);
}

add("an expiring token is served at once and refreshed beside it", async (scene) => {
  await holdShortToken(scene);
  const first = await scene.manager.getToken();
  const gate = createGate();
  scene.emulator.fault({ kind: "hold", until: gate.opened });
  scene.advance(70_000);
  const answers = await Promise.all(repeat(10, () => scene.send()));
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  await scene.until("the refresh is on its way", ({ tokenRequestsInFlight }) => tokenRequestsInFlight === 1);
  expect(scene.counters.grants).toBe(1);
  gate.open();
  await scene.until("the refresh has ended", ({ tokenRequestsInFlight }) => tokenRequestsInFlight === 0);
  await expect.poll(() => scene.manager.peek()?.accessToken ?? first.accessToken).not.toBe(first.accessToken);
  expect((await scene.send()).status).toBe(200);
  expect(scene.counters).toMatchObject({ tokenRequests: 2, maxConcurrentTokenRequests: 1 });
});

add("a refresh that fails beside costs no request anything", async (scene) => {
  await holdShortToken(scene);
  scene.emulator.fault({ kind: "status", status: 503 }, { times: Number.POSITIVE_INFINITY });
  scene.advance(70_000);
  for (let sent = 0; sent < 5; sent++) expect((await scene.send()).status).toBe(200);
  await scene.until(
    "the refresh has failed",
    ({ faults, tokenRequestsInFlight }) => faults + tokenRequestsInFlight === 1,
  );
  for (let sent = 0; sent < 5; sent++) expect((await scene.send()).status).toBe(200);
  expect(scene.counters).toMatchObject({ tokenRequests: 2, resourceRequests: 11 });
});

add("an expired token is never served: the request waits for another", async (scene) => {
  await holdShortToken(scene);
  const gate = createGate();
  scene.emulator.fault({ kind: "hold", until: gate.opened });
  scene.advance(90_000);
  const sending = Promise.all(repeat(10, () => scene.send()));
  await scene.until("a token is asked for", ({ tokenRequests }) => tokenRequests === 2);
  expect(scene.counters.resourceRequests).toBe(1);
  gate.open();
  expect((await sending).every(({ status }) => status === 200)).toBe(true);
  expect(scene.counters).toMatchObject({ tokenRequests: 2, resourceRequestsByStatus: { 200: 11 } });
});

add("an expired token is not served when no other can be had either", async (scene) => {
  await holdShortToken(scene);
  scene.emulator.fault({ kind: "reset" }, { times: Number.POSITIVE_INFINITY });
  scene.advance(90_000);
  expect(scene.subject.core.isIamError(await scene.failure(scene.send()))).toBe(true);
  expect(scene.counters.resourceRequests).toBe(1);
});

const day = 86_400;
for (const [text, seconds] of [
  ["1 second", 1],
  ["25 seconds", 25],
  ["90 seconds", 90],
  ["5 minutes", 300],
  ["1 hour", 3600],
  ["60 days", 60 * day],
] as const) {
  add(`a token of ${text} is used for most of its life, and refreshed before its end`, async (scene) => {
    scene.emulator.configure({ expiresInS: seconds });
    await scene.send();
    const usableMs = seconds * 1000 - Math.min(10_000, seconds * 100);
    scene.advance(usableMs * 0.69);
    await scene.send();
    expect(scene.counters.tokenRequests).toBe(1);
    scene.advance(usableMs * 0.17);
    expect((await scene.send()).status).toBe(200);
    await scene.until("the refresh", ({ grants }) => grants === 2);
  });
}

for (const [text, wallOffsetMs] of [
  ["two hours ahead", 7_200_000],
  ["two hours behind", -7_200_000],
] as const) {
  add(`a local clock that is ${text} costs no extra grant`, async (scene) => {
    const manager = scene.createManager({ clock: createTestClock({ wallOffsetMs }) });
    const client = await scene.client({ manager });
    for (let sent = 0; sent < 5; sent++) await client.send({ url: scene.resource });
    expect(scene.counters).toMatchObject({ tokenRequests: 1, resourceRequestsByStatus: { 200: 5 } });
  });
}

add("a local clock that is stepped back costs no grant and keeps no expired token", async (scene) => {
  await holdShortToken(scene);
  scene.clock.stepWall(-3_600_000);
  await scene.send();
  expect(scene.counters.tokenRequests).toBe(1);
  scene.advance(90_000);
  await scene.send();
  expect(scene.counters).toMatchObject({ tokenRequests: 2, resourceRequestsByStatus: { 200: 3 } });
});

add("a local clock that is stepped forward costs one grant at most", async (scene) => {
  await holdShortToken(scene);
  scene.clock.stepWall(3_600_000);
  for (let sent = 0; sent < 5; sent++) expect((await scene.send()).status).toBe(200);
  expect(scene.counters.tokenRequests).toBeLessThanOrEqual(2);
});

add("a token that expired while the machine slept is not served", async (scene) => {
  await holdShortToken(scene);
  // In a suspend the monotonic clock may stand still.
  scene.clock.stepWall(100_000);
  scene.emulator.clock.advance(100_000);
  expect((await scene.send()).status).toBe(200);
  expect(scene.counters).toMatchObject({ tokenRequests: 2, resourceRequests: 2 });
});
