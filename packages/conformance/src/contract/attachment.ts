import { expect } from "vitest";
import { type ContractCase, contractGroup } from "../contract-case.ts";

const { add, cases } = contractGroup("attachment");

/** How the token gets onto a request, and what stays as the caller made it. */
export const attachment: readonly ContractCase[] = cases;

add("the token goes out once, as exactly Bearer and the access token", async (scene) => {
  const recorder = await scene.recorder();
  const client = await scene.client({ origins: [recorder.origin] });
  expect((await client.send({ url: `${recorder.origin}/a` })).status).toBe(200);
  const { accessToken } = await scene.manager.getToken();
  expect(recorder.requests.map(({ authorization }) => authorization)).toEqual([[`Bearer ${accessToken}`]]);
});

add("a token_type in lower case still goes out as Bearer", async (scene) => {
  const recorder = await scene.recorder();
  scene.emulator.fault({ kind: "fields", set: { token_type: "bearer" } });
  const client = await scene.client({ origins: [recorder.origin] });
  await client.send({ url: `${recorder.origin}/a` });
  const { accessToken } = await scene.manager.getToken();
  expect(recorder.requests[0]?.authorization).toEqual([`Bearer ${accessToken}`]);
});

add("method, query, headers and body arrive as the caller gave them", async (scene) => {
  const recorder = await scene.recorder();
  const client = await scene.client({ origins: [recorder.origin] });
  const headers = { "content-type": "text/plain", "x-colour": "blue" };
  const url = `${recorder.origin}/a%20b/c?q=1&q=2&r=%C3%A9`;
  await client.send({ url, method: "PUT", headers, body: "some text" });
  const [request] = recorder.requests;
  expect(request).toMatchObject({ method: "PUT", path: "/a%20b/c?q=1&q=2&r=%C3%A9", body: "some text" });
  expect(request?.headers.get("x-colour")).toBe("blue");
  expect(request?.headers.get("content-type")).toMatch(/^text\/plain/);
});

add("an Authorization that the caller set is never overwritten", async (scene) => {
  const recorder = await scene.recorder();
  const client = await scene.client({ origins: [recorder.origin] });
  for (const name of ["authorization", "Authorization", "AUTHORIZATION"]) {
    await client.send({ url: `${recorder.origin}/a`, headers: { [name]: "Basic b3duOm93bg==" } });
  }
  const sent = recorder.requests.map(({ authorization }) => authorization);
  expect(sent).toEqual([["Basic b3duOm93bg=="], ["Basic b3duOm93bg=="], ["Basic b3duOm93bg=="]]);
});

add("a 401 to the caller's own Authorization is the answer, and replaces nothing", async (scene) => {
  await scene.send();
  const held = await scene.manager.getToken();
  const answer = await scene.send({ headers: { authorization: "Bearer of-the-caller" } });
  expect(answer.status).toBe(401);
  expect(answer.text).toContain("error");
  expect(await scene.manager.getToken()).toBe(held);
  expect(scene.counters).toMatchObject({ tokenRequests: 1, resourceRequests: 2 });
});
