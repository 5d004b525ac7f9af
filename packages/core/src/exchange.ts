import { createBudget } from "./budget.ts";
import { after, withDeadline } from "./deadline.ts";
import { configError, isIamError, TokenEndpointError, threw } from "./errors.ts";
import type { Exchange, ExchangeRun } from "./exchange-run.ts";
import type { Grant } from "./grant.ts";
import { retryDelayMs } from "./retry.ts";
import type { Token } from "./token.ts";
import type { TokenManagerConfig } from "./token-manager-options.ts";
import { parseUrl, requireSecure, type TokenRequest } from "./token-request.ts";
import { parseTokenErrorResponse, parseTokenResponse, type TokenResponse } from "./token-response.ts";
import { unreachable } from "./transport.ts";

/** Makes the function that runs exchanges: deadlines per attempt and overall, retries, budget. Its state is the budget. */
export function createExchange(
  config: TokenManagerConfig,
  source: (grant: Grant) => Promise<Token>,
): Exchange {
  const { clock, grant, tokenEndpoint, transport, random, deadlineMs, attemptDeadlineMs } = config;
  const { maxTokenRequestsPerMinute } = config;
  const budget = createBudget(maxTokenRequestsPerMinute);

  /** Runs something under a deadline that counts as no answer. */
  function within<T>(run: ExchangeRun, url: string, ms: number, task: (signal: AbortSignal) => Promise<T>) {
    return withDeadline(run, ms, () => unreachable(url, undefined, `after ${ms / 1000} s`), task);
  }

  async function attempt(run: ExchangeRun, request: TokenRequest, ms: number): Promise<TokenResponse> {
    const { url } = request;
    const waitMs = budget(clock.monotonicNow());
    if (waitMs > 0) throw overBudget(maxTokenRequestsPerMinute, waitMs);
    const response = await within(run, url, ms, (signal) => transport(request, { signal }));
    const failure = parseTokenErrorResponse(response, url, clock.wallNow());
    if (failure) throw failure;
    return response;
  }

  async function readSecret(run: ExchangeRun): Promise<string> {
    if (grant.secret === undefined) throw configError(`The grant ${grant.kind} has no secret.`);
    try {
      // A store that goes by the secret has read it for this exchange already.
      run.secret ??= await grant.secret();
      return run.secret;
    } catch (error) {
      run.secretFailed = true;
      throw error;
    }
  }

  return async (run, held) => {
    const totalMs = run.deadlineMs ?? deadlineMs;
    const endsAt = clock.monotonicNow() + totalMs;
    const attempts = grant.retry === "safe" ? run.attempts : 1;
    let secret: Promise<string> | undefined;

    async function send(request: TokenRequest, signal: AbortSignal): Promise<TokenResponse> {
      requireSecure(parseUrl(request.url), "A token request", config);
      const remainingMs = () => endsAt - clock.monotonicNow();
      for (let made = 1; ; made++) {
        try {
          return await attempt(run, request, Math.min(attemptDeadlineMs, remainingMs()));
        } catch (cause) {
          const error = unreachable(request.url, cause);
          const delayMs = made < attempts ? retryDelayMs(error, made, remainingMs(), random) : undefined;
          if (delayMs !== undefined) await new Promise((resolve) => after(run, delayMs, resolve));
          // Ended meanwhile: another attempt would be a second one in flight.
          if (delayMs === undefined || signal.aborted) throw error;
        }
      }
    }

    try {
      const response = await within(run, tokenEndpoint, totalMs, (signal) =>
        grant.exchange({
          tokenEndpoint,
          previous: held?.token,
          signal,
          send: (request) => send(request, signal),
          secret: () => (secret ??= readSecret(run)),
          source,
        }),
      );
      return parseTokenResponse(response);
    } catch (error) {
      throw isIamError(error) ? error : threw(`The grant ${grant.kind}`, error);
    }
  };
}

function overBudget(max: number, waitMs: number): TokenEndpointError {
  return new TokenEndpointError(
    "ERR_IAM_TOKEN_REQUEST_BUDGET",
    `${max} token requests in a minute: stopped before IAM blocks the account. Look for endless 401s, or raise maxTokenRequestsPerMinute.`,
    { retryable: true, retryAfterMs: Math.ceil(waitMs) },
  );
}
