import { isIamError, TokenEndpointError } from "./errors.ts";
import { generalAdvice } from "./token-response.ts";
import { checkNetwork } from "./transport.ts";

/**
 * What to do about a failure, in the words of a grant: by error code, by status, for every other refusal, and for no
 * answer at all. Clauses without a full stop.
 */
export interface Advice {
  readonly [codeOrStatus: string]: string | undefined;
  readonly refused?: string;
  readonly unanswered?: string;
}

/** What holds for every grant of IAM that knows a client, an account or a person. */
const common: Advice = {
  BXNIM0141E: "this identity is not a member of the account; check the option account",
  BXNIM0308E: "a client is needed; give clientId and clientSecret",
  BXNIM0310E: "the client is unknown or its secret is wrong; check clientId and clientSecret",
  BXNIM0410E: "the user is unknown or not active; ask an administrator of the account",
  BXNIM0430E:
    "logging in is not permitted from this IP address; ask an administrator of the account for its allowed addresses",
  BXNIM0436E: "the user is suspended in the account; ask an administrator of the account",
};

/** Runs an exchange; its failure says what to do in the words of the grant. */
export async function advised<T>(advice: Advice, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw withAdvice(error, { ...common, ...advice });
  }
}

function withAdvice(error: unknown, advice: Advice): unknown {
  if (!isIamError(error) || !/_(REFUSED|UNREACHABLE)$/.test(error.code)) return error;
  const { code, message, retryable } = error;
  const { errorCode, status } = error as TokenEndpointError;
  const isAnswered = status !== undefined;
  const words = isAnswered
    ? (advice[`${errorCode}`] ?? advice[status] ?? (retryable ? undefined : advice.refused))
    : advice.unanswered;
  if (words === undefined) return error;
  // What happened stays; behind it stands what to do in general, unless there are words of a transport already.
  const general = `${isAnswered ? generalAdvice({ status, errorCode }, retryable) : checkNetwork()}.`;
  if (!message.endsWith(general)) return error;
  const happened = message.slice(0, -general.length);
  return new TokenEndpointError(code, `${happened}${words}${words.endsWith("?") ? "" : "."}`, {
    ...error,
    cause: error,
  });
}
