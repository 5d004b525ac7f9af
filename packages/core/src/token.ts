import { conceal } from "./secret.ts";
import type { ParsedTokenResponse } from "./token-response.ts";

/**
 * An access token and what is known of it. Frozen; `accessToken` and `refreshToken` are read by name and shown nowhere.
 *
 * Units: `…At` in epoch milliseconds of the local wall clock.
 * Source: RFC 6749 section 5.1.
 *
 * @example
 * ```ts
 * import type { Token } from "@iam/core";
 * export const header = (token: Token) => `${token.tokenType} ${token.accessToken}`;
 * ```
 */
export interface Token {
  /** The token as it goes on the wire (RFC 6750 section 2.1). */
  readonly accessToken: string;
  /** Always `Bearer`, whatever case the server wrote. */
  readonly tokenType: "Bearer";
  /** When it expires by the local wall clock; undefined when the server gave no lifetime: usable until rejected. */
  readonly expiresAt: number | undefined;
  /** When its exchange began by the local wall clock; the lifetime is counted from there. */
  readonly obtainedAt: number;
  /** Space-separated scopes, when the server named them. */
  readonly scope?: string;
  /** IAM answers `not_supported` for API keys; that is undefined here. */
  readonly refreshToken?: string;
}

/** Makes a {@link Token}. */
export function createToken(
  { accessToken, refreshToken, scope }: ParsedTokenResponse,
  obtainedAt: number,
  expiresAt: number | undefined,
): Token {
  return conceal(
    { tokenType: "Bearer" as const, expiresAt, obtainedAt, scope },
    { accessToken, refreshToken },
  ) as Token;
}
