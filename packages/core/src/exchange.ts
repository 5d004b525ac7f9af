import { createBudget } from "./budget.ts";
import { pause, withDeadline } from "./deadline.ts";
import { configError, isIamError, TokenEndpointError } from "./errors.ts";
import type { ExchangeContext, Grant } from "./grant.ts";
import { attemptsFor, retryDelayMs } from "./retry.ts";
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

/** What one exchange is about. */
export interface ExchangeOptions {
  /** Whether callers wait with nothing in hand, so that more than one attempt is worth while. */
  first: boolean;
  /** Whether nobody waits: its timers let the process end. */
  background: boolean;
  /** The token held until now. */
  previous: Token | undefined;
  /** What the exchange leaves behind besides its result. */
  trace: ExchangeTrace;
}

/** What can be told of an exchange while it runs and after it. */
export interface ExchangeTrace {
  /** The secret that it sent; a refusal is remembered for that secret only. */
  secret?: string;
  /** The secret could not be read: nothing was sent, and the token endpoint is not to blame. */
  secretFailed?: boolean;
  /** Ends it from outside. */
  end?: (reason: unknown) => void;
}

/** Runs one exchange to its end: a checked token response, or an IamError. */
export type Exchange = (options: ExchangeOptions) => Promise<ParsedTokenResponse>;

/**
 * Makes the function that runs exchanges: deadlines per attempt and overall, retries, budget.
 *
 * The only state is the budget, and the managers of source grants, which `sourceToken` keeps.
 */
export function createExchange(
  config: TokenManagerConfig,
  sourceToken: (grant: Grant) => Promise<Token>,
): Exchange {
  const { clock, grant, tokenEndpoint, transport, random } = config;
  const budget = createBudget(config.maxTokenRequestsPerMinute);

  function spendBudget(): void {
    const waitMs = budget.take(clock.monotonicNow());
    if (waitMs === 0) return;
    throw new TokenEndpointError(
      "ERR_IAM_TOKEN_REQUEST_BUDGET",
      `This manager has made ${config.maxTokenRequestsPerMinute} token requests in the last minute and stops there, before IAM ` +
        "blocks the account. Something asks for new tokens all the time: look for many 401s, or tokens that live for seconds only. " +
        "The ceiling is maxTokenRequestsPerMinute.",
      { retryable: true, retryAfterMs: Math.ceil(waitMs) },
    );
  }

  async function attempt(
    request: TokenRequest,
    background: boolean,
    remainingMs: number,
    parent: AbortSignal,
  ): Promise<TokenResponse> {
    spendBudget();
    const ms = Math.min(config.attemptDeadlineMs, remainingMs);
    try {
      const response = await withDeadline(
        { clock, ms, background, parent, onTimeout: () => timedOut(request.url, ms) },
        (signal) => transport(request, { signal }),
      );
      const failure = parseTokenErrorResponse(response, { endpoint: request.url, nowMs: clock.wallNow() });
      if (failure !== undefined) throw failure;
      return response;
    } catch (error) {
      throw isIamError(error) ? error : unreachable(request.url, error);
    }
  }

  return async ({ first, background, previous, trace }) => {
    const endsAt = clock.monotonicNow() + config.deadlineMs;
    const attempts = attemptsFor({ first, retry: grant.retry });

    async function send(request: TokenRequest, signal: AbortSignal): Promise<TokenResponse> {
      const url = parseUrl(request.url);
      if (url === undefined)
        throw configError(`The grant ${grant.kind} built a request without an absolute URL.`);
      requireSecure(url, `A request of the grant ${grant.kind}`, config);
      for (let made = 1; ; made++) {
        const remainingMs = () => endsAt - clock.monotonicNow();
        try {
          return await attempt(request, background, remainingMs(), signal);
        } catch (error) {
          const { retryable = false, retryAfterMs } = error as TokenEndpointError;
          const delayMs = retryDelayMs({
            attempt: made,
            attempts,
            retryable,
            retryAfterMs,
            remainingMs: remainingMs(),
            random,
          });
          if (delayMs === undefined || signal.aborted) throw error;
          await pause({ clock, ms: delayMs, background, signal });
          // The deadline may have ended the exchange meanwhile: a late attempt would be a second one in flight.
          if (signal.aborted) throw error;
        }
      }
    }

    let secret: Promise<string> | undefined;
    const readSecret = async (): Promise<string> => {
      if (grant.secret === undefined)
        throw configError(`The grant ${grant.kind} asked for a secret that it does not have.`);
      try {
        trace.secret = await grant.secret();
        return trace.secret;
      } catch (error) {
        trace.secretFailed = true;
        throw error;
      }
    };

    const onTimeout = () => timedOut(tokenEndpoint, config.deadlineMs);
    const onEnd = (end: (reason: unknown) => void) => {
      trace.end = end;
    };
    const deadline = { clock, ms: config.deadlineMs, background, onTimeout, onEnd };
    try {
      const response = await withDeadline(deadline, (signal) => {
        const context: ExchangeContext = {
          tokenEndpoint,
          previous,
          signal,
          send: (request) => send(request, signal),
          secret: () => (secret ??= readSecret()),
          source: sourceToken,
        };
        return grant.exchange(context);
      });
      return parseTokenResponse(response);
    } catch (error) {
      if (isIamError(error)) throw error;
      throw configError(
        `The grant ${grant.kind} threw. Its own error is not shown here, because it may hold a secret.`,
        error,
      );
    }
  };
}

function timedOut(url: string, ms: number): TokenEndpointError {
  return new TokenEndpointError(
    "ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE",
    `The token endpoint ${url} did not answer within ${ms / 1000} s. Check the network, or a proxy that swallows the request.`,
    { retryable: true },
  );
}
