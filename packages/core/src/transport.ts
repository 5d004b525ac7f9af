import { errorWord, isIamError, TokenEndpointError } from "./errors.ts";
import type { TokenRequest } from "./token-request.ts";
import { type TokenResponse, tokenResponse } from "./token-response.ts";

/**
 * Carries one token request to the server and brings the answer back, whatever its status. It follows no redirect,
 * retries nothing and judges nothing. `signal` ends it, the reading of the body included.
 *
 * @example
 * ```ts
 * import { type TokenTransport, fetchTransport } from "@iam/core";
 * const inner = fetchTransport();
 * export const traced: TokenTransport = async (request, options) => {
 *   const response = await inner(request, options);
 *   console.log(request.url, response.status);
 *   return response;
 * };
 * ```
 */
export type TokenTransport = (
  request: TokenRequest,
  options: { signal: AbortSignal },
) => Promise<TokenResponse>;

/** No token response is larger than a few kilobytes. */
const maxBodyBytes = 1_048_576;

/**
 * The transport over `fetch`: redirects are not followed, nothing is cached, at most 1 MiB of body is read.
 *
 * Default: `globalThis.fetch`, looked up for each request.
 * Errors: `ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE`, `ERR_IAM_TOKEN_RESPONSE_INVALID` for a body above 1 MiB.
 *
 * @example
 * ```ts
 * import { apiKeyGrant, createTokenManager, fetchTransport } from "@iam/core";
 * export const throughMyFetch = (apiKey: string, fetch: typeof globalThis.fetch) =>
 *   createTokenManager({ grant: apiKeyGrant(apiKey), transport: fetchTransport({ fetch }) });
 * ```
 */
export function fetchTransport(
  options: { fetch?: typeof globalThis.fetch | undefined } = {},
): TokenTransport {
  const given = options.fetch;
  let noStore = true;

  async function send(request: TokenRequest, signal: AbortSignal): Promise<Response> {
    const fetch = given ?? globalThis.fetch;
    const init: RequestInit = {
      method: request.method,
      headers: request.headers,
      redirect: "manual",
      signal,
    };
    if (request.body !== undefined) init.body = request.body;
    if (!noStore) return fetch(request.url, init);
    try {
      return await fetch(request.url, { ...init, cache: "no-store" });
    } catch (error) {
      // Some runtimes throw on the mere presence of `cache`, before anything is sent: a TypeError, or workerd a plain Error.
      if (!/\bcache\b/.test(String(error))) throw error;
      noStore = false;
      return fetch(request.url, init);
    }
  }

  return async (request, { signal }) => {
    try {
      const response = await send(request, signal);
      return tokenResponse({
        status: response.type === "opaqueredirect" ? 0 : response.status,
        body: await readBody(response, request.url),
        date: response.headers.get("date") ?? undefined,
        retryAfter: response.headers.get("retry-after") ?? undefined,
        transactionId: response.headers.get("transaction-id") ?? undefined,
      });
    } catch (error) {
      throw isIamError(error) ? error : unreachable(request.url, error);
    }
  };
}

async function readBody(response: Response, url: string): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.byteLength;
    if (bytes > maxBodyBytes) {
      reader.cancel().catch(() => {});
      throw new TokenEndpointError(
        "ERR_IAM_TOKEN_RESPONSE_INVALID",
        `The answer of ${url} is larger than 1 MiB: no token response. Check tokenEndpoint.`,
        { status: response.status, retryable: true },
      );
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** The error for a request that got no answer. */
export function unreachable(url: string, cause: unknown): TokenEndpointError {
  return new TokenEndpointError(
    "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE",
    `No answer from the token endpoint ${url} (${errorWord(cause)}). Check network, DNS, proxy and TLS.`,
    { cause, retryable: true },
  );
}
