import { configError, isIamError, type TokenEndpointError } from "./errors.ts";

/**
 * Makes the function that sends a value which the server takes one time: it sends each value once, whatever became of it,
 * unless it surely never arrived.
 *
 * Errors: `ERR_IAM_CONFIG` that ends with `advice` for a value that was sent before.
 */
export function oneTimeSender<T>(
  what: string,
  advice: string,
): (value: string, send: () => Promise<T>) => Promise<T> {
  let sent: string | undefined;
  return async (value, send) => {
    if (value === sent)
      throw configError(`This ${what} has been sent before, and is good for one time. ${advice}`);
    sent = value;
    try {
      return await send();
    } catch (error) {
      if (!mayHaveArrived(error)) sent = undefined;
      throw error;
    }
  };
}

/**
 * Whether the server may have read a request that failed. It has not when the request was stopped here, when no
 * connection came about, and when the server said that there were too many.
 */
export function mayHaveArrived(error: unknown): boolean {
  const { code, status, cause } = error as TokenEndpointError;
  if (!isIamError(error) || status === 429) return status !== 429;
  if (/CONFIG|BUDGET/.test(code)) return false;
  return status !== undefined || !noConnection.test((cause as Error | undefined)?.message ?? "");
}

/** Codes of Node, Bun and Deno for a name that does not resolve, a connection that is not made, and TLS that is not set up. */
const noConnection =
  /^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ConnectionRefused|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|\w*CERT\w*|UNABLE_TO_\w+)$/;
