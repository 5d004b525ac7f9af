import { configError, isIamError, type TokenEndpointError } from "./errors.ts";
import type { Grant } from "./grant.ts";

/**
 * The members of a grant whose secret the server takes one time. Each value is sent once, whatever became of it, unless it
 * surely never arrived. A function that asks a person is not asked again before its answer has been used.
 *
 * Errors: `ERR_IAM_CONFIG` with `advice` for a value that was sent before.
 */
export function oneTime(
  what: string,
  advice: string,
  read: () => string | Promise<string>,
  exchange: Grant["exchange"],
): Pick<Grant, "secret" | "retry" | "exchange"> {
  const sent = new Set<string>();
  let answer: Promise<string> | undefined;
  const ask = async () => {
    try {
      return await read();
    } catch (error) {
      answer = undefined;
      throw error;
    }
  };
  return {
    secret: () => (answer ??= ask()),
    retry: "once",
    async exchange(context) {
      const value = await context.secret();
      // Too late for this exchange: the value waits for the next one.
      context.signal.throwIfAborted();
      answer = undefined;
      // Looked up and noted in one turn: managers may share the grant.
      const send: typeof context.send = async (request) => {
        if (sent.has(value))
          throw configError(`This ${what} has been sent before, and is good for one time. ${advice}`);
        sent.add(value);
        try {
          return await context.send(request);
        } catch (error) {
          if (!mayHaveArrived(error)) sent.delete(value);
          throw error;
        }
      };
      return exchange({ ...context, send });
    },
  };
}

/**
 * Whether the server may have taken a request that failed. It has not when the request was stopped here, when no
 * connection came about, and when the server said that there were too many.
 */
export function mayHaveArrived(error: unknown): boolean {
  if (!isIamError(error)) return true;
  const { code, status, cause } = error as TokenEndpointError;
  if (/CONFIG|BUDGET/.test(code) || status === 429) return false;
  return status !== undefined || !notConnected.test(wordOf(cause));
}

/** Codes of Node and Bun for a name that does not resolve, a connection that is refused, and TLS that is not set up. */
const notConnected =
  /^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ConnectionRefused|UND_ERR_CONNECT_TIMEOUT|\w*CERT\w*|UNABLE_TO_\w+)$/;

/** The code of what a transport failed with, below errors of our own. */
function wordOf(cause: unknown): string {
  if (isIamError(cause)) return wordOf(cause.cause);
  return cause instanceof Error ? cause.message : "";
}
