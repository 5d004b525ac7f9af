import { describe, expect, test } from "vitest";
import { maxRedirects, redirectHeaders, redirectTarget } from "../src/redirect.ts";

const from = { url: new URL("https://api.example.com/v1/things?x=1#part"), method: "GET" };

function target(location: string | undefined, status = 302, origin: { url: URL; method: string } = from) {
  const headers = new Headers(location === undefined ? {} : { location });
  return redirectTarget({ status, headers }, origin.url.href, origin.method);
}

describe("a redirect", () => {
  test.for([200, 201, 204, 300, 304, 305, 306, 309, 400, 401, 503])("is not what status %d is", (status) => {
    expect(target("https://api.example.com/", status)).toBeUndefined();
  });

  test.for([301, 302, 303, 307, 308])("is what status %d is, when it has a Location", (status) => {
    expect(target("/there", status)?.url.href).toBe("https://api.example.com/there#part");
    expect(target(undefined, status)).toBeUndefined();
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
  ])("of status %d makes of %s a %s, body kept: %s", ([status, method, next, keepsBody]) => {
    expect(target("/there", status, { ...from, method })).toMatchObject({ method: next, keepsBody });
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
  ])("to %j leads to %s, another origin: %s", ([location, href, crossOrigin]) => {
    const found = target(location);
    expect(found?.url.href).toBe(href);
    expect(found?.crossOrigin).toBe(crossOrigin);
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
  ])("to %s fails with a TypeError, as fetch does, that does not show where to", (location) => {
    expect(() => target(location)).toThrow(TypeError);
    expect(() => target(location)).toThrow(/^(?!.*(passwd|99999|alert)).*redirect/i);
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
  const next = (given: { keepsBody: boolean; crossOrigin: boolean }) =>
    redirectHeaders(headers, { ...given, url: from.url, method: "GET" })
      .map(([name]) => name.toLowerCase())
      .sort();
  const credentials = ["authorization", "cookie", "host", "proxy-authorization"];
  const ofBody = [
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-type",
  ];
  const rest = ["accept", "content-disposition", "x-own", "x-own"];

  test("keep everything within the origin and with the body", () => {
    expect(next({ keepsBody: true, crossOrigin: false })).toEqual(
      [...rest, ...credentials, ...ofBody].sort(),
    );
  });

  test("have no credentials to another origin", () => {
    expect(next({ keepsBody: true, crossOrigin: true })).toEqual([...rest, ...ofBody].sort());
  });

  test("do not describe a body that stays behind", () => {
    expect(next({ keepsBody: false, crossOrigin: false })).toEqual([...rest, ...credentials].sort());
    expect(next({ keepsBody: false, crossOrigin: true })).toEqual([...rest].sort());
  });

  test("are a copy", () => {
    next({ keepsBody: false, crossOrigin: true });
    expect(headers).toHaveLength(13);
  });
});
