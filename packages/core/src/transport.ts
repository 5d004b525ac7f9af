import { errorWord, type IamError, isIamError, TokenEndpointError } from "./errors.ts";
import { conceal } from "./secret.ts";
import type { TokenRequest } from "./token-request.ts";
import { invalidResponse, type TokenResponse } from "./token-response.ts";

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
export function fetchTransport({
  fetch = platformFetch,
}: {
  fetch?: typeof globalThis.fetch | undefined;
} = {}): TokenTransport {
  let noStore = true;

  return async ({ url, method, headers, body = null }, { signal }) => {
    const cache = noStore;
    const send = async () =>
      fetch(url, {
        method,
        headers,
        body,
        signal,
        redirect: "manual",
        ...(noStore && { cache: "no-store" }),
      });
    try {
      const response = await send().catch((error: unknown) => {
        // Some runtimes throw on the mere presence of `cache`, before anything is sent: a TypeError, or workerd a plain Error.
        if (!cache || !/\bcache\b/.test(String(error))) throw error;
        noStore = false;
        return send();
      });
      const header = (name: string) => response.headers.get(name) ?? undefined;
      return conceal(
        {
          // 0 where a browser hides a redirect.
          status: response.status,
          date: header("date"),
          retryAfter: header("retry-after"),
          transactionId: header("transaction-id"),
        },
        { body: await readBody(response) },
      );
    } catch (error) {
      throw unreachable(url, error);
    }
  };
}

/** The platform's fetch, looked up for each request, so that patches apply. */
export function platformFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  return globalThis.fetch(input, init);
}

async function readBody(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const chunks: BlobPart[] = [];
  for (let bytes = 0; reader; ) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.byteLength;
    if (bytes > maxBodyBytes) {
      reader.cancel().catch(() => {});
      throw invalidResponse("more than 1 MiB: check tokenEndpoint", undefined, response.status);
    }
    chunks.push(value);
  }
  return new Blob(chunks).text();
}

/**
 * What to do about no answer, where the grant has no words of its own. A function: minifiers put its text where it is
 * called.
 */
export function checkNetwork(): string {
  return "check network, DNS, proxy and TLS";
}

/** The error for a request that got no answer; what is one of ours already stays as it is. */
export function unreachable(url: string, cause: unknown, what: string = errorWord(cause)): IamError {
  if (isIamError(cause)) return cause;
  return new TokenEndpointError(
    "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE",
    `No answer from the token endpoint ${url} (${what}): ${checkNetwork()}.`,
    { cause, retryable: true },
  );
}
