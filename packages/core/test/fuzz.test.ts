import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IamError, TokenEndpointError } from "../src/errors.ts";
import { originRules } from "../src/origins.ts";
import { redirected } from "../src/redirect.ts";
import { httpDateMs, retryAfterMs } from "../src/retry.ts";
import { parseTokenErrorResponse, parseTokenResponse, tokenResponse } from "../src/token-response.ts";

/** One seed for all, so that a failure is the same everywhere; FUZZ_SEED and FUZZ_RUNS look further. */
const seed = Number(process.env.FUZZ_SEED ?? 20_260_101);
const numRuns = Number(process.env.FUZZ_RUNS ?? 1000);

/** Checks a property; a failure prints the seed and the path to replay it. */
function holds<Values extends [unknown, ...unknown[]]>(
  arbitraries: { [K in keyof Values]: fc.Arbitrary<Values[K]> },
  predicate: (...values: Values) => void,
): void {
  const property = fc.property(...arbitraries, (...values) => {
    predicate(...values);
  });
  fc.assert(property, { seed, numRuns });
}

const canary = "cAnArY-7f3a9b-0123456789";
const show = (value: unknown) => inspect(value, { depth: Infinity, showHidden: true, getters: true });

/** What a call gives, or the error that it throws. */
function outcome<T>(run: () => T): { value: T } | { error: unknown } {
  try {
    return { value: run() };
  } catch (error) {
    return { error };
  }
}

// The grammars, written a second time and in another way than the sources have them: letter by letter.

/** RFC 6750 section 2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" */
function isB64token(text: string): boolean {
  let at = 0;
  while (at < text.length && isTokenLetter(text.charCodeAt(at))) at++;
  if (at === 0) return false;
  while (at < text.length && text[at] === "=") at++;
  return at === text.length;
}

function isTokenLetter(code: number): boolean {
  return (
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x61 && code <= 0x7a) ||
    isDigit(code) ||
    [0x2d, 0x2e, 0x5f, 0x7e, 0x2b, 0x2f].includes(code)
  );
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isDigits(text: string): boolean {
  return text.length > 0 && [...text].every((letter) => letter.length === 1 && isDigit(letter.charCodeAt(0)));
}

const dayNames = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const longDayNames = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const monthNames = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** RFC 9110 section 5.6.7, the three forms; the time is not checked beyond its digits. */
function isHttpDate(text: string): boolean {
  const digits = (part: string | undefined, length: number) =>
    part !== undefined && part.length === length && isDigits(part);
  const isTime = (part: string | undefined) => {
    const parts = part?.split(":") ?? [];
    return parts.length === 3 && parts.every((each) => digits(each, 2));
  };
  const words = text.split(" ");
  const [first = "", second = "", third = "", fourth = "", fifth, sixth] = words;
  const isFixdate =
    words.length === 6 &&
    first.endsWith(",") &&
    dayNames.includes(first.slice(0, -1)) &&
    digits(second, 2) &&
    monthNames.includes(third) &&
    digits(fourth, 4) &&
    isTime(fifth) &&
    sixth === "GMT";
  const [day, month, year, ...rest] = second.split("-");
  const isRfc850 =
    words.length === 4 &&
    first.endsWith(",") &&
    longDayNames.includes(first.slice(0, -1)) &&
    digits(day, 2) &&
    monthNames.includes(month ?? "") &&
    digits(year, 2) &&
    rest.length === 0 &&
    isTime(third) &&
    fourth === "GMT";
  // A day of one digit has a second space before it.
  const [dayOfMonth, time, fullYear] = third === "" ? [`0${fourth}`, fifth, sixth] : [third, fourth, fifth];
  const isAsctime =
    words.length === (third === "" ? 6 : 5) &&
    dayNames.includes(first) &&
    monthNames.includes(second) &&
    digits(dayOfMonth, 2) &&
    isTime(time) &&
    digits(fullYear, 4);
  return isFixdate || isRfc850 || isAsctime;
}

/** Takes a text and spoils it in one place, so that most of what is tried is nearly right. */
const spoiled = (texts: fc.Arbitrary<string>) =>
  fc
    .tuple(
      texts,
      fc.nat(),
      fc.constantFrom("insert", "delete", "replace", "keep"),
      fc.string({ unit: "binary", maxLength: 2 }),
    )
    .map(([text, place, how, letters]) => {
      const at = text.length === 0 ? 0 : place % (text.length + 1);
      if (how === "keep") return text;
      return (
        text.slice(0, at) + (how === "delete" ? "" : letters) + text.slice(how === "insert" ? at : at + 1)
      );
    });

const tokenText = fc.oneof(
  fc.stringMatching(/^[A-Za-z0-9\-._~+/]{1,20}={0,3}$/),
  spoiled(fc.stringMatching(/^[A-Za-z0-9\-._~+/]{1,20}={0,3}$/)),
  spoiled(fc.constant(jwtOf({ iat: 1000, exp: 4600 }))),
  fc.record({ iat: fc.anything(), exp: fc.anything() }).map(jwtOf),
  fc.string({ unit: "binary" }),
);
const numberLike = fc.oneof(
  fc.integer(),
  fc.integer({ min: 1, max: 400 * 86_400 }),
  fc.double(),
  fc.integer().map(String),
  fc.double().map(String),
  spoiled(fc.nat().map(String)),
  fc.constantFrom("", " ", "0x10", "1e3", "+5", "-5", "٣", "６０", "9".repeat(40)),
);
const json = fc.jsonValue({ maxDepth: 2 });
const mostly = <T>(usual: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 8, arbitrary: usual }, { weight: 1, arbitrary: json });
const seldom = <T>(rare: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: rare });
const seconds = fc.oneof({ weight: 2, arbitrary: fc.integer({ min: 1, max: 368 * 86_400 }) }, numberLike);

const body = fc.record({
  access_token: mostly(tokenText),
  token_type: mostly(fc.constantFrom("Bearer", "bearer", "BEARER", "bEaReR", undefined, "mac", "bеarer")),
  expires_in: fc.oneof(seldom(numberLike), mostly(seconds)),
  expiration: seldom(mostly(seconds)),
  refresh_token: mostly(fc.constantFrom("not_supported", "", "refresh")),
  scope: seldom(mostly(fc.string())),
  error: seldom(json),
  errorCode: seldom(json),
  errorMessage: fc.constant(canary),
});
const bodyText = fc.oneof(
  { weight: 6, arbitrary: body.map((value) => JSON.stringify(value)) },
  { weight: 2, arbitrary: spoiled(body.map((value) => JSON.stringify(value))) },
  { weight: 1, arbitrary: fc.json() },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
);
const instant = fc.date({ min: new Date(0), max: new Date("2099-12-31T23:59:59Z"), noInvalidDate: true });
const dates = fc.oneof(
  instant.map((date) => date.toUTCString()),
  instant.map(rfc850),
  instant.map(asctime),
);
const dateText = fc.oneof(
  dates,
  spoiled(dates),
  instant.map((date) => date.toISOString()),
  instant.map((date) => date.toString()),
  fc.constantFrom("", "5", "Mon 1", "Sun", "Tue, 1", "Thursday the 3rd"),
  fc.string(),
);

describe("whatever a token endpoint answers", () => {
  test("a token response is taken as the RFCs have it, or refused with the typed error that shows nothing of it", () => {
    let taken = 0;
    holds([bodyText, fc.option(dateText, { nil: undefined })], (text, date) => {
      const result = outcome(() => parseTokenResponse(tokenResponse({ status: 200, body: text, date })));
      if ("error" in result) {
        expect(result.error).toBeInstanceOf(TokenEndpointError);
        expect(result.error).toMatchObject({ code: "ERR_IAM_TOKEN_RESPONSE_INVALID" });
        expect(show(result.error)).not.toContain(canary);
        return;
      }
      taken++;
      const { accessToken, refreshToken, lifetimeMs } = result.value;
      expect(isB64token(accessToken)).toBe(true);
      const said: Record<string, unknown> = JSON.parse(text);
      expect(said.access_token).toBe(accessToken);
      expect(String(said.token_type ?? "bearer").toLowerCase()).toBe("bearer");
      expect(said.error ?? said.errorCode ?? undefined).toBeUndefined();
      expect([undefined, said.refresh_token]).toContain(refreshToken);
      expect(["", "not_supported"]).not.toContain(refreshToken);
      const told = said.expires_in ?? undefined;
      if (told !== undefined) {
        expect(isDigits(String(told))).toBe(true);
        expect(lifetimeMs).toBe(Number(told) * 1000);
      }
      if (lifetimeMs !== undefined) {
        expect(lifetimeMs).toBeGreaterThan(0);
        expect(lifetimeMs).toBeLessThanOrEqual(367 * 86_400_000);
      }
      expect(show(result.value)).not.toContain(`'${accessToken}'`);
    });
    // The fuzz is of use only when it reaches the far end.
    expect(taken).toBeGreaterThan(numRuns / 50);
  });

  test("every b64token is taken as an access token, and nothing else", () => {
    holds([tokenText], (access_token) => {
      const text = JSON.stringify({ access_token, expires_in: 60 });
      const result = outcome(() => parseTokenResponse(tokenResponse({ status: 200, body: text })));
      expect("value" in result).toBe(isB64token(access_token));
      if ("error" in result && access_token.length > 12)
        expect(show(result.error)).not.toContain(access_token);
    });
  });

  test("an answer of any status is no error or the typed one, by its class, and shows nothing of the body", () => {
    const errorBody = fc.oneof(
      bodyText,
      fc
        .record({
          errorCode: fc.oneof(json, fc.constantFrom("BXNIM0415E", canary, "invalid_grant")),
          error: fc.oneof(json, fc.constantFrom("invalid_grant", canary)),
          errors: fc.oneof(json, fc.array(fc.record({ code: json, message: fc.constant(canary) }))),
          errorMessage: fc.constant(canary),
          context: fc.constant({ url: canary }),
        })
        .map((value) => JSON.stringify(value)),
    );
    const header = fc.option(fc.oneof(dateText, numberLike.map(String)), { nil: undefined });
    holds([fc.integer({ min: 0, max: 700 }), errorBody, header, header, fc.string()], (...answer) => {
      const [status, text, retryAfter, date, transactionId] = answer;
      const response = tokenResponse({ status, body: text, retryAfter, date, transactionId });
      const error = parseTokenErrorResponse(response, "https://iam.example.com", 0);
      if (status >= 200 && status < 300) return expect(error).toBeUndefined();
      expect(error).toBeInstanceOf(TokenEndpointError);
      const mayPass = [408, 429].includes(status) || (status >= 500 && status !== 501);
      expect(error?.retryable).toBe(mayPass);
      expect(show(error)).not.toContain(canary);
      // RFC 6749 section 5.2: visible ASCII without the quote and the backslash, which no terminal acts upon.
      for (const echoed of [error?.errorCode, error?.transactionId])
        if (echoed !== undefined) expect(echoed).toMatch(/^[\x21\x23-\x5b\x5d-\x7e]{1,80}$/);
      expect([...(error?.message ?? "")].every((letter) => letter >= " " && letter <= "~")).toBe(true);
      const pauseMs = error?.retryAfterMs;
      expect(pauseMs === undefined || (mayPass && pauseMs >= 0)).toBe(true);
    });
  });
});

test("a Retry-After is what RFC 9110 allows, in milliseconds that can be waited for, or nothing", () => {
  let read = 0;
  const header = fc.oneof(dateText, numberLike.map(String), spoiled(fc.nat().map(String)));
  holds([header, fc.option(dateText, { nil: undefined }), fc.nat()], (text, date, nowMs) => {
    const ms = retryAfterMs(text, date, nowMs);
    const trimmed = text.trim();
    if (ms === undefined) return expect(isDigits(trimmed)).toBe(false);
    read++;
    expect(ms).toBeGreaterThanOrEqual(0);
    expect(isDigits(trimmed) || isHttpDate(trimmed)).toBe(true);
    if (isDigits(trimmed)) expect(ms).toBe(Math.min(Number(trimmed) * 1000, 2 ** 31 - 1));
    expect(ms).toBeLessThan(2 ** 31);
  });
  expect(read).toBeGreaterThan(numRuns / 10);
});

test("each form of a date means the same moment", () => {
  holds([instant], (date) => {
    const expected = Math.floor(date.getTime() / 1000) * 1000;
    expect(httpDateMs(date.toUTCString())).toBe(expected);
    expect(httpDateMs(asctime(date))).toBe(expected);
    // Two digits of a year mean this century up to 49 only.
    if (date.getUTCFullYear() < 2050) expect(httpDateMs(rfc850(date))).toBe(expected);
    for (const text of [date.toUTCString(), rfc850(date), asctime(date)]) expect(isHttpDate(text)).toBe(true);
  });
});

describe("whatever URL is judged", () => {
  const listed = "https://api.example.com";
  const rules = originRules({ origins: [listed, "https://*.cloud.ibm.com", "http://127.0.0.1:8080"] });
  const passing = originRules({ origins: [listed, "https://*.cloud.ibm.com"], otherOrigins: "pass" });
  const good = fc.constantFrom(
    "https://iam.cloud.ibm.com/identity/token",
    "https://a.b.cloud.ibm.com:443/?x#y",
    "https://api.example.com/v1",
    "http://127.0.0.1:8080/",
    "https://user:secret@iam.cloud.ibm.com/",
    "https://iam.cloud.ibm.com@evil.example/",
    "https://evil.example/.cloud.ibm.com",
    "blob:https://api.example.com/1",
  );
  const parts = fc
    .array(
      fc.constantFrom(
        ...[
          "https",
          "http",
          "blob",
          ":",
          "/",
          "//",
          "\\",
          "@",
          "?",
          "#",
          ".",
          "%2e",
          "%40",
          "%00",
          "\t",
          "\n",
          "。",
        ],
        ...["iam", "cloud.ibm.com", ".cloud.ibm.com", "api.example.com", "evil.example", "127.0.0.1", ":443"],
        ...[":8080", "xn--", "*", " ", "\u00ad", "[::1]", "0x7f.1"],
      ),
      { maxLength: 12 },
    )
    .map((words) => words.join(""));
  const urls = fc.oneof(
    good,
    spoiled(good),
    parts,
    parts.map((text) => `https://${text}`),
    fc.webUrl(),
    fc.string(),
  );

  /** Read from the text that is sent, by splitting it, not by a parser of URLs. */
  function mayHaveToken(href: string): boolean {
    const [scheme, rest] = [href.slice(0, href.indexOf("://")), href.slice(href.indexOf("://") + 3)];
    const authority = rest.split(/[/?#]/, 1)[0] ?? "";
    if (scheme === "http") return authority === "127.0.0.1:8080";
    if (scheme !== "https") return false;
    if (authority === "api.example.com") return true;
    const labels = authority.split(".");
    return (
      labels.length >= 4 &&
      labels.slice(-3).join(".") === "cloud.ibm.com" &&
      labels.every((label) => label !== "" && !/[@:\\\s]/.test(label))
    );
  }

  test("the token goes nowhere but to the listed origins, and nothing but the typed error is thrown", () => {
    let allowed = 0;
    holds([urls], (text) => {
      const result = outcome(() => rules.judge(text));
      if ("error" in result) {
        expect(result.error).toBeInstanceOf(IamError);
        expect(result.error).toMatchObject({ code: "ERR_IAM_ORIGIN_NOT_ALLOWED" });
        const parsed = outcome(() => new URL(text));
        if ("value" in parsed) expect(mayHaveToken(parsed.value.href)).toBe(false);
        return;
      }
      allowed++;
      expect(result.value.allowed).toBe(true);
      expect(mayHaveToken(result.value.url.href)).toBe(true);
      // Whoever reads it again reads the same.
      expect(new URL(result.value.url.href).href).toBe(result.value.url.href);
    });
    expect(allowed).toBeGreaterThan(numRuns / 20);
  });

  test("where others pass, the same ones get a token and a relative URL is still refused", () => {
    holds([urls], (text) => {
      const parsed = outcome(() => new URL(text));
      const result = outcome(() => passing.judge(text));
      expect("value" in result).toBe("value" in parsed);
      if ("value" in result)
        expect(result.value.allowed).toBe(
          mayHaveToken(result.value.url.href) && !result.value.url.href.startsWith("http:"),
        );
      else expect(result.error).toBeInstanceOf(IamError);
    });
  });

  test("a refusal shows neither credentials nor path nor query", () => {
    const secret = fc.constantFrom("s3cret-one", "s3cret-two");
    holds([secret, secret, secret], (user, path, query) => {
      const result = outcome(() => rules.judge(`https://${user}:${user}@evil.example/${path}?${query}`));
      expect(show(result)).not.toContain("s3cret");
    });
  });
});

test("whatever is listed as an origin is taken as one that can be matched, or refused as configuration", () => {
  const pattern = fc.oneof(
    spoiled(
      fc.constantFrom(
        "https://api.example.com",
        "https://*.example.com",
        "https://*.us-south.containers.appdomain.cloud",
        "https://*.s3.us-south.cloud-object-storage.appdomain.cloud",
        "http://127.0.0.1:8080",
        "http://localhost:3000",
      ),
    ),
    fc.webUrl(),
    fc.string(),
    fc.anything({ withNullPrototype: true, withBigInt: true }),
  );
  let taken = 0;
  holds([pattern], (given) => {
    const result = outcome(() => originRules({ origins: [given as string] }));
    if ("error" in result) {
      expect(result.error).toBeInstanceOf(IamError);
      expect(result.error).toMatchObject({ code: "ERR_IAM_CONFIG" });
      return;
    }
    taken++;
    const text = String(given);
    const isWildcard = text.startsWith("https://*.");
    const example = new URL(text.replace("https://*.", "https://sub."));
    expect(result.value.judge(example.href).allowed).toBe(true);
    expect(example.protocol === "https:" || /^(localhost|127\.|\[::1\])/.test(example.hostname)).toBe(true);
    if (isWildcard && example.hostname.endsWith(".appdomain.cloud"))
      expect(example.hostname).toMatch(/^sub\.s3\.[a-z0-9.-]+\.cloud-object-storage\.appdomain\.cloud$/);
    expect(outcome(() => result.value.judge("https://evil.example/"))).toHaveProperty("error");
  });
  expect(taken).toBeGreaterThan(numRuns / 50);
});

test("whatever a Location says, a redirect leads to http(s) or fails with a TypeError that does not show it", async () => {
  const base = new URL("https://api.example.com/v1#part");
  const location = fc.oneof(
    fc.constantFrom(
      "/x",
      "//evil.example",
      "javascript:1",
      "data:,x",
      "",
      "?a",
      "#b",
      "https://",
      "\\\\evil.example",
    ),
    fc.webUrl(),
    spoiled(
      fc.constantFrom(`https://evil.example/${canary}`, `ftp://evil.example/${canary}`, "http://[::1]:80/"),
    ),
    fc.string(),
  );
  const status = fc.oneof(fc.constantFrom(301, 302, 303, 307, 308), fc.integer({ min: 200, max: 599 }));
  const method = fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE");
  const property = fc.asyncProperty(status, method, location, async (code, sent, text) => {
    const headers = outcome(() => new Headers({ location: text }));
    if ("error" in headers) return;
    const init = { method: sent, body: "text", headers: [["cookie", "a=b"]] as [string, string][] };
    const request = { url: base.href, request: undefined, init, resendable: true };
    const response = new Response(null, { status: code, headers: headers.value });
    const result = await redirected(response, request).then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    if ("error" in result) {
      expect(result.error).toBeInstanceOf(TypeError);
      expect(show(result.error)).not.toContain(canary);
      return;
    }
    expect(result.value !== undefined).toBe([301, 302, 303, 307, 308].includes(code));
    if (result.value === undefined) return;
    const [href, next] = result.value;
    expect(href).toMatch(/^https?:/);
    expect(next.headers).toEqual(`${href}/`.startsWith("https://api.example.com/") ? init.headers : []);
    expect([sent, "GET"]).toContain(next.method);
    if (next.body === null) expect(next.method).toBe("GET");
    if (code === 307 || code === 308) expect(next).toMatchObject({ method: sent, body: "text" });
  });
  await fc.assert(property, { seed, numRuns });
});

function jwtOf(claims: unknown): string {
  const text = JSON.stringify(claims, (_, value: unknown) =>
    typeof value === "bigint" ? Number(value) : value,
  );
  return `e30.${Buffer.from(text ?? "").toString("base64url")}.c2ln`;
}

function rfc850(date: Date): string {
  const [, day, month, year = "", time] = date.toUTCString().split(" ");
  return `${longDayNames[(date.getUTCDay() + 6) % 7]}, ${day}-${month}-${year.slice(2)} ${time} GMT`;
}

function asctime(date: Date): string {
  const [, , month, year, time] = date.toUTCString().split(" ");
  return `${dayNames[(date.getUTCDay() + 6) % 7]} ${month} ${String(date.getUTCDate()).padStart(2)} ${time} ${year}`;
}
