import { expect } from "vitest";
import type { AdapterBody, Capability } from "../adapter-subject.ts";
import { type ContractCase, contractGroup } from "../contract-case.ts";
import type { Scene } from "../scene.ts";

const { add, cases } = contractGroup("replay");

/** A body is sent again as it was, or not at all. */
export const replay: readonly ContractCase[] = cases;

/** What the protected resource says it has received. */
interface Echo {
  readonly method: string;
  readonly content_type: string | null;
  readonly body: string;
  readonly body_bytes: number;
}

async function sendRevoked(scene: Scene, request: { method: string; body: AdapterBody }): Promise<Echo> {
  await scene.send();
  scene.emulator.revokeAll();
  const answer = await scene.send(request);
  expect(answer.status).toBe(200);
  return JSON.parse(answer.text);
}

function sentBodies(scene: Scene): number[] {
  return scene.resourceLog().flatMap(({ method, bodyBytes }) => (method === "GET" ? [] : [bodyBytes]));
}

const text = "naïve £5 — text, twice";
const bytes = new TextEncoder().encode(text).length;

add("a replay is the request once more, but for the token", async (scene) => {
  const recorder = await scene.recorder();
  const client = await scene.client({ origins: [recorder.origin] });
  recorder.refuseNext();
  const headers = { "content-type": "text/x-poem", "x-colour": "blue", accept: "text/x-answer" };
  const url = `${recorder.origin}/a%20b/?q=1&q=2&r=%C3%A9`;
  expect((await client.send({ url, method: "PATCH", headers, body: text })).status).toBe(200);
  const sent = recorder.requests.map(({ authorization, headers: given, ...rest }) => {
    given.delete("authorization");
    return { ...rest, headers: Object.fromEntries(given) };
  });
  expect(sent).toHaveLength(2);
  expect(sent[1]).toEqual(sent[0]);
  const { accessToken } = await scene.manager.getToken();
  expect(recorder.requests[1]?.authorization).toEqual([`Bearer ${accessToken}`]);
});

add("a body of text is replayed as it was", async (scene) => {
  const echo = await sendRevoked(scene, { method: "POST", body: text });
  expect(echo).toMatchObject({ method: "POST", body: text });
  expect(sentBodies(scene)).toEqual([bytes, bytes]);
});

add("a body of bytes is replayed as it was, also when they are a part of a buffer", async (scene) => {
  const body = new Uint8Array(512).fill(65).subarray(100, 356);
  const echo = await sendRevoked(scene, { method: "PUT", body });
  expect(echo).toMatchObject({ method: "PUT", body: "A".repeat(256) });
  expect(sentBodies(scene)).toEqual([256, 256]);
});

add("a body of URLSearchParams is replayed as it was", async (scene) => {
  const echo = await sendRevoked(scene, {
    method: "POST",
    body: new URLSearchParams({ q: "é & ü", r: "1" }),
  });
  expect(echo.body).toBe("q=%C3%A9+%26+%C3%BC&r=1");
  expect(echo.content_type).toMatch(/^application\/x-www-form-urlencoded/);
  expect(new Set(sentBodies(scene))).toEqual(new Set([echo.body_bytes]));
});

const kinds: readonly (readonly [string, () => AdapterBody, Capability, RegExp])[] = [
  ["FormData", form, "send forms", /^multipart\/form-data; *boundary=/],
  ["a Blob", () => new Blob([text], { type: "text/x-poem" }), "send blobs", /^text\/x-poem/],
];
for (const [kind, make, capability, contentType] of kinds) {
  add(
    `a body of ${kind} is replayed as it was`,
    async (scene) => {
      const echo = await sendRevoked(scene, { method: "POST", body: make() });
      expect(echo.body).toContain(text);
      expect(echo.content_type).toMatch(contentType);
      // Sent with a header of before, a form is one that no server can take apart.
      const boundary = /boundary="?([^";]+)/.exec(echo.content_type ?? "")?.[1];
      if (boundary !== undefined) expect(echo.body).toContain(`--${boundary}`);
      const sent = sentBodies(scene);
      expect(sent).toHaveLength(2);
      // The boundary of a form may be drawn anew.
      expect(Math.min(...sent)).toBeGreaterThanOrEqual(bytes);
    },
    [capability],
  );
}

function form(): FormData {
  const data = new FormData();
  data.set("colour", "blue");
  data.set("poem", new File([text], "poem.txt", { type: "text/plain" }));
  return data;
}

function stream(chunks: readonly string[]): ReadableStream<Uint8Array> {
  const left = chunks.map((chunk) => new TextEncoder().encode(chunk));
  return new ReadableStream({
    pull(controller) {
      const chunk = left.shift();
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
  });
}

add(
  "a stream is sent with the token, as it was",
  async (scene) => {
    const answer = await scene.send({ method: "POST", body: stream(["one ", "two"]) });
    expect(JSON.parse(answer.text)).toMatchObject({ ok: true, body: "one two" });
  },
  ["send streams"],
);

add(
  "a stream is never sent twice: its 401 is the answer, and the next request has another token",
  async (scene) => {
    await scene.send();
    scene.emulator.revokeAll();
    const answer = await scene.send({ method: "POST", body: stream(["one ", "two"]) });
    expect(answer.status).toBe(401);
    expect(answer.text).toContain("revoked");
    await scene.until("the token is replaced in the background", ({ grants }) => grants === 2);
    const next = await scene.send({ method: "POST", body: stream(["three"]) });
    expect(JSON.parse(next.text)).toMatchObject({ ok: true, body: "three" });
    expect(sentBodies(scene)).toEqual([7, 5]);
    expect(scene.counters.tokenRequests).toBe(2);
  },
  ["send streams"],
);

add("a request is replayed once, and the 401 to the replay is the answer", async (scene) => {
  scene.resourceFault("/resource", { kind: "status", status: 401 }, 2);
  const answer = await scene.send({ method: "POST", body: text });
  expect(answer.status).toBe(401);
  expect(answer.text).toContain("The token is refused.");
  expect(sentBodies(scene)).toEqual([bytes, bytes]);
});
