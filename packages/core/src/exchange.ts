import { createBudget } from "./budget.ts";
import { pause, type Scope, withDeadline } from "./deadline.ts";
import { configError, IamError, isIamError, TokenEndpointError } from "./errors.ts";
import type { Grant } from "./grant.ts";
import { retryDelayMs } from "./retry.ts";
import type { Token } from "./token.ts";
import type { TokenManagerConfig } from "./token-manager-options.ts";
import { parseUrl, requireSecure, type TokenRequest } from "./token-request.ts";
import {
  type ParsedTokenResponse,
  parseTokenErrorResponse,
  parseTokenResponse,
  type TokenResponse,
} from "./token-response.ts";
import { unreachable } from "./transport.ts";

/** One exchange: what it runs in, and what it leaves behind besides its result. */
export interface ExchangeRun extends Scope {
  /** Whether callers wait with nothing in hand: then more than one attempt is worth while. */
  readonly first: boolean;
  /** The secret that it sent: a refusal is remembered for that one only. */
  secret?: string;
  /** The secret could not be read: the token endpoint is not to blame. */
  secretFailed?: boolean;
}

/** Runs one exchange to its end: a checked token response, or an IamError. */
export type Exchange = (run: ExchangeRun, previous: Token | undefined) => Promise<ParsedTokenResponse>;

/** Makes the function that runs exchanges: deadlines per attempt and overall, retries, budget. Its state is the budget. */
export function createExchange(
  config: TokenManagerConfig,
  sourceToken: (grant: Grant) => Promise<Token>,
): Exchange {
  const { clock, grant, tokenEndpoint, transport, random, deadlineMs, attemptDeadlineMs } = config;
  const budget = createBudget(config.maxTokenRequestsPerMinute);

  async function attempt(request: TokenRequest, run: ExchangeRun, ms: number): Promise<TokenResponse> {
    const { url } = request;
    const waitMs = budget.take(clock.monotonicNow());
    if (waitMs > 0) throw overBudget(config.maxTokenRequestsPerMinute, waitMs);
    try {
      const response = await withDeadline(
        run,
        ms,
        () => timedOut(url, ms),
        (signal) => transport(request, { signal }),
      );
      const failure = parseTokenErrorResponse(response, { endpoint: url, nowMs: clock.wallNow() });
      if (failure === undefined) return response;
      throw failure;
    } catch (error) {
      throw isIamError(error) ? error : unreachable(url, error);
    }
  }

  async function readSecret(run: ExchangeRun): Promise<string> {
    if (grant.secret === undefined) throw configError(`The grant ${grant.kind} has no secret.`);
    try {
      run.secret = await grant.secret();
      return run.secret;
    } catch (error) {
      run.secretFailed = true;
      throw error;
    }
  }

  return async (run, previous) => {
    const endsAt = clock.monotonicNow() + deadlineMs;
    const attempts = run.first && grant.retry === "safe" ? 3 : 1;
    let secret: Promise<string> | undefined;

    async function send(request: TokenRequest, signal: AbortSignal): Promise<TokenResponse> {
      requireSecure(parseUrl(request.url), "A token request", config);
      for (let made = 1; ; made++) {
        const remainingMs = () => endsAt - clock.monotonicNow();
        try {
          return await attempt(request, run, Math.min(attemptDeadlineMs, remainingMs()));
        } catch (error) {
          const delayMs = retryDelayMs({
            ...(error as TokenEndpointError),
            attempt: made,
            attempts,
            remainingMs: remainingMs(),
            random,
          });
          if (delayMs === undefined) throw error;
          await pause(run, delayMs);
          // Ended meanwhile: another attempt would be a second one in flight.
          if (signal.aborted) throw error;
        }
      }
    }

    try {
      const response = await withDeadline(
        run,
        deadlineMs,
        () => timedOut(tokenEndpoint, deadlineMs),
        (signal) =>
          grant.exchange({
            tokenEndpoint,
            previous,
            signal,
            send: (request) => send(request, signal),
            secret: () => (secret ??= readSecret(run)),
            source: sourceToken,
          }),
      );
      return parseTokenResponse(response);
    } catch (error) {
      if (isIamError(error)) throw error;
      const message = `The grant ${grant.kind} threw. Its message is not shown, it may hold a secret.`;
      throw new IamError("ERR_IAM_CONFIG", message, { cause: error, retryable: true });
    }
  };
}

function timedOut(url: string, ms: number): TokenEndpointError {
  return new TokenEndpointError(
    "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE",
    `No answer from the token endpoint ${url} within ${ms / 1000} s. Check network and proxy.`,
    { retryable: true },
  );
}

function overBudget(max: number, waitMs: number): TokenEndpointError {
  return new TokenEndpointError(
    "ERR_IAM_TOKEN_REQUEST_BUDGET",
    `${max} token requests in a minute: stopped before IAM blocks the account. Look for endless 401s, or raise maxTokenRequestsPerMinute.`,
    { retryable: true, retryAfterMs: Math.ceil(waitMs) },
  );
}
