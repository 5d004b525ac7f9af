import { expect } from "vitest";
import { type ContractCase, contractGroup } from "../contract-case.ts";
import type { Scene } from "../scene.ts";

const { add, cases } = contractGroup("origins");

/** Where the token may go. */
export const origins: readonly ContractCase[] = cases;

function expectNotAllowed(scene: Scene, error: unknown): void {
  expect(scene.subject.core.isIamError(error)).toBe(true);
  expect(error).toMatchObject({ code: "ERR_IAM_ORIGIN_NOT_ALLOWED" });
}

add(
  "a request to an origin that is not listed fails, says what to add, and nothing is sent",
  async (scene) => {
    const recorder = await scene.recorder();
    const error = await scene.failure(
      scene.send({ url: `${recorder.origin}/a`, method: "POST", body: "text" }),
    );
    expectNotAllowed(scene, error);
    expect(String(error)).toContain(`"${recorder.origin}"`);
    expect(recorder.requests).toEqual([]);
    expect(scene.counters.requests).toBe(0);
  },
);

add("the other port of an allowed host is another origin", async (scene) => {
  const other = await scene.anotherOrigin();
  expectNotAllowed(scene, await scene.failure(scene.send({ url: `${other}/resource` })));
  expect(scene.counters.requests).toBe(0);
});

add("another name of an allowed host is another origin", async (scene) => {
  const url = scene.resource.replace("127.0.0.1", "localhost");
  expectNotAllowed(scene, await scene.failure(scene.send({ url })));
  expect(scene.counters.requests).toBe(0);
});

add("a port that only begins like an allowed one is another origin", async (scene) => {
  const { url, longer } = await portAndLonger(scene);
  const client = await scene.client({ origins: [url] });
  expectNotAllowed(scene, await scene.failure(client.send({ url: `${longer}/resource` })));
  expect((await client.send({ url: `${url}/resource` })).status).toBe(200);
});

add("without a list of origins no token goes to loopback", async (scene) => {
  const client = await scene.clientWithDefaults();
  expectNotAllowed(scene, await scene.failure(client.send({ url: scene.resource })));
  expect(scene.counters.requests).toBe(0);
});

add('with otherOrigins "pass" another origin gets the request without a token', async (scene) => {
  const recorder = await scene.recorder();
  const client = await scene.client({ otherOrigins: "pass" });
  const answer = await client.send({ url: `${recorder.origin}/a`, method: "POST", body: "text" });
  expect(answer.status).toBe(200);
  expect(recorder.requests).toMatchObject([{ method: "POST", body: "text", authorization: [] }]);
  expect(scene.counters.requests).toBe(0);
});

add('with otherOrigins "pass" the 401 of another origin replaces nothing', async (scene) => {
  const other = await scene.anotherOrigin();
  const client = await scene.client({ otherOrigins: "pass" });
  await client.send({ url: scene.resource });
  const answer = await client.send({ url: `${other}/resource` });
  expect(answer.status).toBe(401);
  expect((await client.send({ url: scene.resource })).status).toBe(200);
  expect(scene.counters).toMatchObject({ tokenRequests: 1, resourceRequests: 3 });
});

const tricks: readonly (readonly [string, (allowed: string, other: string) => string])[] = [
  ["the allowed origin as its credentials", (allowed, other) => `http://${allowed}@${other}/a`],
  ["the allowed origin and a backslash before it", (allowed, other) => `http://${allowed}\\@${other}/a`],
  ["the allowed origin after a backslash", (allowed, other) => `http://${other}\\@${allowed}/a`],
  ["a tab in its credentials", (allowed, other) => `http://${allowed}\t@${other}/a`],
  ["the allowed origin as its path", (allowed, other) => `http://${other}/http://${allowed}`],
  ["the allowed origin as its query", (allowed, other) => `http://${other}/?http://${allowed}`],
  ["the allowed origin as its fragment", (allowed, other) => `http://${other}/#http://${allowed}`],
  ["the allowed origin after an encoded slash", (allowed, other) => `http://${other}/%2f@${allowed}`],
  ["upper case and spaces around it", (_, other) => ` HTTP://${other}/a `],
];
for (const [trick, make] of tricks) {
  add(
    `a URL with ${trick} carries the token nowhere else`,
    async (scene) => {
      const recorder = await scene.recorder();
      const url = make(new URL(scene.emulator.url).host, new URL(recorder.origin).host);
      // It may fail, or go to the allowed origin: what counts is what the other one gets.
      await scene.send({ url }).catch(() => {});
      expect(recorder.requests).toEqual([]);
    },
    ["take URLs as text"],
  );
}

for (const credentials of ["name:word", "name", ":word"]) {
  add(
    `a URL with credentials (${credentials}) is refused, also at an allowed origin`,
    async (scene) => {
      const url = scene.resource.replace("//", `//${credentials}@`);
      expectNotAllowed(scene, await scene.failure(scene.send({ url })));
      expect(scene.counters.requests).toBe(0);
    },
    ["take URLs as text"],
  );
}

for (const [spelling, change] of [
  ["an upper-case scheme", (url: string) => url.replace("http:", "HTTP:")],
  ["a host in another notation", (url: string) => url.replace("127.0.0.1", "0x7F.1")],
  ["a path that goes up", (url: string) => url.replace("/resource", "/a/../resource")],
] as const) {
  add(
    `a URL with ${spelling} is judged as what it is`,
    async (scene) => {
      expect((await scene.send({ url: change(scene.resource) })).status).toBe(200);
    },
    ["take URLs as text"],
  );
}

for (const [flaw, listed] of [
  ["no origin", "api.example.com"],
  ["a path", "https://api.example.com/v1"],
  ["credentials", "https://user@api.example.com"],
  ["plain http beyond loopback", "http://api.example.com"],
  ["a wildcard over a top-level domain", "https://*.com"],
  ["a wildcard where anybody may host", "https://*.containers.appdomain.cloud"],
] as const) {
  add(`a list of origins with ${flaw} is refused when the client is made`, async (scene) => {
    const error = await scene.failure(scene.client({ origins: [listed] }));
    expect(scene.subject.core.isIamError(error)).toBe(true);
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
  });
}

/** Two origins of the emulator; the port of one is that of the other with a digit more. */
async function portAndLonger(scene: Scene): Promise<{ url: string; longer: string }> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = 2000 + Math.floor(Math.random() * 1200);
    try {
      const { url } = await scene.emulator.listen({ port });
      const { url: longer } = await scene.emulator.listen({ port: port * 10 + 1 });
      return { url, longer };
    } catch {
      // Taken by somebody else.
    }
  }
  throw new Error("No two free ports");
}
