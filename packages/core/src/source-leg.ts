import { isIamError, type TokenEndpointError } from "./errors.ts";
import type { ExchangeContext, Grant } from "./grant.ts";
import type { TokenResponse } from "./token-response.ts";

/** IAM's refusals of the access token that was sent as a parameter: malformed, of the wrong kind or expired, invalid. */
const sourceRefused = /^BXNIM040[1578]E$/;

/**
 * An exchange that takes the access token of another grant: gets that one, and once more when IAM refuses it.
 *
 * The new token lives no longer than the one it is made of, so a held one with less than half its life left is replaced
 * first; when that fails it will do.
 */
export async function exchangeOver(
  source: Grant,
  context: ExchangeContext,
  exchange: (accessToken: string) => Promise<TokenResponse>,
): Promise<TokenResponse> {
  const { accessToken } = await sourceToken(source, context);
  try {
    return await exchange(accessToken);
  } catch (error) {
    if (!isIamError(error) || !sourceRefused.test((error as TokenEndpointError).errorCode ?? "")) throw error;
    const replacement = await context.source(source, { rejected: accessToken });
    if (replacement.accessToken === accessToken) throw error;
    return exchange(replacement.accessToken);
  }
}

async function sourceToken(source: Grant, context: ExchangeContext) {
  try {
    const held = await context.source(source);
    const { expiresAt = Infinity, obtainedAt } = held;
    const minValidityMs = (expiresAt - obtainedAt) / 2;
    return minValidityMs < Infinity
      ? await context.source(source, { minValidityMs }).catch(() => held)
      : held;
  } catch (error) {
    // Read so that the manager remembers the refusal for this secret only, and sees when it changes.
    if (source.retry === "safe" && source.secret) await context.secret().catch(() => {});
    throw error;
  }
}

/** The identity of a grant as part of another's. */
export function identityWithin(part: string, { kind, identity }: Grant): Readonly<Record<string, string>> {
  const fields = Object.entries(identity()).map(([name, value]) => [`${part}.${name}`, value] as const);
  return { [part]: kind, ...Object.fromEntries(fields) };
}
