import { expect } from "vitest";
import { type ContractCase, contractGroup } from "../contract-case.ts";
import type { Recorder } from "../recorder.ts";
import { repeat } from "../repeat.ts";
import type { Scene } from "../scene.ts";

const { add, cases } = contractGroup("redirects");

/** A redirect leads the request elsewhere, and the token only where it may go. */
export const redirects: readonly ContractCase[] = cases;

const statuses = [301, 302, 303, 307, 308] as const;
const forever = Number.POSITIVE_INFINITY;

for (const status of statuses) {
  add(`a redirect (${status}) to another origin carries no token`, async (scene) => {
    const recorder = await scene.recorder();
    scene.resourceFault("/resource/from", { kind: "redirect", status, location: `${recorder.origin}/to` });
    const answer = await scene.send({ url: `${scene.emulator.url}/resource/from` });
    expect(answer.status).toBe(200);
    expect(recorder.requests).toMatchObject([{ method: "GET", path: "/to", authorization: [] }]);
  });

  add(`a redirect (${status}) within an origin keeps the token`, async (scene) => {
    scene.resourceFault("/resource/from", { kind: "redirect", status, location: "/resource/to" });
    const answer = await scene.send({ url: `${scene.emulator.url}/resource/from` });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({ method: "GET", path: "/resource/to" });
  });
}

add(
  "a POST that is redirected (307) to another origin arrives there whole, without a token",
  async (scene) => {
    const recorder = await scene.recorder();
    scene.resourceFault("/resource/from", {
      kind: "redirect",
      status: 307,
      location: `${recorder.origin}/to`,
    });
    await scene.send({ url: `${scene.emulator.url}/resource/from`, method: "POST", body: "some text" });
    expect(recorder.requests).toMatchObject([{ method: "POST", body: "some text", authorization: [] }]);
  },
);

add(
  "the 401 of another origin that a redirect led to replaces nothing",
  async (scene) => {
    await scene.send();
    const held = await scene.manager.getToken();
    const other = await scene.anotherOrigin();
    scene.resourceFault("/resource/from", { kind: "redirect", location: `${other}/resource/to` }, forever);
    const answer = await scene.send({ url: `${scene.emulator.url}/resource/from` });
    expect(answer.status).toBe(401);
    expect(await scene.manager.getToken()).toBe(held);
    const paths = scene.resourceLog().map(({ path }) => path);
    expect(paths).toEqual(["/resource", "/resource/from", "/resource/to"]);
    expect(scene.counters.tokenRequests).toBe(1);
  },
  ["tell where a redirect led"],
);

add("a token that is refused after a redirect within the origin is replaced", async (scene) => {
  await scene.send();
  scene.emulator.revokeAll();
  scene.resourceFault("/resource/from", { kind: "redirect", location: "/resource/to" }, 2);
  expect((await scene.send({ url: `${scene.emulator.url}/resource/from` })).status).toBe(200);
  expect(scene.counters.tokenRequests).toBe(2);
});

add("a redirect by way of another origin brings the token nowhere", async (scene) => {
  const { recorder, url } = await wayByAnother(scene);
  await scene.send({ url });
  expect(recorder.requests).toMatchObject([{ authorization: [] }]);
  const back = scene.resourceLog().filter(({ path }) => path === "/resource/back");
  expect(back).toMatchObject([{ authorization: undefined }]);
});

add(
  "the 401 to a request without its token, by way of another origin, replaces nothing",
  async (scene) => {
    const { url } = await wayByAnother(scene);
    expect((await scene.send({ url })).status).toBe(401);
    expect(scene.counters).toMatchObject({ tokenRequests: 1, resourceRequests: 2 });
  },
  ["judge redirects"],
);

/** A path that leads to another origin, which leads back. */
async function wayByAnother(scene: Scene): Promise<{ recorder: Recorder; url: string }> {
  const recorder = await scene.recorder();
  recorder.redirect("/by-way", 307, `${scene.resource}/back`);
  scene.resourceFault("/resource/from", { kind: "redirect", location: `${recorder.origin}/by-way` });
  return { recorder, url: `${scene.emulator.url}/resource/from` };
}

add("a request that began at another origin gets no token by a redirect", async (scene) => {
  const recorder = await scene.recorder();
  recorder.redirect("/from", 302, `${scene.resource}/to`);
  const client = await scene.client({ otherOrigins: "pass" });
  expect((await client.send({ url: `${recorder.origin}/from` })).status).toBe(401);
  expect(scene.resourceLog()).toMatchObject([{ path: "/resource/to", authorization: undefined }]);
  expect(scene.counters.tokenRequests).toBe(0);
});

add(
  "a redirect to another listed origin gets a token there",
  async (scene) => {
    const other = await scene.anotherOrigin();
    const client = await scene.client({ origins: [scene.emulator.url, other] });
    scene.resourceFault("/resource/from", { kind: "redirect", location: `${other}/resource/to` });
    const answer = await client.send({ url: `${scene.emulator.url}/resource/from` });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({ path: "/resource/to" });
  },
  ["judge redirects"],
);

add("a redirect that leads in a circle ends", async (scene) => {
  scene.resourceFault("/resource/from", { kind: "redirect", location: "/resource/from" }, forever);
  await scene.send({ url: `${scene.emulator.url}/resource/from` }).catch(() => {});
  expect(scene.counters.resourceRequests).toBeLessThanOrEqual(50);
  expect(scene.counters.tokenRequests).toBe(1);
});

add(
  "concurrent requests to a path that redirects away share one grant and give it to nobody",
  async (scene) => {
    const recorder = await scene.recorder();
    scene.resourceFault("/resource/from", { kind: "redirect", location: `${recorder.origin}/to` }, forever);
    await Promise.all(repeat(10, () => scene.send({ url: `${scene.emulator.url}/resource/from` })));
    expect(recorder.requests).toHaveLength(10);
    expect(recorder.requests.flatMap(({ authorization }) => authorization)).toEqual([]);
    expect(scene.counters.tokenRequests).toBe(1);
  },
);
