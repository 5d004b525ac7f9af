import { isIamError, TokenEndpointError } from "./errors.ts";

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
  if (!isIamError(error)) return error;
  const { code, message } = error;
  const { errorCode = "", status } = error as TokenEndpointError;
  const words =
    advice[errorCode] ??
    advice[`${status}`] ??
    (code === "ERR_IAM_TOKEN_ENDPOINT_REFUSED"
      ? advice.refused
      : code === "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE" && status === undefined
        ? advice.unanswered
        : undefined);
  if (words === undefined) return error;
  // Behind what happened, in place of the general advice.
  const said = message.replace(
    /( answered HTTP [^:]*: |\): ).*$/s,
    `$1${words}${words.endsWith("?") ? "" : "."}`,
  );
  return new TokenEndpointError(code, said, { ...error, cause: error });
}
