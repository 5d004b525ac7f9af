import { configError } from "./errors.ts";
import { controlCharacter, type SecretSource, secretReader } from "./secret.ts";

/** The client that a token request authenticates, by HTTP Basic. */
export interface ClientOptions {
  /** A client registered with IAM; can raise the rate limit. With `clientSecret` or not at all. */
  clientId?: string | undefined;
  /** The client's secret. With `clientId` or not at all. */
  clientSecret?: SecretSource;
}

/**
 * A reader of the client's secret; undefined without a client.
 *
 * Errors: `ERR_IAM_CONFIG` for one without the other, and for an id with a colon: HTTP Basic ends the id there.
 * Source: RFC 7617 section 2.
 */
export function clientReader({
  clientId,
  clientSecret,
}: ClientOptions): (() => string | Promise<string>) | undefined {
  if (clientId === undefined && clientSecret === undefined) return undefined;
  if (typeof clientId !== "string" || !/^[^:]+$/.test(clientId) || clientSecret === undefined) {
    throw configError("clientId (without a colon) and clientSecret: give both or neither.");
  }
  return secretReader(clientSecret, "client secret", controlCharacter);
}

/** A client that is there. */
export interface Client {
  readonly clientId: string;
  readonly clientSecret: () => string | Promise<string>;
}

/** The client of a grant that needs one. Errors: as {@link clientReader}, and without a client. */
export function requiredClient(what: string, options: ClientOptions): Client {
  const { clientId } = options;
  const clientSecret = clientReader(options);
  if (clientId === undefined || clientSecret === undefined)
    throw configError(`${what}: IAM wants a client with this grant; give clientId and clientSecret.`);
  return { clientId, clientSecret };
}

/** The client of a grant that needs one: the one that is given, or the public one of IBM's command line. */
export function givenOrPublicClient(options: ClientOptions): Client {
  const { clientId = "bx" } = options;
  return { clientId, clientSecret: clientReader(options) ?? (() => "bx") };
}
