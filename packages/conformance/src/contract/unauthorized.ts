import { expect } from "vitest";
import { type ContractCase, contractGroup } from "../contract-case.ts";
import { createGate } from "../gate.ts";
import { repeat } from "../repeat.ts";

const { add, cases } = contractGroup("401");

/** What a 401 costs: one grant for one refused token, whoever says it and how often. */
export const unauthorized: readonly ContractCase[] = cases;

const refused = { kind: "status", status: 401 } as const;
const forever = Number.POSITIVE_INFINITY;

add("a revoked token costs one 401, one grant and one replay", async (scene) => {
  await scene.send();
  scene.emulator.revokeAll();
  expect((await scene.send()).status).toBe(200);
  expect(scene.counters).toMatchObject({ tokenRequests: 2, resourceRequestsByStatus: { 200: 2, 401: 1 } });
});

add("50 concurrent 401s make one grant and 50 answers of 200", async (scene) => {
  await scene.send();
  scene.emulator.revokeAll();
  const answers = await Promise.all(repeat(50, () => scene.send()));
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  expect(scene.counters.tokenRequests).toBe(2);
});

add("200 staggered 401s of one token make one grant and 200 answers of 200", async (scene) => {
  await scene.send();
  const gates = repeat(20, createGate);
  const waves = gates.map(({ opened }, wave) =>
    repeat(10, (index) => {
      const path = `/resource/${wave}-${index}`;
      scene.resourceFault(path, { kind: "hold", until: opened });
      return scene.send({ url: scene.emulator.url + path });
    }),
  );
  // When an earlier wave fails the case, the later ones are cut off, and nobody waits for them any more.
  for (const sending of waves.flat()) sending.catch(() => {});
  await scene.until("all are on their way", ({ resourceRequests }) => resourceRequests === 201);
  scene.emulator.revokeAll();
  for (const [wave, gate] of gates.entries()) {
    gate.open();
    const answers = await Promise.all(waves[wave] ?? []);
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    // So late that a forced exchange would be allowed again.
    scene.advance(6000);
  }
  expect(scene.counters.tokenRequests).toBe(2);
});

add("a resource that always refuses costs one extra grant for 21 requests", async (scene) => {
  scene.resourceFault("/resource/closed", refused, forever);
  for (let sent = 0; sent < 21; sent++) {
    const answer = await scene.send({ url: `${scene.emulator.url}/resource/closed` });
    expect(answer.status).toBe(401);
    expect(answer.text).toContain("The token is refused.");
    // Slowly enough for four forced exchanges more, if it were only a matter of time.
    scene.advance(1200);
  }
  expect(scene.counters.tokenRequests).toBeLessThanOrEqual(2);
  expect(scene.counters.resourceRequests).toBeLessThanOrEqual(22);
});

add("21 concurrent requests to a resource that always refuses cost one extra grant", async (scene) => {
  scene.resourceFault("/resource/closed", refused, forever);
  const url = `${scene.emulator.url}/resource/closed`;
  const answers = await Promise.all(repeat(21, () => scene.send({ url })));
  expect(answers.every(({ status, text }) => status === 401 && text.includes("refused"))).toBe(true);
  expect(scene.counters.tokenRequests).toBeLessThanOrEqual(2);
  expect(scene.counters.resourceRequests).toBeLessThanOrEqual(42);
});

add("an origin that always refuses does not affect another", async (scene) => {
  const other = await scene.anotherOrigin();
  const client = await scene.client({ origins: [scene.emulator.url, other] });
  scene.resourceFault("/resource/closed", refused, forever);
  for (let sent = 0; sent < 5; sent++) await client.send({ url: `${scene.emulator.url}/resource/closed` });
  expect((await client.send({ url: `${other}/resource` })).status).toBe(200);
  const before = scene.counters.tokenRequests;
  scene.advance(6000);
  scene.emulator.revokeAll();
  expect((await client.send({ url: `${other}/resource` })).status).toBe(200);
  expect(scene.counters.tokenRequests).toBe(before + 1);
});

add("an origin that refused two tokens is given another chance after 30 s", async (scene) => {
  scene.resourceFault("/resource/closed", refused, 3);
  const url = `${scene.emulator.url}/resource/closed`;
  for (let sent = 0; sent < 2; sent++) await scene.send({ url });
  scene.emulator.clearFaults();
  scene.emulator.revokeAll();
  expect((await scene.send({ url })).status).toBe(401);
  scene.advance(31_000);
  expect((await scene.send({ url })).status).toBe(200);
  expect(scene.counters.tokenRequests).toBe(3);
});

add("two revocations within five seconds cost one forced grant", async (scene) => {
  await scene.send();
  scene.emulator.revokeAll();
  expect((await scene.send()).status).toBe(200);
  scene.advance(1000);
  scene.emulator.revokeAll();
  expect((await scene.send()).status).toBe(401);
  scene.advance(5000);
  expect((await scene.send()).status).toBe(200);
  expect(scene.counters.tokenRequests).toBe(3);
});

add("a 403 is the answer: nothing is sent again and nothing replaced", async (scene) => {
  await scene.send();
  const held = await scene.manager.getToken();
  scene.resourceFault("/resource", { kind: "status", status: 403 });
  const answer = await scene.send();
  expect(answer.status).toBe(403);
  expect(answer.text).toContain("insufficient_scope");
  expect(await scene.manager.getToken()).toBe(held);
  expect(scene.counters).toMatchObject({ tokenRequests: 1, resourceRequests: 2 });
});

add("when no other token can be had, the caller gets the resource's own 401", async (scene) => {
  await scene.send();
  scene.emulator.fault({ kind: "status", status: 503 }, { times: forever });
  scene.emulator.revokeAll();
  const answer = await scene.send();
  expect(answer.status).toBe(401);
  expect(answer.text).toContain("revoked");
  expect(scene.counters.resourceRequests).toBe(2);
});

add("without replay a 401 is the answer, and the token is replaced in the background", async (scene) => {
  const client = await scene.client({ replay: false });
  await client.send({ url: scene.resource });
  scene.emulator.revokeAll();
  expect((await client.send({ url: scene.resource })).status).toBe(401);
  await scene.until("the token is replaced", ({ grants }) => grants === 2);
  expect((await client.send({ url: scene.resource })).status).toBe(200);
  expect(scene.counters).toMatchObject({ tokenRequests: 2, resourceRequests: 3 });
});
