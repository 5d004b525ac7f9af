import { configError } from "./errors.ts";
import { type SecretSource, secretReader } from "./secret.ts";

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
    throw configError(
      "clientId and clientSecret belong together: give both or neither, and an id without a colon.",
    );
  }
  return secretReader(clientSecret, "client secret");
}

/** The client of a grant that needs one. Errors: as {@link clientReader}, and without a client. */
export function requiredClient(
  what: string,
  options: ClientOptions,
): { clientId: string; clientSecret: () => string | Promise<string> } {
  const { clientId } = options;
  const clientSecret = clientReader(options);
  if (clientId === undefined || clientSecret === undefined)
    throw configError(`${what}: IAM wants a client with this grant; give clientId and clientSecret.`);
  return { clientId, clientSecret };
}

/** The client of a grant that needs one: the one that is given, or the one that everybody knows. */
export function publicClient(options: ClientOptions): ReturnType<typeof requiredClient> {
  const { clientId, clientSecret } = options;
  const isGiven = clientId !== undefined || clientSecret !== undefined;
  return requiredClient("", isGiven ? options : { clientId: "bx", clientSecret: "bx" });
}
