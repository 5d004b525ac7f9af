import { describe, expect, test } from "vitest";
import { BearerError, IamError, isIamError } from "../src/index.ts";

describe("a BearerError", () => {
  test.each([
    [undefined, 401, "Bearer"],
    ["invalid_request", 400, 'Bearer error="invalid_request"'],
    ["invalid_token", 401, 'Bearer error="invalid_token"'],
    ["insufficient_scope", 403, 'Bearer error="insufficient_scope"'],
  ] as const)("of %s is answered %d with its challenge", (error, status, wwwAuthenticate) => {
    const thrown = new BearerError("It is not.", { reason: "r", error });
    expect(thrown).toBeInstanceOf(IamError);
    expect(isIamError(thrown)).toBe(true);
    expect(thrown).toMatchObject({
      name: "BearerError",
      code: "ERR_IAM_BEARER",
      message: "It is not.",
      retryable: false,
      reason: "r",
      error,
      status,
      wwwAuthenticate,
      headers: { "WWW-Authenticate": wwwAuthenticate },
    });
  });

  test("names scope and description in its challenge", () => {
    const options = { reason: "scope", error: "insufficient_scope", scope: "a b" } as const;
    expect(new BearerError("x", { ...options, description: "More is needed" }).wwwAuthenticate).toBe(
      'Bearer error="insufficient_scope", error_description="More is needed", scope="a b"',
    );
  });

  test("leaves out of its challenge what could end a value or the header", () => {
    const { wwwAuthenticate } = new BearerError("x", {
      reason: "r",
      error: "invalid_token",
      description: 'a"b\\c\r\nSet-Cookie: d\u00e9\t',
    });
    expect(wwwAuthenticate).toBe('Bearer error="invalid_token", error_description="abcSet-Cookie: d"');
  });

  test("keeps the name and the code of a cause, and nothing else of it", () => {
    const cause = Object.assign(new Error("a secret"), { code: "ERR_JWS_INVALID", body: "a secret" });
    const error = new BearerError("x", { reason: "r", cause });
    expect(error.cause).toMatchObject({ message: "ERR_JWS_INVALID" });
    expect(JSON.stringify([error, error.cause])).not.toContain("a secret");
  });
});
