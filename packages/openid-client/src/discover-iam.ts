import { buildTokenRequest, fetchTransport, IamError, isSecure, TokenEndpointError } from "@iam/core";
import {
  allowInsecureRequests,
  type ClientAuth,
  Configuration,
  type CustomFetch,
  customFetch,
  discovery,
} from "openid-client";

/** Options of {@link discoverIam}. */
export interface DiscoverIamOptions {
  /**
   * The issuer that has to answer. Default: `https://iam.cloud.ibm.com/identity`, whatever the host, as IAM has it; staging's own
   * for hosts of staging.
   */
  issuer?: string | undefined;
  /** A client registered with IAM. Default: none. With `clientSecret`. */
  clientId?: string | undefined;
  clientSecret?: string | undefined;
  /** The fetch of the discovery and of the Configurations. Default: `globalThis.fetch`. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Ends the discovery. Default: after 9 s. */
  signal?: AbortSignal | undefined;
}

/**
 * Reads IAM's discovery document, and gives a function that makes Configurations for it, as `openidTransport` takes it.
 *
 * The token endpoint that is discovered may be that of a region. IBM advises to keep it for a short time only, and to read it
 * again when it fails.
 *
 * Default: `https://iam.cloud.ibm.com`; a private endpoint is given by its origin. No client authentication, as IAM wants none.
 * Errors: `ERR_IAM_CONFIG` when what answers is not IAM, `ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE` when nothing does.
 * Source: OpenID Connect Discovery 1.0 section 4.
 *
 * @example
 * ```ts
 * import { apiKeyGrant, createTokenManager } from "@iam/core";
 * import { discoverIam, openidTransport } from "@iam/openid-client";
 * const configuration = await discoverIam("https://private.us-south.iam.cloud.ibm.com");
 * export const manager = createTokenManager({
 *   tokenEndpoint: configuration().serverMetadata().token_endpoint,
 *   grant: apiKeyGrant("the-api-key"),
 *   transport: openidTransport(configuration),
 * });
 * ```
 */
export async function discoverIam(
  url: string | URL = "https://iam.cloud.ibm.com",
  options: DiscoverIamOptions = {},
): Promise<() => Configuration> {
  const { clientId, clientSecret, fetch } = options ?? {};
  if ((clientId === undefined) !== (clientSecret === undefined))
    throw config("clientId and clientSecret belong together: give both or neither.");
  // HTTP Basic ends the id at a colon (RFC 7617 section 2).
  if (clientId !== undefined && !(isText(clientId) && isText(clientSecret) && !clientId.includes(":")))
    throw config("clientId (without a colon) and clientSecret of discoverIam must be texts.");
  const host = URL.canParse(url) ? new URL(url) : undefined;
  if (host === undefined || !isSecure(host) || host.username !== "" || host.password !== "")
    throw config("discoverIam takes the https URL of IAM, or an http URL of loopback, without credentials.");
  const named = options?.issuer ?? issuerOf(host);
  const issuer = URL.canParse(named) ? new URL(named) : undefined;
  if (issuer === undefined) throw config("The issuer of discoverIam must be an absolute URL.");
  const metadata = (await discover(host, issuer, options ?? {})).serverMetadata();
  // openid-client looks at nothing but the issuer.
  if (!isText(metadata.token_endpoint) || !URL.canParse(metadata.token_endpoint))
    throw config(`The discovery document of ${host.origin} names no token endpoint.`);
  // What was discovered over https never leads to http; where http may go is for the transport to judge.
  const insecure = host.protocol === "http:" && metadata.token_endpoint.startsWith("http:");
  return () => {
    const made = new Configuration(
      metadata,
      clientId ?? "default",
      undefined,
      authentication(clientId, clientSecret),
    );
    if (insecure) allowInsecureRequests(made);
    if (fetch !== undefined) made[customFetch] = fetch as CustomFetch;
    return made;
  };
}

function issuerOf({ hostname }: URL): string {
  const staging = hostname.endsWith(".test.cloud.ibm.com");
  return `https://iam${staging ? ".test" : ""}.cloud.ibm.com/identity`;
}

/** openid-client compares the issuer with the URL that it asks; the host that is really asked may be another. */
async function discover(
  host: URL,
  issuer: URL,
  { fetch, signal = AbortSignal.timeout(9000) }: DiscoverIamOptions,
): Promise<Configuration> {
  let failure: unknown;
  const carried: CustomFetch = async (_, { method, headers }) => {
    const at = new URL("/identity/.well-known/openid-configuration", host);
    try {
      const transport = fetchTransport({ fetch });
      const { status, body } = await transport({ method, url: at.href, headers }, { signal });
      if (status === 408 || status === 429 || status >= 500) throw unavailable(at, status);
      if (status !== 200) throw config(`${at.href} answered ${status}: it is not IAM's discovery document.`);
      return new Response(body, { status, headers: { "content-type": "application/json" } });
    } catch (error) {
      failure = error;
      throw error;
    }
  };
  try {
    const execute = issuer.protocol === "http:" && isSecure(issuer) ? [allowInsecureRequests] : [];
    return await discovery(issuer, "default", undefined, () => {}, { [customFetch]: carried, execute });
  } catch (cause) {
    if (failure !== undefined) throw failure;
    throw config(
      `${host.origin} does not answer as ${issuer.href}, or not with a discovery document.`,
      cause,
    );
  }
}

function unavailable({ href }: URL, status: number): TokenEndpointError {
  return new TokenEndpointError(
    "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE",
    `${href} answered HTTP ${status}: try again later.`,
    { status, retryable: true },
  );
}

/**
 * IAM reads the id and the secret as they are. openid-client's own way encodes them first (RFC 6749 section 2.3.1), and its way
 * for public clients puts an id into the form.
 */
function authentication(clientId: string | undefined, clientSecret: string | undefined): ClientAuth {
  return (_server, _client, _body, headers) => {
    if (clientId === undefined) return;
    const { authorization } = buildTokenRequest({
      tokenEndpoint: "",
      form: {},
      clientId,
      clientSecret,
    }).headers;
    headers.set("authorization", authorization ?? "");
  };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function config(message: string, cause?: unknown): IamError {
  return new IamError("ERR_IAM_CONFIG", message, { cause });
}
