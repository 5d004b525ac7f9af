import { type Advice, advised } from "./advice.ts";
import { isIamError, type TokenEndpointError } from "./errors.ts";
import type { ExchangeContext, Grant } from "./grant.ts";
import type { Token } from "./token.ts";
import { buildTokenRequest } from "./token-request.ts";

/** IAM's refusals of an access token that came as a parameter: malformed, expired or of the wrong kind, invalid, expired. */
const sourceRefused = /^BXNIM040[1578]E$/;

/**
 * The members of a grant that exchanges the access token of another grant. One that IAM refuses is replaced, once.
 *
 * Client, scope and the like belong to the other grant: nothing of them is sent here.
 */
export function overSource(
  source: Grant,
  form: (access_token: string) => Readonly<Record<string, string | undefined>>,
  advice: Advice,
): Pick<Grant, "secret" | "sharing" | "retry" | "exchange"> {
  return {
    ...(source.secret && { secret: source.secret }),
    ...(source.sharing && { sharing: source.sharing }),
    retry: "safe",
    async exchange(context) {
      const { tokenEndpoint } = context;
      const send = ({ accessToken }: Token) =>
        advised(advice, () => context.send(buildTokenRequest({ tokenEndpoint, form: form(accessToken) })));
      const token = await sourceToken(source, context);
      try {
        return await send(token);
      } catch (error) {
        if (!isIamError(error) || !sourceRefused.test((error as TokenEndpointError).errorCode ?? ""))
          throw error;
        const { accessToken: rejected } = token;
        const replacement = await context.source(source, { rejected });
        if (replacement.accessToken === rejected) throw error;
        return send(replacement);
      }
    },
  };
}

/**
 * A token of the other grant with at least half its life before it: what it is exchanged for lives no longer than it
 * does. When there is none to be had, the held one has to do.
 */
async function sourceToken(source: Grant, context: ExchangeContext): Promise<Token> {
  try {
    const held = await context.source(source);
    const { expiresAt = Infinity, obtainedAt } = held;
    const minValidityMs = (expiresAt - obtainedAt) / 2;
    if (minValidityMs === Infinity) return held;
    return await context.source(source, { minValidityMs }).catch(() => held);
  } catch (error) {
    // Tells the manager which secret was refused, so that it notices when that changes. One that is asked of a person is
    // left alone.
    if (source.secret && source.retry === "safe") await context.secret().catch(() => {});
    throw error;
  }
}

/** The identity of a grant as part of the identity of the grant that is built on it. */
export function identityWithin(part: string, grant: Grant): Readonly<Record<string, string>> {
  const fields = Object.entries(grant.identity()).map(([name, value]) => [`${part}.${name}`, value]);
  return { [part]: grant.kind, ...Object.fromEntries(fields) };
}
