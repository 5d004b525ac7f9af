import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { apiKeyGrant } from "../src/api-key-grant.ts";
import type { Grant } from "../src/grant.ts";
import {
  buildTokenRequest,
  isSecure,
  resolveTokenEndpoint,
  type TokenRequest,
} from "../src/token-request.ts";
import { exchangeOf, tokenEndpoint } from "./exchanging.ts";
import { rejectionOf, thrownBy } from "./thrown.ts";

describe("a token request", () => {
  test("is the documented one for an API key, and nothing else", async () => {
    const request = await requestOf(apiKeyGrant("the-api-key"));
    expect(request.method).toBe("POST");
    expect(request.url).toBe(tokenEndpoint);
    expect(request.headers).toEqual({
      accept: "application/json",
      "content-type": "application/x-www-form-urlencoded",
    });
    expect([...new URLSearchParams(request.body)]).toEqual([
      ["grant_type", "urn:ibm:params:oauth:grant-type:apikey"],
      ["apikey", "the-api-key"],
    ]);
    expect(request.body).toBe(
      "grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey=the-api-key",
    );
  });

  test.for<[string, string]>([
    ["a+b/c=d&e", "a%2Bb%2Fc%3Dd%26e"],
    ["100%", "100%25"],
    ["two words", "two+words"],
    ["käse", "k%C3%A4se"],
    ["🔑", "%F0%9F%94%91"],
    ["#?;", "%23%3F%3B"],
    ["-._*~", "-._*%7E"],
  ])("encodes %j as a form does", ([value, encoded]) => {
    const { body } = buildTokenRequest({ tokenEndpoint, form: { apikey: value } });
    expect(body).toBe(`apikey=${encoded}`);
    expect(new URLSearchParams(body).get("apikey")).toBe(value);
  });

  test("leaves out fields that are undefined and keeps those that are empty", () => {
    const form = { grant_type: "x", scope: undefined, account: "" };
    expect(buildTokenRequest({ tokenEndpoint, form }).body).toBe("grant_type=x&account=");
  });

  test("keeps the order of its fields and encodes their names", () => {
    expect(buildTokenRequest({ tokenEndpoint, form: { b: "1", "a&": "2" } }).body).toBe("b=1&a%26=2");
  });

  test.for<[string, string, string | undefined, string]>([
    ["IAM's own public client", "bx", "bx", "Yng6Yng="],
    ["letters beyond ASCII, over UTF-8", "jürgen", "geheim€", "asO8cmdlbjpnZWhlaW3igqw="],
    ["characters that a form would encode, raw", "a b", "c%d+e", "YSBiOmMlZCtl"],
    ["an empty secret", "cf", "", "Y2Y6"],
    ["no secret", "cf", undefined, "Y2Y6"],
    ["a secret with a colon", "id", "a:b", "aWQ6YTpi"],
  ])("carries Basic client authentication: %s", ([, clientId, clientSecret, encoded]) => {
    const request = buildTokenRequest({ tokenEndpoint, form: {}, clientId, clientSecret });
    expect(request.headers.authorization).toBe(`Basic ${encoded}`);
    expect(Buffer.from(encoded, "base64").toString()).toBe(`${clientId}:${clientSecret ?? ""}`);
    expect(request.body).toBe("");
  });

  test("carries client authentication and scope of the grant, and no client in the form", async () => {
    const grant = apiKeyGrant("k", { clientId: "bx", clientSecret: () => "bx", scope: "ibm openid" });
    const request = await requestOf(grant);
    expect(request.headers.authorization).toBe("Basic Yng6Yng=");
    expect(Object.fromEntries(new URLSearchParams(request.body))).toEqual({
      grant_type: "urn:ibm:params:oauth:grant-type:apikey",
      apikey: "k",
      scope: "ibm openid",
    });
    expect(grant.identity()).toEqual({ client_id: "bx", scope: "ibm openid" });
  });

  test("shows neither its body nor its headers", async () => {
    const request = await requestOf(apiKeyGrant("k3y", { clientId: "cl1ent", clientSecret: "s3cret" }));
    const shown = [
      inspect(request, { depth: Infinity, showHidden: true, getters: true }),
      JSON.stringify(request),
      inspect({ ...request }),
      String(request),
    ].join();
    expect(shown).toContain(tokenEndpoint);
    for (const secret of ["k3y", "s3cret", btoa("cl1ent:s3cret")]) expect(shown).not.toContain(secret);
  });
});

describe("the API key grant", () => {
  test.for<[string, object]>([
    ["a client id alone", { clientId: "bx" }],
    ["a client secret alone", { clientSecret: "bx" }],
    ["an empty client id", { clientId: "", clientSecret: "bx" }],
    ["a client id with a colon, where HTTP Basic ends it", { clientId: "b:x", clientSecret: "bx" }],
    ["a client id that is not a string", { clientId: 1, clientSecret: "bx" }],
    ["a padded client secret", { clientId: "bx", clientSecret: "bx\n" }],
  ])("refuses %s", ([, options]) => {
    const error = thrownBy(() => apiKeyGrant("k", options));
    expect(error.code).toBe("ERR_IAM_CONFIG");
    expect(error.message).toMatch(/client/i);
  });

  test.for(["}", '{"a"}', "`", "a b ", "'"])(
    "takes a client secret that begins or ends as a key cannot: %j",
    async (clientSecret) => {
      const { headers } = await requestOf(apiKeyGrant("k", { clientId: "c", clientSecret }));
      expect(headers.authorization).toBe(`Basic ${btoa(`c:${clientSecret}`)}`);
    },
  );

  test("asks a function for the client secret again for each exchange", async () => {
    const secrets = ["one", "two"];
    const grant = apiKeyGrant("k", { clientId: "c", clientSecret: () => secrets.shift() ?? "" });
    expect((await requestOf(grant)).headers.authorization).toBe(`Basic ${btoa("c:one")}`);
    expect((await requestOf(grant)).headers.authorization).toBe(`Basic ${btoa("c:two")}`);
    expect(await rejectionOf(() => requestOf(grant))).toMatchObject({ code: "ERR_IAM_CONFIG" });
  });
});

const whole = "https://iam.example.com/identity/token";

describe("a token endpoint", () => {
  test.for<[unknown, string]>([
    [undefined, tokenEndpoint],
    ["https://iam.example.com", whole],
    ["https://iam.example.com/", whole],
    ["https://iam.example.com//", whole],
    [whole, whole],
    [`${whole}/`, whole],
    ["HTTPS://IAM.Example.COM", whole],
    ["https://iam.example.com:443", whole],
    ["https://iam.example.com:8443", "https://iam.example.com:8443/identity/token"],
    ["https://auth.example.com/oauth2/v1/token", "https://auth.example.com/oauth2/v1/token"],
    ["https://auth.example.com/Oauth/", "https://auth.example.com/Oauth/"],
    [new URL("https://iam.example.com"), whole],
    [new URL(whole), whole],
    ["http://localhost:8080", "http://localhost:8080/identity/token"],
    ["http://LOCALHOST", "http://localhost/identity/token"],
    ["http://127.0.0.1:1", "http://127.0.0.1:1/identity/token"],
    ["http://127.255.255.254", "http://127.255.255.254/identity/token"],
    ["http://127.1", "http://127.0.0.1/identity/token"],
    ["http://2130706433", "http://127.0.0.1/identity/token"],
    ["http://0x7f.0.0.1", "http://127.0.0.1/identity/token"],
    ["http://0177.0.0.1", "http://127.0.0.1/identity/token"],
    ["http://[::1]:9", "http://[::1]:9/identity/token"],
    ["http://[0:0:0:0:0:0:0:1]", "http://[::1]/identity/token"],
  ])("given as %s is %s", ([given, resolved]) => {
    expect(resolveTokenEndpoint(given, { allowInsecure: false })).toBe(resolved);
  });

  test.for<[unknown, RegExp]>([
    ["", /URL/],
    ["iam.cloud.ibm.com", /URL/],
    ["/identity/token", /URL/],
    ["//iam.cloud.ibm.com", /URL/],
    ["https://", /URL/],
    ["https://a b", /URL/],
    ["https://iam.example.com:99999", /URL/],
    ["https://[::1", /URL/],
    [null, /URL/],
    [42, /URL/],
    [true, /URL/],
    [{}, /URL/],
    [[], /URL/],
    [{ href: 42 }, /URL/],
    [() => whole, /URL/],
    [Symbol("x"), /URL/],
    ["https://user:pa55word@iam.example.com", /credentials/],
    ["https://user@iam.example.com", /credentials/],
    ["https://:pa55word@iam.example.com", /credentials/],
    [new URL("https://user:pa55word@iam.example.com"), /credentials/],
    [`${whole}?account=1`, /query/],
    [`${whole}?`, /query/],
    ["https://iam.example.com?", /query/],
    [`${whole}#apikey`, /fragment/],
    [`${whole}#`, /fragment/],
    [new URL(`${whole}?apikey=pa55word`), /query/],
  ])("given as %s is refused", ([given, word]) => {
    const error = thrownBy(() => resolveTokenEndpoint(given, { allowInsecure: true }));
    expect(error.code).toBe("ERR_IAM_CONFIG");
    expect(error.message).toContain("tokenEndpoint");
    expect(error.message).toMatch(word);
    expect(error.message).not.toContain("pa55word");
  });

  const inTheClear = [
    "http://iam.cloud.ibm.com",
    "http://10.0.0.1",
    "http://128.0.0.1",
    "http://126.255.255.255",
    "http://0.0.0.0",
    "http://1.127.0.0",
    "http://[::]",
    "http://[::2]",
    "http://[::ffff:127.0.0.1]",
    "http://[::ffff:7f00:1]",
    "http://[::127.0.0.1]",
    "http://localhost.",
    "http://localhost.localdomain",
    "http://localhost.example.com",
    "http://my.localhost",
    "http://localhost4",
    "http://ip6-localhost",
    "http://127.0.0.1.nip.io",
    "http://127.0.0.1.example.com",
    "http://localtest.me",
    "http://lvh.me",
    "http://metadata",
  ];
  test.for(inTheClear)("is not %s, which is neither https nor loopback by its spelling", (given) => {
    const error = thrownBy(() => resolveTokenEndpoint(given, { allowInsecure: false }));
    expect(error.code).toBe("ERR_IAM_CONFIG");
    expect(error.message).toMatch(/tokenEndpoint.*https/s);
  });

  test.for(inTheClear)("is %s when insecure transport is asked for", (given) => {
    expect(resolveTokenEndpoint(given, { allowInsecure: true })).toMatch(/^http:\/\/.+\/identity\/token$/);
  });

  test.for([
    "ftp://iam.example.com",
    "ftp://localhost",
    "ws://127.0.0.1",
    "wss://iam.example.com",
    "data:application/json,{}",
    "file:///etc/passwd",
    "blob:https://iam.example.com/1",
    "javascript:alert(1)",
    "about:blank",
    "localhost:8080",
    "iam+https://iam.example.com",
  ])("is never %s, whatever is allowed", (given) => {
    for (const allowInsecure of [true, false]) {
      const error = thrownBy(() => resolveTokenEndpoint(given, { allowInsecure }));
      expect(error.code).toBe("ERR_IAM_CONFIG");
      expect(error.message).toContain("tokenEndpoint");
      expect(error.message).not.toContain("null");
    }
  });
});

test.for<[string, boolean]>([
  ["localhost", true],
  ["127.0.0.1", true],
  ["127.255.0.9", true],
  ["[::1]", true],
  ["LOCALHOST", false],
  ["localhost.", false],
  ["127.0.0.1.example.com", false],
  ["x127.0.0.1", false],
  ["127.0.0.1\n", false],
  ["::1", false],
  ["[::11]", false],
  ["", false],
])("the host %j of a parsed URL is loopback: %s", ([hostname, expected]) => {
  expect(isSecure({ protocol: "http:", hostname } as URL)).toBe(expected);
  expect(isSecure({ protocol: "https:", hostname } as URL)).toBe(true);
  expect(isSecure({ protocol: "ftp:", hostname } as URL)).toBe(false);
});

/** The one request that a grant sends. */
async function requestOf(grant: Grant): Promise<TokenRequest> {
  const { requests } = await exchangeOf(grant);
  expect(requests).toHaveLength(1);
  const [request] = requests;
  if (request === undefined) throw new Error("nothing was sent");
  return request;
}
