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

add("the token is in the Authorization and nowhere else", async (scene) => {
  const recorder = await scene.recorder();
  const client = await scene.client({ origins: [recorder.origin] });
  await client.send({ url: `${recorder.origin}/a`, method: "POST", body: "text" });
  const { accessToken } = await scene.manager.getToken();
  const [{ path, body, headers } = { path: accessToken, body: "", headers: new Headers() }] =
    recorder.requests;
  const others = Array.from(headers).filter(([name]) => name !== "authorization");
  expect(JSON.stringify([path, body, others])).not.toContain(accessToken);
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

add("every method arrives as it is, and a slash at the end of the path", async (scene) => {
  const recorder = await scene.recorder();
  const client = await scene.client({ origins: [recorder.origin] });
  const methods = ["GET", "HEAD", "OPTIONS", "DELETE", "PATCH"];
  for (const method of methods) {
    expect((await client.send({ url: `${recorder.origin}/a/`, method })).status).toBe(200);
  }
  const sent = recorder.requests.map(({ method, path }) => `${method} ${path}`);
  expect(sent).toEqual(methods.map((method) => `${method} /a/`));
});

add("headers that the caller gave are not edited, and can be given again", async (scene) => {
  const recorder = await scene.recorder();
  const client = await scene.client({ origins: [recorder.origin] });
  const headers = { "x-colour": "blue" };
  await client.send({ url: `${recorder.origin}/a`, headers });
  expect(headers).toEqual({ "x-colour": "blue" });
  scene.advance(3_600_000);
  await client.send({ url: `${recorder.origin}/a`, headers });
  const sent = recorder.requests.map(({ authorization }) => authorization);
  // Another token, so the first one was not left in them.
  expect(new Set(sent.flat()).size).toBe(2);
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
