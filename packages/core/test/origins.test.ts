import { describe, expect, test } from "vitest";
import { ibmOrigins, type OriginOptions, originRules } from "../src/origins.ts";
import { hostileUrls, patterns } from "./hostile-urls.ts";
import { thrownBy } from "./thrown.ts";

test("there are at least 200 hostile URLs, each once", () => {
  expect(hostileUrls.length).toBeGreaterThanOrEqual(200);
  expect(new Set(hostileUrls.map(([rules, url]) => `${rules} ${url}`)).size).toBe(hostileUrls.length);
});

describe("of the hostile URLs by the rules", () => {
  test.for(hostileUrls)("%s, %j gives the token to: %s", ([rules, url, verdict]) => {
    const judge = (otherOrigins: "refuse" | "pass") =>
      originRules({ origins: patterns[rules], otherOrigins }).judge(url);
    if (verdict === "no") {
      expect(thrownBy(() => judge("refuse"))).toMatchObject({ code: "ERR_IAM_ORIGIN_NOT_ALLOWED" });
      if (URL.canParse(url)) expect(judge("pass")).toMatchObject({ allowed: false });
      else expect(thrownBy(() => judge("pass"))).toMatchObject({ code: "ERR_IAM_ORIGIN_NOT_ALLOWED" });
      return;
    }
    for (const found of [judge("refuse"), judge("pass")]) {
      expect(found.allowed).toBe(true);
      expect(found.url.origin).toBe(verdict);
      // What is sent to is read the same way by everybody.
      expect(new URL(found.url.href).origin).toBe(verdict);
      expect(found.url.href.startsWith(`${verdict}/`)).toBe(true);
    }
  });

  test("as URL objects, the verdicts are the same", () => {
    for (const [rules, text, verdict] of hostileUrls) {
      if (!URL.canParse(text)) continue;
      const { judge } = originRules({ origins: patterns[rules], otherOrigins: "pass" });
      expect([text, judge(new URL(text)).allowed]).toEqual([text, verdict !== "no"]);
    }
  });
});

describe("a verdict", () => {
  const rules = originRules();

  test("is made on a URL of its own, which later edits of the given one do not reach", () => {
    const given = new URL("https://iam.cloud.ibm.com/identity");
    const { url } = rules.judge(given);
    given.href = "https://evil.example/";
    expect(url.href).toBe("https://iam.cloud.ibm.com/identity");
  });

  test("is made on what is sent to, when an object answers differently each time", () => {
    const answers = ["https://evil.example/", "https://iam.cloud.ibm.com/"];
    const answer = () => answers.shift() ?? "";
    const twoFaced = Object.create(URL.prototype, { href: { get: answer }, toString: { value: answer } });
    expect(thrownBy(() => rules.judge(twoFaced)).code).toBe("ERR_IAM_ORIGIN_NOT_ALLOWED");
    answers.splice(0, 2, "https://iam.cloud.ibm.com/", "https://evil.example/");
    const { url } = rules.judge(twoFaced);
    expect(url.href).toBe("https://iam.cloud.ibm.com/");
  });

  test("by default is a refusal, and a pass without a token where that is asked for", () => {
    const elsewhere = "https://evil.example/x";
    expect(thrownBy(() => rules.judge(elsewhere)).retryable).toBe(false);
    expect(rules.judge(elsewhere, { mayPass: true })).toMatchObject({ allowed: false });
    const passing = originRules({ otherOrigins: "pass" });
    expect(passing.judge(elsewhere)).toMatchObject({ allowed: false });
    expect(passing.judge(elsewhere).url.href).toBe(elsewhere);
    expect(thrownBy(() => passing.judge(elsewhere, { mayPass: false })).code).toBe(
      "ERR_IAM_ORIGIN_NOT_ALLOWED",
    );
  });

  test("that is a refusal says what to add, and nothing of path, query or credentials", () => {
    const rules = originRules({ origins: ["https://api.example.com"] });
    const other = thrownBy(() => rules.judge("https://b.example:8443/pa7h?k3y#fr4gment"));
    for (const text of ['"https://b.example:8443"', "origins", "otherOrigins", "https://api.example.com"])
      expect(other.message).toContain(text);
    expect(other.message).not.toMatch(/pa7h|k3y|fr4gment/);
    const withCredentials = thrownBy(() => rules.judge("https://us3r:pa55@api.example.com/"));
    expect(withCredentials.message).toContain("credentials");
    expect(withCredentials.message).not.toMatch(/us3r|pa55/);
    expect(thrownBy(() => rules.judge("http://api.example.com/")).message).toContain("https");
    expect(thrownBy(() => rules.judge("/relative")).message).toContain("no URL with a host");
  });

  test("needs nothing of the rules but the call", () => {
    const { judge } = originRules({ origins: ["https://api.example.com"] });
    expect(judge("https://api.example.com/").allowed).toBe(true);
  });
});

describe("the list of origins", () => {
  test.for([
    "https://api.example.com",
    "https://api.example.com/",
    "https://api.example.com:8443",
    "https://api.example.com:443",
    "https://API.Example.COM",
    "https://*.example.com",
    "https://*.a.b.c.example.com",
    "https://*.example.com:443",
    "https://bücher.example",
    "https://*.bücher.example",
    "https://192.0.2.1",
    "https://[2001:db8::1]:8443",
    "https://intranet",
    "http://127.0.0.1:8080",
    "http://127.9.9.9",
    "http://localhost:3000",
    "http://[::1]",
    "https://evil.us-south.containers.appdomain.cloud",
    "https://my-app.us-south.codeengine.appdomain.cloud",
    "https://*.s3.us-south.cloud-object-storage.appdomain.cloud",
    "https://*.s3.private.eu.cloud-object-storage.appdomain.cloud",
    "https://*.s3.direct.ams03.cloud-object-storage.appdomain.cloud",
    "https://*.notappdomain.cloud",
  ])("takes %s", (pattern) => {
    expect(typeof originRules({ origins: [pattern] }).judge).toBe("function");
  });

  test.for<unknown>([
    ...["", " ", "*", "**", "https", "https:", "https://", "https:///", "example.com", "api.example.com:443"],
    ...[
      "//example.com",
      "/path",
      "https:api.example.com",
      "https:/api.example.com",
      "https:///api.example.com",
    ],
    ...["https://api.example.com/path", "https://api.example.com//", "https://api.example.com/?"],
    ...[
      "https://api.example.com?",
      "https://api.example.com?x=1",
      "https://api.example.com#",
      "https://a.b#x",
    ],
    ...["https://user@api.example.com", "https://user:pw@api.example.com", "https://@api.example.com"],
    ...[
      " https://api.example.com",
      "https://api.example.com ",
      "https://api.example.com\n",
      "https://a\tb.c",
    ],
    ...["https://api.example.com\\", "https:\\\\api.example.com", "https://evil.example\\.api.example.com"],
    ...["https://api.example.com.", "https://*.example.com.", "https://api.example.com%2e"],
    ...["https://api.example.com:99999", "https://api.example.com:x", "https://a b", "https://[::1"],
    ...[
      "https://*",
      "https://*.",
      "https://*.com",
      "https://*.com.",
      "https://*.localhost",
      "https://**.example.com",
    ],
    ...[
      "https://*.*.example.com",
      "https://a.*.example.com",
      "https://*a.example.com",
      "https://a*.example.com",
    ],
    ...["https://*example.com", "https://example.*", "https://api.*", "HTTPS://*.example.com"],
    ...["https://*.example.com:8443", "https://*.example.com/path", "https://*.user@example.com"],
    ...[
      "https://*..example.com",
      "https://*.example..com",
      "https://*.1.2.3.4",
      "https://*.[::1]",
      "https://*.127.1",
    ],
    ...["https://*.0x7f.1", "https://*.2130706433", "https://*.[::ffff:1.2.3.4]"],
    ...[
      "http://api.example.com",
      "http://*.example.com",
      "http://*.localhost",
      "http://10.0.0.1",
      "http://0.0.0.0",
    ],
    ...["http://localhost.", "http://my.localhost", "http://127.0.0.1.nip.io", "http://[::ffff:127.0.0.1]"],
    ...[
      "ftp://example.com",
      "ws://example.com",
      "wss://example.com",
      "file:///",
      "file://example.com",
      "data:,x",
    ],
    ...["blob:https://api.example.com", "blob:https://api.example.com/x", "javascript://example.com", "null"],
    ...[
      "about:blank",
      "chrome-extension://abc",
      "*://example.com",
      "*://*.example.com",
      "<all_urls>",
      "regexp",
    ],
    ...["https://*.appdomain.cloud", "https://*.containers.appdomain.cloud", "https://*.APPDOMAIN.CLOUD"],
    ...["https://*.us-south.containers.appdomain.cloud", "https://*.codeengine.appdomain.cloud"],
    ...["https://*.us-south.codeengine.appdomain.cloud", "https://*.lb.appdomain.cloud"],
    ...["https://*.us-south.lb.appdomain.cloud", "https://*.cloud-object-storage.appdomain.cloud"],
    ...["https://*.us-south.cloud-object-storage.appdomain.cloud", "https://*.appdomain%2ecloud"],
    ...["https://*.s3-web.us-south.cloud-object-storage.appdomain.cloud", "https://*.appdomain。cloud"],
    ...["https://*.s3-website.us-south.cloud-object-storage.appdomain.cloud"],
    ...["https://*.evil.s3.us-south.cloud-object-storage.appdomain.cloud"],
    ...["https://*.evils3.us-south.cloud-object-storage.appdomain.cloud"],
    ...["https://*.s3.us-south.containers.appdomain.cloud", "https://*.ａppdomain.cloud"],
    ...[
      undefined,
      null,
      1,
      true,
      {},
      [],
      ["https://a.b"],
      /x/,
      () => true,
      Symbol("x"),
      new URL("https://a.b"),
    ],
  ])("refuses %j", (pattern) => {
    const error = thrownBy(() => originRules({ origins: ["https://api.example.com", pattern as string] }));
    expect(error.code).toBe("ERR_IAM_CONFIG");
    // Which one, and nothing of what may be a secret in the wrong place.
    expect(error.message).toMatch(
      /^(origins is a list like .* check origins\[1\]\.$|Anybody may host under )/,
    );
  });

  test("says of one with a path that there is to be none", () => {
    const error = thrownBy(() => originRules({ origins: ["https://api.example.com/v1"] }));
    expect(error.message).toBe(
      'origins is a list like ["https://host:8443", "https://*.two.labels", "http://localhost"], without paths: check origins[0].',
    );
  });

  test.for<unknown>([null, [], "https://api.example.com", {}, 1, true, new Set(["https://a.b"]), () => []])(
    "is a list with something in it, not %j",
    (origins) => {
      const error = thrownBy(() => originRules({ origins } as OriginOptions));
      expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
      expect(error.message).toMatch(/^origins is a list like \["https:.* check origins\[0\]\.$/);
    },
  );

  test.for<unknown>(["", "allow", "PASS", null, true, 1, {}])("knows no otherOrigins %j", (otherOrigins) => {
    const error = thrownBy(() => originRules({ otherOrigins } as OriginOptions));
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG" });
    expect(error.message).toContain("otherOrigins");
  });

  test("refuses with the typed error what cannot even be printed", () => {
    for (const pattern of [Object.create(null), cyclic(), 10n])
      expect(thrownBy(() => originRules({ origins: [pattern] })).code).toBe("ERR_IAM_CONFIG");
    expect(thrownBy(() => originRules({ origins: cyclic() as string[] })).code).toBe("ERR_IAM_CONFIG");
  });

  test("is read once: a later edit changes neither verdicts nor messages", () => {
    const origins = ["https://api.example.com"];
    const rules = originRules({ origins });
    origins.push("https://evil.example");
    expect(thrownBy(() => rules.judge("https://evil.example")).message).not.toMatch(/now [^)]*evil/);
    origins.length = 0;
    expect(rules.judge("https://api.example.com/").allowed).toBe(true);
  });

  test("says how a wildcard that gives the token away can be written instead", () => {
    const error = thrownBy(() => originRules({ origins: ["https://*.us-south.containers.appdomain.cloud"] }));
    expect(error.message).toContain("appdomain.cloud");
    expect(error.message).toContain("objectStorage");
  });

  test("replaces the default", () => {
    const rules = originRules({ origins: ["https://api.example.com"] });
    expect(thrownBy(() => rules.judge("https://iam.cloud.ibm.com")).code).toBe("ERR_IAM_ORIGIN_NOT_ALLOWED");
  });
});

describe("the origins of IBM", () => {
  test("are by default those under cloud.ibm.com, and nothing where customers host", () => {
    expect(ibmOrigins.cloud).toEqual(["https://*.cloud.ibm.com"]);
    for (const rules of [originRules(), originRules({}), originRules({ origins: undefined })]) {
      expect(rules.judge("https://us-south.functions.cloud.ibm.com").allowed).toBe(true);
      for (const host of [
        "x.appdomain.cloud",
        "s3.us-south.cloud-object-storage.appdomain.cloud",
        "x.mybluemix.net",
      ])
        expect(thrownBy(() => rules.judge(`https://${host}`)).code).toBe("ERR_IAM_ORIGIN_NOT_ALLOWED");
    }
  });

  test.for([
    "s3.us-south.cloud-object-storage.appdomain.cloud",
    "my-bucket.s3.us-south.cloud-object-storage.appdomain.cloud",
    "my.dotted.bucket.s3.us-south.cloud-object-storage.appdomain.cloud",
    "s3.private.eu-de.cloud-object-storage.appdomain.cloud",
    "b.s3.private.eu-de.cloud-object-storage.appdomain.cloud",
    "s3.direct.jp-tok.cloud-object-storage.appdomain.cloud",
    "b.s3.direct.ams03.cloud-object-storage.appdomain.cloud",
    "s3.eu.cloud-object-storage.appdomain.cloud",
    "s3.ap.cloud-object-storage.appdomain.cloud",
  ])("of Object Storage are the API host %s", (host) => {
    const rules = originRules({ origins: ibmOrigins.objectStorage });
    expect(rules.judge(`https://${host}/key`)).toMatchObject({ allowed: true });
    expect(thrownBy(() => rules.judge(`http://${host}/key`)).code).toBe("ERR_IAM_ORIGIN_NOT_ALLOWED");
    expect(thrownBy(() => rules.judge(`https://${host}:8443/key`)).code).toBe("ERR_IAM_ORIGIN_NOT_ALLOWED");
  });

  test.for([
    "iam.cloud.ibm.com",
    "cloud-object-storage.appdomain.cloud",
    "evil.cloud-object-storage.appdomain.cloud",
    "site.s3-web.us-south.cloud-object-storage.appdomain.cloud",
    "s3.us-south.cloud-object-storage.appdomain.cloud.evil.example",
    "evils3.us-south.cloud-object-storage.appdomain.cloud",
    "s3.nowhere.cloud-object-storage.appdomain.cloud",
    "x.us-south.containers.appdomain.cloud",
  ])("of Object Storage are not %s", (host) => {
    const rules = originRules({ origins: ibmOrigins.objectStorage });
    expect(thrownBy(() => rules.judge(`https://${host}/key`)).code).toBe("ERR_IAM_ORIGIN_NOT_ALLOWED");
  });

  test("of Object Storage are all accepted as they are, next to the default", () => {
    const rules = originRules({ origins: [...ibmOrigins.cloud, ...ibmOrigins.objectStorage] });
    expect(rules.judge("https://iam.cloud.ibm.com").allowed).toBe(true);
    expect(new Set(ibmOrigins.objectStorage).size).toBe(ibmOrigins.objectStorage.length);
  });
});

function cyclic(): object {
  const value: { self?: object } = {};
  value.self = value;
  return value;
}
