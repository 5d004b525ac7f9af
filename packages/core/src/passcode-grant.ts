import { withAdvice } from "./advice.ts";
import { type ClientOptions, publicClient } from "./client-options.ts";
import { definedFields, type Grant } from "./grant.ts";
import { oneTimeSender } from "./one-time.ts";
import { requireText } from "./option-rules.ts";
import { type SecretSource, secretReader } from "./secret.ts";
import { buildTokenRequest } from "./token-request.ts";

/** Options of {@link passcodeGrant}. */
export interface PasscodeGrantOptions extends ClientOptions {
  /** The account that the token is for, 32 hexadecimal digits. Default: none; most services refuse a token without one. */
  account?: string | undefined;
}

const advice =
  "Get a new one from https://iam.cloud.ibm.com/identity/passcode; to stay logged in without one, put refreshTokenGrant around this grant.";

/**
 * The grant for a one-time passcode, for people who log in through their company.
 *
 * The passcode is sent one time, ever: a second exchange with the same one fails before anything is sent. Give a function
 * to be asked for a new one.
 *
 * Default: the client that everybody knows, `bx` with the secret `bx`; IAM wants one with this grant.
 * Errors: `ERR_IAM_CONFIG`, also for a passcode that has been sent before.
 * Source: the discovery document of IAM, `passcode_endpoint`.
 *
 * @example
 * ```ts
 * import { passcodeGrant, refreshTokenGrant } from "@iam/core";
 * const login = passcodeGrant("the-one-time-code", { account: "0123456789abcdef0123456789abcdef" });
 * export const session = refreshTokenGrant({ primary: login, clientId: "bx", clientSecret: "bx" });
 * ```
 */
export function passcodeGrant(passcode: SecretSource, options: PasscodeGrantOptions = {}): Grant {
  const { account } = options;
  const { clientId, clientSecret } = publicClient(options);
  requireText("passcodeGrant", options, { optional: ["account"] });
  const sendOnce = oneTimeSender<Awaited<ReturnType<Grant["exchange"]>>>("passcode", advice);
  return {
    kind: "passcode",
    identity: () => definedFields({ client_id: clientId, account }),
    secret: secretReader(passcode, "passcode"),
    retry: "once",
    async exchange({ tokenEndpoint, secret, send }) {
      const passcode = await secret();
      const request = buildTokenRequest({
        tokenEndpoint,
        form: { grant_type: "urn:ibm:params:oauth:grant-type:passcode", passcode, account },
        clientId,
        clientSecret: await clientSecret(),
      });
      try {
        return await sendOnce(passcode, () => send(request));
      } catch (error) {
        throw withAdvice(error, `A passcode is good for one time and a few minutes. ${advice}`);
      }
    },
  };
}
