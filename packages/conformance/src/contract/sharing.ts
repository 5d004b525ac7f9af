import { expect } from "vitest";
import { type ContractCase, contractGroup } from "../contract-case.ts";
import { repeat } from "../repeat.ts";

const { add, cases } = contractGroup("sharing");

/** One token for everybody who uses the manager. */
export const sharing: readonly ContractCase[] = cases;

add("100 concurrent first requests make one grant", async (scene) => {
  const answers = await Promise.all(repeat(100, () => scene.send()));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  expect(scene.counters).toMatchObject({ tokenRequests: 1, resourceRequests: 100 });
});

add("later requests use the held token", async (scene) => {
  for (let sent = 0; sent < 10; sent++) expect((await scene.send()).status).toBe(200);
  expect(scene.counters).toMatchObject({ tokenRequests: 1, resourceRequests: 10 });
});

add("many clients of one manager share its grant", async (scene) => {
  const clients = await Promise.all(repeat(5, () => scene.client()));
  await Promise.all(clients.flatMap((client) => repeat(4, () => client.send({ url: scene.resource }))));
  expect(scene.counters).toMatchObject({ tokenRequests: 1, resourceRequests: 20 });
});

add("clients of different managers share nothing", async (scene) => {
  const recorder = await scene.recorder();
  const apiKey = "canary-of-another-service";
  scene.emulator.apiKeys.add(apiKey);
  const managers = [scene.manager, scene.createManager({ apiKey })];
  for (const manager of managers) {
    const client = await scene.client({ manager, origins: [recorder.origin] });
    await client.send({ url: `${recorder.origin}/a` });
  }
  const tokens = await Promise.all(managers.map((manager) => manager.getToken()));
  const sent = recorder.requests.map(({ authorization }) => authorization[0]);
  expect(sent).toEqual(tokens.map(({ accessToken }) => `Bearer ${accessToken}`));
  expect(new Set(sent).size).toBe(2);
});
