import { buildTokenRequest, type Clock } from "@iam/core";
import { askingAt } from "./asking-at.ts";
import { within } from "./deadline.ts";
import { refusal, VerificationUnavailableError } from "./refusal.ts";
import { isObject } from "./token-text.ts";
import { UselessAnswerError, whyNot } from "./why-not.ts";

/** How to ask the issuer itself whether a token is still good (RFC 7662). */
export interface IntrospectionOptions {
  /** Default: the issuer's URL and `/introspect`. */
  url?: string | URL | undefined;
  /** IAM asks for no client; other servers do. With `clientSecret`. */
  clientId?: string | undefined;
  clientSecret?: string | undefined;
}

const deadlineMs = 5000;
/** After a failure nobody waits for the same again. */
const coolDownMs = 1000;

/**
 * Makes the function that asks about a token, and resolves when it is active.
 *
 * Errors: a BearerError when it is not, `ERR_IAM_VERIFICATION_UNAVAILABLE` when the issuer does not say.
 * Source: RFC 7662 section 2.
 */
export function createIntrospection(options: {
  readonly url: string;
  readonly clientId: string | undefined;
  readonly clientSecret: string | undefined;
  readonly fetch: typeof globalThis.fetch | undefined;
  readonly clock: Clock;
}): (token: string) => Promise<void> {
  const { clientId, clientSecret, clock } = options;
  const { shown, transport } = askingAt(options.url, options);
  let failure: { readonly error: unknown; readonly until: number } | undefined;

  async function ask(token: string): Promise<boolean> {
    const request = buildTokenRequest({ tokenEndpoint: shown, form: { token }, clientId, clientSecret });
    const { status, body } = await within(clock, deadlineMs, (signal) => transport(request, { signal }));
    if (status !== 200) throw new UselessAnswerError(`HTTP ${status}`);
    const answer: unknown = JSON.parse(body);
    if (!isObject(answer) || typeof answer.active !== "boolean")
      throw new UselessAnswerError("no introspection");
    return answer.active;
  }

  return async (token) => {
    const now = clock.monotonicNow();
    if (failure !== undefined && now < failure.until) throw unavailable(shown, failure, now);
    let active: boolean;
    try {
      active = await ask(token);
      failure = undefined;
    } catch (error) {
      const failedAt = clock.monotonicNow();
      failure = { error, until: failedAt + coolDownMs };
      throw unavailable(shown, failure, failedAt);
    }
    if (!active) throw refusal("inactive", "The issuer says that the token is not active.");
  };
}

function unavailable(
  url: string,
  { error, until }: { error: unknown; until: number },
  now: number,
): VerificationUnavailableError {
  return new VerificationUnavailableError(
    `${url} does not say whether the token is active (${whyNot(error)}): nothing is said about it. Check network, proxy and introspection.`,
    { cause: error, retryAfterMs: until - now },
  );
}
