import { createBudget } from "./budget.ts";
import { after } from "./deadline.ts";
import { configError, type IamError, threw } from "./errors.ts";
import type { Exchange, ExchangeRun } from "./exchange-run.ts";
import type { ExchangeContext, Grant } from "./grant.ts";
import { retryDelayMs } from "./retry.ts";
import type { TokenManagerConfig } from "./token-manager-options.ts";
import { parseUrl, requireSecure, type TokenRequest } from "./token-request.ts";
import { parseTokenErrorResponse, parseTokenResponse, type TokenResponse } from "./token-response.ts";
import { unreachable } from "./transport.ts";

/** Makes the function that runs exchanges: deadlines per attempt and overall, retries, budget. Its state is the budget. */
export function createExchange(config: TokenManagerConfig, source: ExchangeContext["source"]): Exchange {
  const { clock, grant, tokenEndpoint, transport, random, deadlineMs, attemptDeadlineMs } = config;
  const spend = createBudget(config.maxTokenRequestsPerMinute);

  return async (run, held) => {
    const totalMs = run.deadlineMs ?? deadlineMs;
    const endsAt = clock.monotonicNow() + totalMs;
    const remainingMs = () => endsAt - clock.monotonicNow();
    // Asked for once: a grant may become another sort when its one-time value has been sent.
    const isSafe = grant.retry === "safe";
    let secret: Promise<string> | undefined;
    /** Where it asked last. */
    let askedAt = tokenEndpoint;

    /**
     * Runs a task under a deadline. When the time is up its signal aborts, and the promise rejects whether or not the signal
     * is heeded.
     */
    function withDeadline<T>(ms: number, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
      const controller = new AbortController();
      return new Promise((resolve, reject) => {
        const timeIsUp = () =>
          run.lacksSecret
            ? lateSecret(grant, ms)
            : unreachable(askedAt, undefined, `after ${Math.ceil(ms) / 1000} s`);
        const leave = after(run, ms, (reason = timeIsUp()) => {
          reject(reason);
          controller.abort(reason);
        });
        // The task may throw at once.
        Promise.resolve(controller.signal).then(task).then(resolve, reject).finally(leave);
      });
    }

    async function send(request: TokenRequest, signal: AbortSignal): Promise<TokenResponse> {
      const { url } = request;
      askedAt = url;
      requireSecure(parseUrl(url), "A token request to", grant.allowInsecure ? grant : config);
      for (let made = 1; ; made++) {
        // Over meanwhile, in a pause or while the secret was read: this could be a second request in flight. Timers may be late.
        if (signal.aborted || remainingMs() <= 0) throw unreachable(url, signal.reason, "too late");
        try {
          spend(clock.monotonicNow());
          const response = await withDeadline(Math.min(attemptDeadlineMs, remainingMs()), (signal) =>
            transport(request, { signal }),
          );
          const failure = parseTokenErrorResponse(response, url, clock.wallNow());
          if (!failure) return response;
          throw failure;
        } catch (cause) {
          const error = unreachable(url, cause);
          const mayRetry = isSafe && made < run.attempts;
          const delayMs = mayRetry ? retryDelayMs(error, made, remainingMs(), random) : undefined;
          if (delayMs === undefined) throw error;
          await new Promise((resolve) => after(run, delayMs, resolve));
        }
      }
    }

    try {
      return parseTokenResponse(
        await withDeadline(totalMs, (signal) =>
          grant.exchange({
            tokenEndpoint,
            previous: held?.token,
            signal,
            send: (request) => send(request, signal),
            secret: () => (secret ??= readSecret(grant, run)),
            source,
          }),
        ),
      );
    } catch (error) {
      throw threw(`The grant ${grant.kind}, or a function of it,`, error);
    }
  };
}

/** The secret of a grant. A store that goes by it has read it for this exchange already. */
export async function readSecret(grant: Grant, run: ExchangeRun): Promise<string> {
  if (!grant.secret) throw configError(`The grant ${grant.kind} has no secret.`);
  run.lacksSecret = true;
  run.secret ??= await grant.secret();
  run.lacksSecret = false;
  return run.secret;
}

/** The error for a secret that is not there when the time is up: nobody has been asked. */
export function lateSecret(grant: Grant, ms: number): IamError {
  return configError(
    `The grant ${grant.kind} has no secret after ${ms / 1000} s: check what the function that gives it waits for.`,
    { retryable: true },
  );
}
