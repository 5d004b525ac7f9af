import { isIamError, TokenEndpointError } from "./errors.ts";

/**
 * The refusal of a token endpoint with what to do about it, in the words of the grant; any other error as it is.
 */
export function withAdvice(error: unknown, advice: string): unknown {
  if (!isIamError(error) || error.code !== "ERR_IAM_TOKEN_ENDPOINT_REFUSED") return error;
  return new TokenEndpointError(error.code, `${error.message} ${advice}`, { ...error, cause: error });
}
