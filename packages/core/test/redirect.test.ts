import { describe, expect, test } from "vitest";
import { maxRedirects, redirected, type SentRequest } from "../src/redirect.ts";

const from = { url: new URL("https://api.example.com/v1/things?x=1#part"), method: "GET" };

/** Of a request with a body and a cookie, by which one can tell what goes along. */
async function target(
  location: string | undefined,
  status = 302,
  origin: { url: URL; method: string } = from,
) {
  const init = { method: origin.method, body: "text", headers: [["cookie", "a=b"]] as [string, string][] };
  const sent: SentRequest = { url: origin.url.href, request: undefined, init, resendable: true };
  const headers = new Headers(location === undefined ? {} : { location });
  const next = await redirected(new Response(null, { status, headers }), sent);
  if (next === undefined) return undefined;
  const [href, { method, body, headers: kept }] = next;
  return { href, method, keepsBody: body === "text", crossOrigin: [...new Headers(kept)].length === 0 };
}

describe("a redirect", () => {
  test.for([200, 201, 204, 300, 304, 305, 306, 309, 400, 401, 503])(
    "is not what status %d is",
    async (status) => {
      expect(await target("https://api.example.com/", status)).toBeUndefined();
    },
  );

  test.for([301, 302, 303, 307, 308])("is what status %d is, when it has a Location", async (status) => {
    expect((await target("/there", status))?.href).toBe("https://api.example.com/there#part");
    expect(await target(undefined, status)).toBeUndefined();
  });

  test.for<[number, string, string, boolean]>([
    [301, "GET", "GET", true],
    [301, "HEAD", "HEAD", true],
    [301, "POST", "GET", false],
    [301, "PUT", "PUT", true],
    [301, "DELETE", "DELETE", true],
    [302, "GET", "GET", true],
    [302, "POST", "GET", false],
    [302, "PATCH", "PATCH", true],
    [303, "GET", "GET", true],
    [303, "HEAD", "HEAD", true],
    [303, "POST", "GET", false],
    [303, "PUT", "GET", false],
    [303, "DELETE", "GET", false],
    [307, "POST", "POST", true],
    [307, "GET", "GET", true],
    [308, "POST", "POST", true],
    [308, "PUT", "PUT", true],
    [302, "post", "GET", false],
    [303, "head", "head", true],
    [307, "patch", "patch", true],
  ])("of status %d makes of %s a %s, body kept: %s", async ([status, method, next, keepsBody]) => {
    expect(await target("/there", status, { ...from, method })).toMatchObject({ method: next, keepsBody });
  });

  test.for([
    ["in UTF-8, a character for each byte", "/caf\u00c3\u00a9%20%zz", "/caf%C3%A9%20%zz"],
    ["in Latin-1", "/caf\u00e9", "/caf%C3%A9"],
  ] as const)("to what is written %s leads where the platform would go", async ([, location, path]) => {
    expect((await target(location))?.href).toBe(`https://api.example.com${path}#part`);
  });

  test.for<[string, string, boolean]>([
    ["/other", "https://api.example.com/other#part", false],
    ["other", "https://api.example.com/v1/other#part", false],
    ["?y=2", "https://api.example.com/v1/things?y=2#part", false],
    ["#new", "https://api.example.com/v1/things?x=1#new", false],
    ["", "https://api.example.com/v1/things?x=1#part", false],
    ["https://api.example.com:443/a#b", "https://api.example.com/a#b", false],
    ["HTTPS://API.EXAMPLE.COM/a", "https://api.example.com/a#part", false],
    ["https://api.example.com:8443/", "https://api.example.com:8443/#part", true],
    ["http://api.example.com/", "http://api.example.com/#part", true],
    ["//evil.example/", "https://evil.example/#part", true],
    ["/\\evil.example/", "https://evil.example/#part", true],
    ["\\\\evil.example/", "https://evil.example/#part", true],
    ["https://sub.api.example.com/", "https://sub.api.example.com/#part", true],
    ["https://api.example.com.evil.example/", "https://api.example.com.evil.example/#part", true],
    ["https://api.example.com@evil.example/", "https://api.example.com@evil.example/#part", true],
    ["https://api.example.com./", "https://api.example.com./#part", true],
    ["https:evil", "https://api.example.com/v1/evil#part", false],
    ["http:evil.example", "http://evil.example/#part", true],
  ])("to %j leads to %s, another origin: %s", async ([location, href, crossOrigin]) => {
    expect(await target(location)).toMatchObject({ href, crossOrigin });
  });

  test.for([
    "data:text/plain,x",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "blob:https://api.example.com/1",
    "ftp://api.example.com/",
    "ws://api.example.com/",
    "about:blank",
    "mailto:a@example.com",
    "https://",
    "https://api.example.com:99999/",
    "https://a b/",
    "http://[::1",
  ])("to %s fails with a TypeError, as fetch does, that does not show where to", async (location) => {
    await expect(target(location)).rejects.toThrow(TypeError);
    await expect(target(location)).rejects.toThrow(/^(?!.*(passwd|99999|alert)).*redirect/i);
  });

  test("is followed as often as Fetch does", () => {
    expect(maxRedirects).toBe(20);
  });
});

describe("the headers of the next hop", () => {
  const headers: [string, string][] = [
    ["Accept", "application/json"],
    ["Authorization", "Bearer secret"],
    ["Proxy-Authorization", "Basic secret"],
    ["Cookie", "session=secret"],
    ["Host", "api.example.com"],
    ["content-type", "application/json"],
    ["Content-Length", "2"],
    ["CONTENT-ENCODING", "gzip"],
    ["content-language", "en"],
    ["content-location", "/x"],
    ["content-disposition", "inline"],
    ["x-own", "1"],
    ["x-own", "2"],
  ];
  async function next({ keepsBody, crossOrigin }: { keepsBody: boolean; crossOrigin: boolean }) {
    const location = crossOrigin ? "https://api.example.com:8443/" : "/there";
    const response = new Response(null, { status: keepsBody ? 307 : 303, headers: { location } });
    const init = { method: "POST", headers };
    const sent: SentRequest = { url: from.url.href, request: undefined, init, resendable: true };
    const kept = (await redirected(response, sent))?.[1].headers as [string, string][];
    return kept.map(([name]) => name.toLowerCase()).sort();
  }
  const credentials = ["authorization", "cookie", "host", "proxy-authorization"];
  const ofBody = [
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-type",
  ];
  const rest = ["accept", "content-disposition", "x-own", "x-own"];

  test("keep everything within the origin and with the body", async () => {
    expect(await next({ keepsBody: true, crossOrigin: false })).toEqual(
      [...rest, ...credentials, ...ofBody].sort(),
    );
  });

  test("have no credentials to another origin", async () => {
    expect(await next({ keepsBody: true, crossOrigin: true })).toEqual([...rest, ...ofBody].sort());
  });

  test("do not describe a body that stays behind", async () => {
    expect(await next({ keepsBody: false, crossOrigin: false })).toEqual([...rest, ...credentials].sort());
    expect(await next({ keepsBody: false, crossOrigin: true })).toEqual([...rest].sort());
  });

  test("are a copy", async () => {
    await next({ keepsBody: false, crossOrigin: true });
    expect(headers).toHaveLength(13);
  });
});

describe("what is sent to where a redirect leads", () => {
  const response = () => new Response("moved", { status: 307, headers: { location: "/there" } });
  const post = { method: "POST", body: "text", headers: { "content-length": "4" } };
  const sent = { url: from.url.href, init: { headers: [] }, resendable: true };

  test("is the body of a Request as it was, and whatever else the Request says", async () => {
    const { signal } = new AbortController();
    const settings = {
      cache: "no-store",
      credentials: "omit",
      integrity: "sha256-AA==",
      keepalive: true,
    } as const;
    const request = new Request(from.url, { ...post, ...settings, referrerPolicy: "origin", signal });
    const init = (await redirected(response(), { ...sent, request }))?.[1];
    const expected = { ...settings, method: "POST", referrerPolicy: "origin", signal: request.signal };
    expect(init).toMatchObject(expected);
    expect(await new Response(init?.body).text()).toBe("text");
  });

  test("is what was given beside a Request rather than what the Request says", async () => {
    const request = new Request(from.url, { ...post, cache: "no-store" });
    const init = { method: "PUT", body: "other", cache: "reload" as const, headers: [] };
    expect((await redirected(response(), { ...sent, request, init }))?.[1]).toMatchObject(init);
    expect(request.bodyUsed).toBe(false);
  });

  test("is what a Request has in workerd alone, and no body when there was none", async () => {
    const cf = { cacheTtl: 5 };
    const request = Object.assign(new Request(from.url), { cf });
    expect((await redirected(response(), { ...sent, request }))?.[1]).toMatchObject({ cf, body: null });
  });

  test("is nothing when the body is used up; the redirect is let go of", async () => {
    const moved = response();
    const request = new Request(from.url, post);
    await expect(redirected(moved, { ...sent, request, resendable: false })).rejects.toThrow("text or bytes");
    await expect(moved.text()).rejects.toThrow(TypeError);
  });
});
