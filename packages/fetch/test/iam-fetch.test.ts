import {
  apiKeyGrant,
  createTokenManager,
  isIamError,
  systemClock,
  type TokenManager,
  type TokenManagerEvent,
} from "@iam/core";
import { type RunningEmulator, startEmulator } from "@iam/emulator";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type IamFetchOptions, iamFetch } from "../src/index.ts";

interface Stage {
  readonly emulator: RunningEmulator;
  readonly manager: TokenManager;
  readonly resource: string;
  make(options?: Partial<IamFetchOptions>): typeof fetch;
}

async function stage(): Promise<Stage> {
  const emulator = await startEmulator();
  const grant = apiKeyGrant(emulator.apiKey);
  const manager = createTokenManager({ grant, tokenEndpoint: emulator.url });
  onTestFinished(async () => {
    await manager[Symbol.asyncDispose]();
    await emulator.close();
  });
  return {
    emulator,
    manager,
    resource: `${emulator.url}/resource`,
    make: (options) => iamFetch({ manager, origins: [emulator.url], ...options }),
  };
}

type Call = Parameters<typeof fetch>;

/** A fetch that notes what it is called with, and then does it. */
function spyFetch(calls: Call[]): typeof fetch {
  return (...call) => {
    calls.push(call);
    return fetch(...call);
  };
}

interface Echo {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly content_type: string | null;
}

async function echo(response: Response): Promise<Echo> {
  expect(response.status).toBe(200);
  return (await response.json()) as Echo;
}

describe("what is asked for", () => {
  test("a string, a URL and a Request are all taken", async () => {
    const { make, resource } = await stage();
    const fetch = make();
    for (const input of [resource, new URL(resource), new Request(resource)]) {
      expect((await fetch(input)).status).toBe(200);
    }
  });

  test("an init wins over the Request beside it, member by member", async () => {
    const { make, resource } = await stage();
    const request = new Request(resource, {
      method: "POST",
      body: "of the request",
      headers: { "content-type": "text/x-one" },
    });
    const answer = await echo(
      await make()(request, { method: "PUT", headers: { "content-type": "text/x-two" } }),
    );
    expect(answer).toMatchObject({ method: "PUT", body: "of the request", content_type: "text/x-two" });
  });

  test.for(["two", ""])(
    "a body %j in the init replaces that of the Request, and can be replayed",
    async (body) => {
      const { emulator, make, resource } = await stage();
      const fetch = make();
      await fetch(resource);
      emulator.revokeAll();
      const answer = await echo(
        await fetch(new Request(resource, { method: "POST", body: "one" }), { body }),
      );
      expect(answer).toMatchObject({ method: "POST", body });
      expect(emulator.counters.resourceRequestsByStatus).toEqual({ 200: 2, 401: 1 });
    },
  );

  test("a Request that has been read can be sent with the body of the init", async () => {
    const { emulator, make, resource } = await stage();
    const fetch = make();
    await fetch(resource);
    emulator.revokeAll();
    const request = new Request(resource, { method: "POST", body: "one" });
    const body = (await request.text()).toUpperCase();
    expect(await echo(await fetch(request, { body }))).toMatchObject({ method: "POST", body: "ONE" });
    expect(emulator.counters.resourceRequestsByStatus).toEqual({ 200: 2, 401: 1 });
    await expect(fetch(request)).rejects.toThrow(TypeError);
  });

  test("a Request given as the init is read as the platform reads it", async () => {
    const { make, resource } = await stage();
    const headers = { "content-type": "text/x-poem" };
    const init = new Request("http://127.0.0.1:9/elsewhere", { method: "POST", body: "text", headers });
    const answer = await echo(await make()(`${resource}/a`, init));
    expect(answer).toMatchObject({
      method: "POST",
      path: "/resource/a",
      body: "text",
      content_type: "text/x-poem",
    });
  });

  test("a caller's Authorization on a Request is left alone", async () => {
    const { emulator, make, resource } = await stage();
    const request = new Request(resource, { headers: { authorization: "Bearer of-the-caller" } });
    expect((await make()(request)).status).toBe(401);
    expect(emulator.counters).toMatchObject({ tokenRequests: 0, resourceRequests: 1 });
  });

  test("an init may inherit what it says", async () => {
    const { make, resource } = await stage();
    const init = Object.create({
      method: "PUT",
      body: "text",
      headers: { "x-shape": "round" },
    }) as RequestInit;
    expect(await echo(await make()(resource, init))).toMatchObject({ method: "PUT", body: "text" });
  });

  test("replay is no text: every text would be taken for true", async () => {
    const { make } = await stage();
    expect(() => make({ replay: "no" as never })).toThrow("iamFetch: replay is no boolean.");
  });

  test("the caller's Request and init are not edited", async () => {
    const { make, resource } = await stage();
    const request = new Request(resource, { headers: { "x-colour": "blue" } });
    const init = Object.freeze({ headers: Object.freeze({ "x-shape": "round" }) });
    await make()(request, init);
    await make()(request);
    expect([...request.headers]).toEqual([["x-colour", "blue"]]);
    expect(init).toEqual({ headers: { "x-shape": "round" } });
  });

  test("a relative or broken URL gets the platform's own error", async () => {
    const { emulator, make } = await stage();
    for (const input of ["/resource", "http://", "not a url"]) {
      const [ours, theirs] = await Promise.all(
        [make(), fetch].map((each) =>
          each(input).then(String, (error: Error) => `${error.name}: ${error.message}`),
        ),
      );
      expect(ours).toMatch(/^TypeError/);
      expect(ours).toBe(theirs);
    }
    expect(emulator.counters.requests).toBe(0);
  });

  test("a String object is judged as the URL that it is", async () => {
    const { emulator, make, resource } = await stage();
    const boxed = (url: string) => new String(url) as string;
    expect((await make()(boxed(resource))).status).toBe(200);
    const elsewhere = make({ origins: ["https://api.example.com"] });
    await expect(elsewhere(boxed(resource))).rejects.toMatchObject({ code: "ERR_IAM_ORIGIN_NOT_ALLOWED" });
    expect(emulator.counters.resourceRequests).toBe(1);
  });

  test("a URL that is changed while the token is waited for is not the one that is sent to", async () => {
    const { emulator, make, resource } = await stage();
    const other = await emulator.listen();
    const url = new URL(resource);
    const answer = make()(url);
    url.href = `${other.url}/resource/elsewhere`;
    expect(await echo(await answer)).toMatchObject({ path: "/resource" });
  });

  test("a URL that only looks like the one before is judged by itself", async () => {
    const { manager } = await stage();
    const sent: unknown[] = [];
    const below: typeof fetch = async (input) => {
      sent.push(input);
      return new Response();
    };
    const home = "https://api.example.com";
    const fetch = iamFetch({ manager, origins: [home], fetch: below });
    await fetch(`${home}/first`);
    const likes = [
      ...["", ":8443", ".", ".evil.example", "@evil.example", ":a@evil.example", "%2f@evil.example", "evil"],
      ...["\\@evil.example", "\t@evil.example", "\n.evil.example", "?@evil.example", "#@evil.example"],
    ].map((tail) => `${home}${tail}/things`);
    likes.push(`x${home}/`, `http${home.slice(5)}/`, `https:/${home.slice(7)}.evil.example/`);
    for (const url of likes) {
      const { origin, username, password } = URL.canParse(url) ? new URL(url) : {};
      if (origin === home && !username && !password) await fetch(url);
      else await expect(fetch(url)).rejects.toMatchObject({ code: "ERR_IAM_ORIGIN_NOT_ALLOWED" });
    }
    expect(sent.map((url) => new URL(String(url)).origin)).toEqual(sent.map(() => home));
    expect(sent.length).toBeLessThan(likes.length);
  });

  test("whatever comes behind an origin and a slash does not change the origin", () => {
    for (const home of [
      "https://api.example.com",
      "http://127.0.0.1:8080",
      "http://[::1]:80",
      "https://xn--bcher-kva.example",
    ]) {
      const { origin } = new URL(home);
      for (let code = 0; code < 0x3100; code++) {
        const character = String.fromCharCode(code);
        for (const tail of [
          `${character}@evil.example/`,
          `${character}${character}evil.example`,
          `..${character}/x`,
        ])
          expect(new URL(`${origin}/${tail}`).origin === origin, `U+${code.toString(16)}`).toBe(true);
      }
    }
  });

  test("a scheme that is not http is refused as an origin", async () => {
    const { make } = await stage();
    for (const url of ["data:text/plain,hello", "blob:https://api.example.com/1", "file:///etc/hosts"]) {
      const error: unknown = await make()(url).catch((thrown: unknown) => thrown);
      expect(isIamError(error)).toBe(true);
      // There is no origin in it that could be added.
      expect(String(error)).toBe("IamError: The request has no URL with a host.");
    }
  });
});

describe("the fetch below", () => {
  test("gets every member of the init, also those that nobody knows", async () => {
    const { make, resource } = await stage();
    const calls: Call[] = [];
    const { signal } = new AbortController();
    const init = {
      signal,
      cache: "no-store",
      keepalive: true,
      cf: { cacheTtl: 5 },
      dispatcher: undefined,
    } as const;
    await make({ fetch: spyFetch(calls) })(resource, init);
    expect(calls).toHaveLength(1);
    expect(calls[0]?.[1]).toMatchObject({ signal, cache: "no-store", keepalive: true, cf: { cacheTtl: 5 } });
  });

  test("gets the body and duplex of a streaming upload as they are", async () => {
    const { make, resource } = await stage();
    const calls: Call[] = [];
    const body = new Blob(["one ", "two"]).stream();
    const init = { method: "POST", body, duplex: "half" as const };
    expect(await echo(await make({ fetch: spyFetch(calls) })(resource, init))).toMatchObject({
      body: "one two",
    });
    expect(calls[0]?.[1]).toMatchObject({ duplex: "half" });
    expect(calls[0]?.[1]?.body).toBe(body);
  });

  test("is globalThis.fetch of the moment, so that patches apply", async () => {
    const { make, resource } = await stage();
    const wrapped = make();
    const calls: Call[] = [];
    const original = globalThis.fetch;
    vi.stubGlobal("fetch", (...call: Call) => {
      calls.push(call);
      return original(...call);
    });
    onTestFinished(() => void vi.unstubAllGlobals());
    await wrapped(resource);
    expect(calls.some(([input]) => String(input) === resource)).toBe(true);
  });

  test("is wrapped once, also when it is wrapped twice", async () => {
    const { emulator, make, resource, manager } = await stage();
    const calls: Call[] = [];
    const once = make({ fetch: spyFetch(calls) });
    const twice = iamFetch({ manager, origins: [emulator.url], fetch: once });
    await twice(resource);
    emulator.revokeAll();
    expect((await twice(resource)).status).toBe(200);
    expect(calls).toHaveLength(3);
  });

  test("that is wrapped twice sends only to where both lists of origins allow it", async () => {
    const { emulator, make, resource } = await stage();
    const other = await emulator.listen();
    const both = [emulator.url, other.url];
    const narrowerOutside = make({ fetch: make({ origins: both }) });
    const narrowerInside = make({ origins: both, fetch: make() });
    for (const fetch of [narrowerOutside, narrowerInside]) {
      expect((await fetch(resource)).status).toBe(200);
      await expect(fetch(`${other.url}/resource`)).rejects.toMatchObject({
        code: "ERR_IAM_ORIGIN_NOT_ALLOWED",
      });
    }
    const passing = make({ otherOrigins: "pass", fetch: make({ origins: both, otherOrigins: "pass" }) });
    expect((await passing(`${other.url}/resource`)).status).toBe(401);
    emulator.fault({ kind: "redirect", location: `${other.url}/resource/to` }, { target: "resource" });
    expect((await narrowerOutside(resource)).status).toBe(401);
    const elsewhere = emulator.log.filter(({ target }) => target === "resource").slice(-3);
    expect(elsewhere.map(({ authorization }) => authorization !== undefined)).toEqual([false, true, false]);
  });

  test("that is wrapped twice replays as the outer one says", async () => {
    const { emulator, make, resource } = await stage();
    const fetch = make({ replay: false, fetch: make() });
    await fetch(resource);
    emulator.revokeAll();
    expect((await fetch(resource)).status).toBe(401);
  });

  test("gets the headers in whatever form they were given, and the token once", async () => {
    const { emulator, make, resource, manager } = await stage();
    const calls: Call[] = [];
    const fetch = make({ fetch: spyFetch(calls) });
    const forms: [HeadersInit | undefined, [string, string][]][] = [
      [undefined, []],
      [{ "X-One": "1" }, [["x-one", "1"]]],
      [
        [
          ["x-one", "1"],
          ["X-One", "2"],
        ],
        [["x-one", "1, 2"]],
      ],
      [new Headers({ "x-one": "1" }), [["x-one", "1"]]],
      [new Map([["x-one", "1"]]) as unknown as HeadersInit, [["x-one", "1"]]],
    ];
    const authorization = `Bearer ${(await manager.getToken()).accessToken}`;
    for (const [headers, expected] of forms) {
      await fetch(resource, headers === undefined ? {} : { headers });
      await fetch(new Request(resource, headers === undefined ? {} : { headers: new Headers(headers) }));
      for (const [, init] of calls.splice(0)) {
        expect([...new Headers(init?.headers)]).toEqual([["authorization", authorization], ...expected]);
      }
    }
    expect(emulator.counters.resourceRequestsByStatus).toEqual({ 200: 10 });
  });

  test("gets a Request without a body as it is, since there is nothing to keep", async () => {
    const { emulator, make, resource } = await stage();
    const calls: Call[] = [];
    const fetch = make({ fetch: spyFetch(calls) });
    await fetch(resource);
    emulator.revokeAll();
    const request = new Request(resource);
    const clone = vi.spyOn(request, "clone");
    expect((await fetch(request)).status).toBe(200);
    expect(calls.slice(1).map(([input]) => input)).toEqual([request, request]);
    expect(clone).not.toHaveBeenCalled();
  });

  test("that is no function is refused", async () => {
    const { make } = await stage();
    const wrong = { fetch: "fetch" } as unknown as IamFetchOptions;
    expect(() => make(wrong)).toThrow(expect.objectContaining({ code: "ERR_IAM_CONFIG" }));
  });
});

describe("redirects", () => {
  async function redirecting(status: 301 | 302 | 303 | 307 | 308) {
    const scene = await stage();
    const from = `${scene.emulator.url}/resource/from`;
    const fault = { kind: "redirect", status, location: "/resource/to#there" } as const;
    scene.emulator.fault(fault, { target: "resource", path: "/resource/from" });
    return { ...scene, from };
  }

  test('redirect "manual" gives the redirect itself', async () => {
    const { make, from } = await redirecting(302);
    const response = await make()(from, { redirect: "manual" });
    expect(response.status).toBe(302);
    expect(response.headers.get("location")).toBe("/resource/to#there");
  });

  test('redirect "error" is an error of the platform', async () => {
    const { make, from, emulator } = await redirecting(302);
    await expect(make()(from, { redirect: "error" })).rejects.toThrow(TypeError);
    emulator.fault({ kind: "redirect", location: "/resource/to" }, { target: "resource" });
    await expect(make()(new Request(from, { redirect: "error" }))).rejects.toThrow(TypeError);
    expect(emulator.counters.resourceRequests).toBe(2);
  });

  test("a response that was come to by a redirect says so, and where it came from", async () => {
    const { make, from, resource } = await redirecting(307);
    const response = await make()(from);
    expect(response.redirected).toBe(true);
    expect(response.url).toBe(`${resource}/to`);
    expect((await make()(resource)).redirected).toBe(false);
  });

  test.each([
    [301, "POST", "GET"],
    [302, "POST", "GET"],
    [303, "POST", "GET"],
    [303, "PUT", "GET"],
    [302, "PUT", "PUT"],
    [307, "POST", "POST"],
    [308, "PUT", "PUT"],
  ] as const)(
    "a %i makes of a %s a %s, with its body or without, as the platform does",
    async (status, method, then) => {
      const { emulator, make, from } = await redirecting(status);
      const init = {
        method,
        body: "some text",
        headers: { "content-type": "text/x-poem", "x-colour": "blue" },
      };
      const answer = await echo(await make()(from, init));
      const kept = then !== "GET";
      expect(answer).toMatchObject({
        method: then,
        path: "/resource/to",
        body: kept ? "some text" : "",
        content_type: kept ? "text/x-poem" : null,
      });
      expect(emulator.counters.tokenRequests).toBe(1);
    },
  );

  test("a redirect that leads in a circle is followed 20 times", async () => {
    const { emulator, make, resource } = await stage();
    emulator.fault({ kind: "redirect", location: "/resource" }, { target: "resource", times: "forever" });
    await expect(make()(resource)).rejects.toThrow(new TypeError("More than 20 redirects"));
    expect(emulator.counters.resourceRequests).toBe(21);
  });

  test("a Request with a body whose length is told is sent on whole, as often as it is asked for", async () => {
    const { emulator, make, from, resource } = await redirecting(307);
    emulator.fault(
      { kind: "redirect", status: 308, location: resource },
      { target: "resource", path: "/resource/to" },
    );
    const headers = { "content-length": "4", "content-type": "text/x-poem" };
    const request = new Request(from, { method: "POST", body: "text", headers });
    const answer = await echo(await make()(request));
    expect(answer).toMatchObject({
      method: "POST",
      path: "/resource",
      body: "text",
      content_type: "text/x-poem",
    });
  });

  describe("and 401s, with more than 5 s between one answer and the next", () => {
    async function slow() {
      const scene = await stage();
      let passedMs = 0;
      const clock = {
        ...systemClock,
        wallNow: () => Date.now() + passedMs,
        monotonicNow: () => performance.now() + passedMs,
      };
      const grant = apiKeyGrant(scene.emulator.apiKey);
      const events: string[] = [];
      const onEvent = ({ type }: TokenManagerEvent) => events.push(type);
      const manager = createTokenManager({ grant, tokenEndpoint: scene.emulator.url, clock, onEvent });
      onTestFinished(() => manager[Symbol.asyncDispose]());
      const later: typeof fetch = (...call) => {
        passedMs += 6_000;
        return fetch(...call);
      };
      const sentTo = () =>
        scene.emulator.log.flatMap(({ target, path }) => (target === "resource" ? [path] : []));
      return { ...scene, events, fetch: scene.make({ manager, fetch: later }), sentTo };
    }
    const at = (path: string) => ({ target: "resource", path }) as const;

    test("replay a request once, however many hops it has", async () => {
      const { emulator, fetch, resource, sentTo } = await slow();
      emulator.fault({ kind: "status", status: 401 }, at("/resource/from"));
      emulator.fault({ kind: "redirect", location: "/resource/to" }, at("/resource/from"));
      emulator.fault({ kind: "status", status: 401 }, at("/resource/to"));
      expect((await fetch(`${resource}/from`)).status).toBe(401);
      await emulator.until(({ grants }) => grants === 3);
      expect(sentTo()).toEqual(["/resource/from", "/resource/from", "/resource/to"]);
    });

    test("are told to the manager once for a request and its replay", async () => {
      const { emulator, events, fetch, resource, sentTo } = await slow();
      emulator.fault({ kind: "status", status: 401 }, { target: "resource", times: 2 });
      expect((await fetch(resource)).status).toBe(401);
      expect(events.filter((type) => type === "token_rejected")).toHaveLength(1);
      expect(sentTo()).toEqual(["/resource", "/resource"]);
    });
  });

  test("the same holds for a Request", async () => {
    const { make, from } = await redirecting(303);
    const request = new Request(from, { method: "POST", body: "text", headers: { "content-length": "4" } });
    expect(await echo(await make()(request))).toMatchObject({ method: "GET", body: "", content_type: null });
  });

  test("a Request of a library follows it by the fetch of that library, which knows no other", async () => {
    class OwnRequest extends Request {}
    const ownFetch: typeof fetch = async (input, init) => {
      if (input instanceof Request && !(input instanceof OwnRequest)) throw new TypeError("Invalid URL");
      return fetch(input, init);
    };
    for (const [status, method, then] of [
      [302, "GET", "GET"],
      [307, "DELETE", "DELETE"],
      [303, "POST", "GET"],
    ] as const) {
      const { make, from } = await redirecting(status);
      const request = new OwnRequest(from, { method, headers: { "content-type": "text/x-poem" } });
      const answer = await echo(await make({ fetch: ownFetch })(request));
      const kept = then === method ? "text/x-poem" : null;
      expect(answer).toMatchObject({ method: then, path: "/resource/to", content_type: kept });
    }
  });

  test("a body beside a Request goes along, by a redirect that keeps it", async () => {
    const { make, from } = await redirecting(307);
    const request = new Request(from, { method: "POST", body: "one" });
    await request.text();
    expect(await echo(await make()(request, { body: "two" }))).toMatchObject({ method: "POST", body: "two" });
  });

  test("a stream cannot follow a redirect that wants its body", async () => {
    const { emulator, make, from } = await redirecting(307);
    const init = { method: "POST", body: new Blob(["text"]).stream(), duplex: "half" as const };
    await expect(make()(from, init)).rejects.toThrow(/^Redirect \(307\) .* cannot be sent again/);
    expect(emulator.counters.resourceRequests).toBe(1);
  });

  test("nor can a Request that does not tell the length of its body, and the error says what can", async () => {
    const { make, from } = await redirecting(308);
    const init = { method: "POST", body: "text" };
    await expect(make()(new Request(from, init))).rejects.toThrow(/give text or bytes/);
  });

  test("a stream follows a redirect that does not want it", async () => {
    const { make, from } = await redirecting(303);
    const init = { method: "POST", body: new Blob(["text"]).stream(), duplex: "half" as const };
    expect(await echo(await make()(from, init))).toMatchObject({ method: "GET", body: "" });
  });

  test("the signal of a Request ends it on each hop, beside an init whose own is undefined", async () => {
    const { emulator, make, from } = await redirecting(307);
    emulator.fault({ kind: "hang" }, { target: "resource", path: "/resource/to" });
    const controller = new AbortController();
    const { signal } = controller;
    const answer = make()(new Request(from, { signal }), { signal: undefined as never });
    await emulator.until(({ resourceRequests }) => resourceRequests === 2);
    controller.abort();
    await expect(answer).rejects.toThrow("aborted");
  });

  test("credentials that the caller set for one origin do not go to another", async () => {
    const { emulator, make } = await stage();
    const other = await emulator.listen();
    const location = `${other.url}/resource/to`;
    emulator.fault({ kind: "redirect", location }, { target: "resource", path: "/resource/from" });
    const calls: Call[] = [];
    const headers = { cookie: "a=b", "proxy-authorization": "Basic eDp5", "x-colour": "blue" };
    const fetch = make({ fetch: spyFetch(calls) });
    expect((await fetch(`${emulator.url}/resource/from`, { headers })).status).toBe(401);
    const last = new Headers(calls.at(-1)?.[1]?.headers);
    expect([...last.keys()]).toEqual(["x-colour"]);
  });

  test("a redirect to credentials, to another scheme or to nonsense is an error, and carries no token", async () => {
    const { emulator, make } = await stage();
    for (const location of ["ftp://127.0.0.1/a", "http://", "data:text/plain,hello"]) {
      emulator.fault({ kind: "redirect", location }, { target: "resource" });
      await expect(make()(`${emulator.url}/resource`)).rejects.toThrow(TypeError);
    }
  });
});

describe("a Request with a body that was refused", () => {
  test("is replayed when its length is told", async () => {
    const { emulator, make, resource } = await stage();
    await make()(resource);
    emulator.revokeAll();
    const request = new Request(resource, {
      method: "POST",
      body: "text",
      headers: { "content-length": "4" },
    });
    expect(await echo(await make()(request))).toMatchObject({ method: "POST", body: "text" });
  });

  test("is replayed where requests do not tell their body, as in Firefox", async () => {
    const { emulator, make, resource } = await stage();
    class FirefoxRequest extends Request {
      override get body() {
        return undefined as never;
      }
      override clone() {
        return new FirefoxRequest(super.clone());
      }
    }
    await make()(resource);
    emulator.revokeAll();
    const init = { method: "POST", body: "text", headers: { "content-length": "4" } };
    const answer = await make()(new FirefoxRequest(resource, init));
    expect(await echo(answer)).toMatchObject({ method: "POST", body: "text" });
  });

  test("is not when it is not: then the 401 is the answer", async () => {
    const { emulator, make, resource } = await stage();
    await make()(resource);
    emulator.revokeAll();
    const response = await make()(new Request(resource, { method: "POST", body: "text" }));
    expect(response.status).toBe(401);
    await emulator.until(({ grants }) => grants === 2);
    const bodies = emulator.log.flatMap(({ method, bodyBytes, target }) =>
      target === "resource" && method === "POST" ? [bodyBytes] : [],
    );
    expect(bodies).toEqual([4]);
  });
});

test("a 401 whose body never ends is given up for the replay", async () => {
  const { emulator, make, resource } = await stage();
  const fetch = make();
  await fetch(resource);
  emulator.revokeAll();
  emulator.fault({ kind: "endless-body" }, { target: "resource" });
  expect((await fetch(resource)).status).toBe(200);
  await emulator.until(() => emulator.log.some(({ outcome }) => outcome === "abandoned"));
});

test("waitUntil is given what replaces the token of a stream that was refused", async () => {
  const { emulator, make, resource } = await stage();
  const late: Promise<unknown>[] = [];
  const fetch = make({ waitUntil: (promise) => void late.push(promise) });
  await fetch(resource);
  emulator.revokeAll();
  const init = { method: "POST", body: new Blob(["text"]).stream(), duplex: "half" as const };
  await fetch(resource, init);
  expect(late).toHaveLength(1);
  await Promise.all(late);
  expect(emulator.counters.grants).toBe(2);
});

test("waitUntil is given the refresh of an expiring token", async () => {
  const { emulator } = await stage();
  let passedMs = 0;
  const clock = {
    wallNow: () => 1_800_000_000_000 + passedMs,
    monotonicNow: () => passedMs,
    setTimer(run: () => void, delayMs: number) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
  };
  const grant = apiKeyGrant(emulator.apiKey);
  await using manager = createTokenManager({ grant, tokenEndpoint: emulator.url, clock });
  const late: Promise<unknown>[] = [];
  const waitUntil = (promise: Promise<unknown>) => void late.push(promise);
  const fetch = iamFetch({ manager, origins: [emulator.url], waitUntil });
  await fetch(`${emulator.url}/resource`);
  expect(late).toHaveLength(0);
  passedMs = 3_500_000;
  await fetch(`${emulator.url}/resource`);
  expect(late).toHaveLength(1);
  await Promise.all(late);
  expect(emulator.counters.grants).toBe(2);
});

test("what is not a token manager is refused with the name of the function", () => {
  const wrong = { manager: {} } as unknown as IamFetchOptions;
  expect(() => iamFetch(wrong)).toThrow(/^iamFetch/);
});
