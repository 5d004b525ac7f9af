import { type Advice, advised } from "./advice.ts";
import type { Grant } from "./grant.ts";
import { buildTokenRequest } from "./token-request.ts";

/** The exchange of a grant of IAM: one form made with the secret, sent by a client if there is one. */
export function formExchange(
  client: { clientId?: string | undefined; clientSecret?: (() => string | Promise<string>) | undefined },
  form: (secret: string) => Readonly<Record<string, string | undefined>>,
  advice: Advice,
): Grant["exchange"] {
  return ({ tokenEndpoint, secret, send }) =>
    advised(advice, async () =>
      send(
        buildTokenRequest({
          tokenEndpoint,
          form: form(await secret()),
          clientId: client.clientId,
          clientSecret: await client.clientSecret?.(),
        }),
      ),
    );
}
