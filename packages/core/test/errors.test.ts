import { inspect } from "node:util";
import { runInNewContext } from "node:vm";
import { describe, expect, test, vi } from "vitest";
import { configError, errorWord, IamError, isIamError, TokenEndpointError } from "../src/errors.ts";

const secret = "Zx9-canary-secret-0123456789";
const everything = { depth: Infinity, showHidden: true, getters: true } as const;
const hostile = (trap: () => never) =>
  new Proxy(
    {},
    { get: trap, has: trap, getPrototypeOf: trap, ownKeys: trap, getOwnPropertyDescriptor: trap },
  );
const refuse = () => {
  throw new Error(secret);
};
function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
function cyclic(): Error {
  const error = new Error(secret);
  error.cause = error;
  return error;
}

describe("an IamError", () => {
  test("carries its code, whether it may pass, and its cause when that is one of ours", () => {
    const cause = new IamError("ERR_IAM_CONFIG", "inner");
    const error = new IamError("ERR_IAM_BEARER", "outer", { cause, retryable: true });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: "IamError", code: "ERR_IAM_BEARER", retryable: true });
    expect(error.message).toBe("outer");
    expect(error.cause).toBe(cause);
  });

  test("does not pass by itself and has no cause unless told", () => {
    const error = new IamError("ERR_IAM_CONFIG", "x");
    expect(error.retryable).toBe(false);
    expect("cause" in error).toBe(false);
    expect(configError("x")).toMatchObject({ code: "ERR_IAM_CONFIG", retryable: false });
  });

  test("of a token endpoint says what the answer said of itself", () => {
    const options = { status: 400, errorCode: "BXNIM0415E", transactionId: "t-1", retryAfterMs: 5 };
    const error = new TokenEndpointError("ERR_IAM_TOKEN_ENDPOINT_REFUSED", "x", options);
    expect(error).toMatchObject({ name: "TokenEndpointError", ...options });
    expect(error).toBeInstanceOf(IamError);
    expect(isIamError(error)).toBe(true);
  });
});

describe("isIamError", () => {
  test("knows the errors of another copy of the package", async () => {
    vi.resetModules();
    const copy = await import("../src/errors.ts");
    expect(copy.IamError).not.toBe(IamError);
    const foreign = new copy.TokenEndpointError("ERR_IAM_TOKEN_ENDPOINT_REFUSED", "x");
    expect(foreign instanceof IamError).toBe(false);
    expect(isIamError(foreign)).toBe(true);
    expect(copy.isIamError(new IamError("ERR_IAM_CONFIG", "x"))).toBe(true);
    expect(new IamError("ERR_IAM_CONFIG", "x", { cause: foreign }).cause).toBe(foreign);
  });

  test.for<[string, unknown]>([
    ["undefined", undefined],
    ["null", null],
    ["a text", "ERR_IAM_CONFIG"],
    ["a function", IamError],
    ["an Error", new Error("x")],
    [
      "an object with the same members",
      { name: "IamError", code: "ERR_IAM_CONFIG", message: "", retryable: true },
    ],
    ["a JSON copy", JSON.parse(JSON.stringify(new IamError("ERR_IAM_CONFIG", "x")))],
    ["an Error of another realm", runInNewContext("new TypeError('x')")],
    ["a Proxy whose traps throw", hostile(refuse)],
    ["a Proxy that was revoked", revoked()],
  ])("does not take %s for one", ([, value]) => {
    expect(isIamError(value)).toBe(false);
  });
});

describe("a foreign error as the cause", () => {
  test.for<[string, unknown, string]>([
    ["a system error", Object.assign(new Error(secret), { code: "ECONNREFUSED" }), "ECONNREFUSED"],
    [
      "fetch's, whose own cause has the code",
      new TypeError("fetch failed", { cause: Object.assign(new Error(secret), { code: "ENOTFOUND" }) }),
      "ENOTFOUND",
    ],
    [
      "an AggregateError, whose first error has the code",
      new TypeError("fetch failed", {
        cause: new AggregateError([Object.assign(new Error(secret), { code: "ETIMEDOUT" })], secret),
      }),
      "ETIMEDOUT",
    ],
    ["an abort", new DOMException(secret, "AbortError"), "AbortError"],
    ["one of another realm", runInNewContext(`new RangeError(${JSON.stringify(secret)})`), "RangeError"],
    ["a text", secret, "Error"],
    ["a function", () => secret, "Error"],
    ["an object", { message: secret, config: { data: secret } }, "Error"],
    ["one with a secret for a name", Object.assign(new Error("x"), { name: secret }), "Error"],
    ["one with a secret for a code", Object.assign(new Error("x"), { code: secret }), "Error"],
    ["one with a number for a code", Object.assign(new Error("x"), { code: 42 }), "Error"],
    ["a cyclic one", cyclic(), "Error"],
  ])("is replaced by its name and code: %s", ([, cause, expected]) => {
    const error = new IamError("ERR_IAM_CONFIG", "x", { cause });
    expect(error.cause).toBeInstanceOf(Error);
    expect(error.cause).not.toBe(cause);
    expect((error.cause as Error).message).toBe(expected);
    expect(Reflect.ownKeys(error.cause as Error).sort()).toEqual(["message", "name", "stack"]);
    expect(inspect(error, everything)).not.toContain(secret);
  });

  const throwing = (key: string) => Object.defineProperty(new Error("x"), key, { get: refuse });
  test.for<[string, () => unknown]>([
    ["a name that throws", () => throwing("name")],
    ["a code that throws", () => throwing("code")],
    ["a cause that throws", () => throwing("cause")],
    ["a list of errors that throws", () => throwing("errors")],
    ["a Proxy for its list of errors", () => Object.assign(new Error("x"), { errors: revoked() })],
    [
      "a list of errors whose first throws",
      () => Object.assign(new Error("x"), { errors: Object.defineProperty([], "0", { get: refuse }) }),
    ],
    ["traps that throw", () => hostile(refuse)],
    ["a Proxy that was revoked", revoked],
    ["a cause whose traps throw", () => new Error("x", { cause: hostile(refuse) })],
  ])("never replaces our error by its own, having %s", ([, make]) => {
    const error = new IamError("ERR_IAM_CONFIG", "ours", { cause: make() });
    expect(error.message).toBe("ours");
    expect(error.cause).toBeInstanceOf(Error);
    expect(inspect(error, everything)).not.toContain(secret);
    expect(errorWord(make())).toBe("Error");
  });

  test("is searched for its code no deeper than four", () => {
    const deep = (depth: number): Error =>
      depth === 1
        ? Object.assign(new Error("x"), { code: "EPIPE" })
        : new Error("x", { cause: deep(depth - 1) });
    expect(errorWord(deep(4))).toBe("EPIPE");
    expect(errorWord(deep(5))).toBe("Error");
  });

  test.for<[string, string | undefined]>([
    ["EAI", "EAI"],
    ["UND_ERR_CONNECT_TIMEOUT", "UND_ERR_CONNECT_TIMEOUT"],
    ["CERT_HAS_EXPIRED", "CERT_HAS_EXPIRED"],
    ["E", undefined],
    ["EA", "EA"],
    ["E".repeat(60), "E".repeat(60)],
    ["E".repeat(61), undefined],
    ["ECONN refused", undefined],
    ["econnrefused", undefined],
    ["ConnectionRefused", "ConnectionRefused"],
    ["Qw3kEy0that0nobody0may0see0123456789abcdef12", undefined],
    ["9ABC", undefined],
    ["ECONN\nREFUSED", undefined],
  ])("keeps the code %j only when it looks like one", ([code, expected]) => {
    expect(errorWord({ code })).toBe(expected ?? "Error");
  });

  test.for<[string, string]>([
    ["TypeError", "TypeError"],
    ["ConnectionRefused", "ConnectionRefused"],
    ["Aa".repeat(21), "Error"],
    ["", "Error"],
    ["Type Error", "Error"],
    ["Error1", "Error"],
  ])("keeps the name %j only when it looks like one", ([name, expected]) => {
    expect(errorWord({ name })).toBe(expected);
  });
});
