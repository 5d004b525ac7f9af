import {
  fetchTransport,
  IamError,
  isSecure,
  parseTokenResponse,
  TokenEndpointError,
  type TokenResponse,
  type TokenTransport,
} from "@iam/core";
import { type Configuration, type CustomFetch, customFetch, genericGrantRequest } from "openid-client";
import { readTokenRequest } from "./openid-request.ts";

/** Makes a Configuration of openid-client: another one at each call. */
export type ConfigurationSource = () => Configuration | Promise<Configuration>;

/** Options of {@link openidTransport}. */
export interface OpenidTransportOptions {
  /** Accepts a token endpoint over plain http beyond loopback. Default: false. */
  allowInsecure?: boolean | undefined;
}

/**
 * A transport that has openid-client make each token request and check each answer.
 *
 * Where the request goes and how the client authenticates is the Configuration's business: secret in the header or the form,
 * private_key_jwt, mTLS by its `customFetch`. A new one is made for each request, so that an assertion is never sent twice.
 * How it is carried stays the same as by `fetchTransport`: the manager's deadlines and retries, no redirect, at most 1 MiB.
 * The answer is read by core; what either of the two refuses is refused.
 *
 * Errors: `ERR_IAM_CONFIG` for a Configuration that cannot work or was given before; `ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE`;
 * `ERR_IAM_TOKEN_RESPONSE_INVALID`. A `cause` has openid-client's name and code, never an answer.
 * Source: RFC 6749 section 3.2; https://github.com/panva/openid-client
 *
 * @example
 * ```ts
 * import { createTokenManager } from "@iam/core";
 * import { openidGrant, openidTransport } from "@iam/openid-client";
 * import { Configuration, discovery } from "openid-client";
 * const found = await discovery(new URL("https://login.example.com"), "my-client");
 * const configuration = () => new Configuration(found.serverMetadata(), "my-client", "its-secret");
 * export const manager = createTokenManager({
 *   tokenEndpoint: found.serverMetadata().token_endpoint,
 *   grant: openidGrant(configuration, "client_credentials", { scope: "read" }),
 *   transport: openidTransport(configuration),
 * });
 * ```
 */
export function openidTransport(
  configuration: ConfigurationSource,
  options: OpenidTransportOptions = {},
): TokenTransport {
  if (typeof configuration !== "function")
    throw config("openidTransport takes a function that makes a Configuration: () => new Configuration(…).");
  const { allowInsecure = false } = options ?? {};
  // A text such as "false", out of an environment, would send secrets in the clear.
  if (typeof allowInsecure !== "boolean")
    throw config("allowInsecure of openidTransport must be true or false.");
  const seen = new WeakSet<Configuration>();

  return async (request, { signal }) => {
    const { grantType, parameters, authorization } = readTokenRequest(request);
    const made = await newConfiguration(configuration, seen);
    const carrier = createCarrier({ made, signal, authorization, allowInsecure });
    made[customFetch] = carrier.fetch;
    let refusal: unknown;
    try {
      await genericGrantRequest(made, grantType, parameters);
    } catch (error) {
      refusal = error;
    }
    const { failure, response } = carrier;
    if (failure !== undefined) throw failure;
    if (response === undefined)
      throw config(
        "openid-client made no token request. Check the Configuration: token endpoint, https, client authentication.",
        refusal,
      );
    if (refusal !== undefined && isGood(response)) throw refused(request.url, response, refusal);
    return response;
  };
}

async function newConfiguration(
  source: ConfigurationSource,
  seen: WeakSet<Configuration>,
): Promise<Configuration> {
  let made: Configuration;
  try {
    made = await source();
    if (typeof made?.serverMetadata !== "function") throw new TypeError("No Configuration.");
  } catch (cause) {
    throw config("The function that makes a Configuration of openid-client threw, or gave none.", cause);
  }
  if (seen.has(made))
    throw config("The same Configuration came twice: make one at each call, () => new Configuration(…).");
  seen.add(made);
  return made;
}

interface Carrier {
  readonly fetch: CustomFetch;
  /** The answer of the token endpoint. */
  readonly response: TokenResponse | undefined;
  /** Why there is none. */
  readonly failure: unknown;
}

/** Stands between openid-client and the network: sends by our rules, and keeps the answer. */
function createCarrier(options: {
  made: Configuration;
  signal: AbortSignal;
  authorization: string | undefined;
  allowInsecure: boolean;
}): Carrier {
  const { made, signal, authorization, allowInsecure } = options;
  const below = made[customFetch] as typeof globalThis.fetch | undefined;
  let response: TokenResponse | undefined;
  let failure: unknown;

  /** One exchange with a server, and the answer as openid-client wants it. */
  async function send(
    url: string,
    { method, headers, body }: { method: string; headers: Record<string, string>; body: string | undefined },
  ): Promise<{ answer: TokenResponse; received: Headers }> {
    if (!isSecure(new URL(url)) && !allowInsecure)
      throw config(
        `A token request goes to ${new URL(url).origin}: a secret takes https, or http to localhost.`,
      );
    let received = new Headers();
    const transport = fetchTransport({
      fetch: async (...request) => {
        const raw = await (below ?? globalThis.fetch)(...request);
        received = raw.headers;
        return raw;
      },
    });
    const answer = await transport({ method, url, headers, body }, { signal });
    return { answer, received };
  }

  const fetch: CustomFetch = async (url, { method, headers, body }) => {
    const asks = method === "POST" && response === undefined && failure === undefined;
    try {
      const sent = { method, headers: withAuthorization(headers, body, asks ? authorization : undefined) };
      const { answer, received } = await send(url, { ...sent, body: textOf(body) });
      if (asks) response = answer;
      return asResponse(answer, received);
    } catch (error) {
      if (asks && response === undefined) failure = error;
      throw error;
    }
  };

  return {
    fetch,
    get response() {
      return response;
    },
    get failure() {
      return failure;
    },
  };
}

/** With the client authentication that the grant has put on its request, unless the Configuration has one too. */
function withAuthorization(
  headers: Record<string, string>,
  body: unknown,
  authorization: string | undefined,
): Record<string, string> {
  if (authorization === undefined) return headers;
  const form = body instanceof URLSearchParams ? body : new URLSearchParams();
  if (headers.authorization !== undefined || form.has("client_id") || form.has("client_assertion"))
    throw config("Both the grant and the Configuration name a client: leave it out of the grant.");
  return { ...headers, authorization };
}

/** openid-client sends forms; when it asks for keys, nothing. */
function textOf(body: unknown): string | undefined {
  return body === undefined || body === null ? undefined : String(body);
}

/** What was received, once more. One that cannot be said again, or is no success, need not be judged by openid-client. */
function asResponse({ status, body }: TokenResponse, received: Headers): Response {
  if (status < 200 || status > 299 || status === 204 || status === 205)
    throw new TypeError("No token response.");
  const headers = new Headers(received);
  // They are about the body as it was on its way.
  for (const name of ["content-encoding", "content-length", "transfer-encoding"]) headers.delete(name);
  return new Response(body, { status, headers });
}

/** Whether core takes the answer. */
function isGood(response: TokenResponse): boolean {
  if (response.status < 200 || response.status > 299) return false;
  try {
    parseTokenResponse(response);
    return true;
  } catch {
    return false;
  }
}

function refused(url: string, { status }: TokenResponse, cause: unknown): TokenEndpointError {
  return new TokenEndpointError(
    "ERR_IAM_TOKEN_RESPONSE_INVALID",
    `The token endpoint answered ${status}, but openid-client does not accept the answer of ${new URL(url).origin}; its code is the cause.`,
    { status, cause, retryable: true },
  );
}

function config(message: string, cause?: unknown): IamError {
  return new IamError("ERR_IAM_CONFIG", message, { cause });
}
