import { expect } from "vitest";
import { type ContractCase, contractGroup } from "../contract-case.ts";
import { createGate } from "../gate.ts";
import { repeat } from "../repeat.ts";

const { add, cases } = contractGroup("cancellation");

/** A caller that gives up ends its own request and nothing else. */
export const cancellation: readonly ContractCase[] = cases;

add("a signal ends one caller's wait for the token, and nobody else's", async (scene) => {
  const gate = createGate();
  scene.emulator.fault({ kind: "hold", until: gate.opened });
  const controller = new AbortController();
  const leaving = scene.send({ signal: controller.signal });
  const staying = Promise.all(repeat(5, () => scene.send()));
  await scene.until("a token is asked for", ({ tokenRequests }) => tokenRequests === 1);
  controller.abort();
  const error = await scene.failure(leaving);
  expect(scene.subject.core.isIamError(error)).toBe(false);
  gate.open();
  expect((await staying).every(({ status }) => status === 200)).toBe(true);
  expect(scene.counters).toMatchObject({ tokenRequests: 1, resourceRequests: 5 });
});

add("an exchange outlives the caller who began it", async (scene) => {
  const gate = createGate();
  scene.emulator.fault({ kind: "hold", until: gate.opened });
  const controller = new AbortController();
  const leaving = scene.send({ signal: controller.signal });
  await scene.until("a token is asked for", ({ tokenRequests }) => tokenRequests === 1);
  controller.abort();
  await scene.failure(leaving);
  gate.open();
  expect((await scene.send()).status).toBe(200);
  expect(scene.counters).toMatchObject({ tokenRequests: 1, resourceRequests: 1 });
});

add("a signal that has aborted already sends nothing to the resource", async (scene) => {
  await scene.failure(scene.send({ signal: AbortSignal.abort() }));
  expect(scene.counters.resourceRequests).toBe(0);
});

add("a signal ends the request to the resource", async (scene) => {
  scene.resourceFault("/resource/hangs", { kind: "hang" });
  const controller = new AbortController();
  const leaving = scene.send({ url: `${scene.emulator.url}/resource/hangs`, signal: controller.signal });
  await scene.until("the resource is asked", ({ resourceRequests }) => resourceRequests === 1);
  controller.abort();
  await scene.failure(leaving);
  await scene.until("the connection is given up", () => scene.resourceLog()[0]?.outcome === "abandoned");
  expect((await scene.send()).status).toBe(200);
  expect(scene.counters.tokenRequests).toBe(1);
});

add("a signal ends the wait for the token that replaces a refused one", async (scene) => {
  await scene.send();
  scene.emulator.revokeAll();
  const gate = createGate();
  scene.emulator.fault({ kind: "hold", until: gate.opened });
  const controller = new AbortController();
  const leaving = scene.send({ signal: controller.signal });
  await scene.until("another token is asked for", ({ tokenRequests }) => tokenRequests === 2);
  controller.abort();
  await scene.failure(leaving);
  gate.open();
  expect((await scene.send()).status).toBe(200);
  expect(scene.counters).toMatchObject({ tokenRequests: 2, resourceRequests: 3 });
});

add("a request that the resource cuts off is the client's own error, sent once", async (scene) => {
  await scene.send();
  scene.resourceFault("/resource/cut", { kind: "reset" });
  const request = { url: `${scene.emulator.url}/resource/cut`, method: "POST", body: "text" };
  const error = await scene.failure(scene.send(request));
  expect(scene.subject.core.isIamError(error)).toBe(false);
  expect(scene.counters).toMatchObject({ tokenRequests: 1, resourceRequests: 2 });
});
