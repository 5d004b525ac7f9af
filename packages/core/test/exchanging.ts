import type { ExchangeContext, Grant } from "../src/grant.ts";
import type { Token } from "../src/token.ts";
import type { TokenRequest } from "../src/token-request.ts";
import { type TokenResponse, tokenResponse } from "../src/token-response.ts";

export const tokenEndpoint = "https://iam.cloud.ibm.com/identity/token";

/** What an exchange of a grant sent, in the parsed form. */
export interface SentRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The fields of a form. */
  readonly form?: Readonly<Record<string, string>>;
  /** The value of a JSON body. */
  readonly json?: unknown;
}

/**
 * Runs one exchange of a grant by hand. `answers` are the bodies that the server gives in turn, the last one again and
 * again; `tokens` are those of the other grant.
 */
export async function exchangeOf(
  grant: Grant,
  answers: readonly unknown[] = [{ access_token: "token" }],
  tokens: readonly string[] = [],
): Promise<{ sent: SentRequest[]; requests: TokenRequest[]; response: TokenResponse; asked: unknown[] }> {
  const requests: TokenRequest[] = [];
  const asked: unknown[] = [];
  let secret: Promise<string> | undefined;
  const context: ExchangeContext = {
    tokenEndpoint,
    send: async (request) => {
      const body = answers[Math.min(requests.length, answers.length - 1)];
      requests.push(request);
      if (body instanceof Error) throw body;
      return tokenResponse({ status: 200, body: JSON.stringify(body) });
    },
    secret: () => (secret ??= Promise.resolve(grant.secret?.() ?? Promise.reject(new Error("no secret")))),
    source: async (_, options) => {
      const accessToken = tokens[Math.min(asked.length, tokens.length - 1)];
      asked.push(options);
      if (accessToken === undefined) throw new Error("no source");
      return { accessToken, tokenType: "Bearer", obtainedAt: 0, expiresAt: undefined } satisfies Token;
    },
    previous: undefined,
    signal: new AbortController().signal,
  };
  const response = await grant.exchange(context);
  return { sent: requests.map(parsed), requests, response, asked };
}

function parsed({ method, url, headers, body }: TokenRequest): SentRequest {
  const isForm = headers["content-type"] === "application/x-www-form-urlencoded";
  return {
    method,
    url,
    headers,
    ...(body !== undefined &&
      (isForm ? { form: Object.fromEntries(new URLSearchParams(body)) } : { json: JSON.parse(body) })),
  };
}
