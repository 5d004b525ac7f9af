import { type ClientOptions, givenOrPublicClient } from "./client-options.ts";
import { formExchange } from "./form-exchange.ts";
import { definedFields, type Grant } from "./grant.ts";
import { oneTime } from "./one-time.ts";
import { requireOptions, requireText } from "./option-rules.ts";
import { type SecretSource, secretReader } from "./secret.ts";

/** Options of {@link passcodeGrant}. Default client: `bx` with the secret `bx`, the public one of IBM's command line. */
export interface PasscodeGrantOptions extends ClientOptions {
  /** The account that the token is for, 32 hexadecimal digits. Default: none; most services refuse a token without one. */
  account?: string | undefined;
}

/**
 * The grant for a one-time passcode, for people who log in through their company.
 *
 * A passcode is sent one time, ever; only one that surely never arrived is sent again. So a token lasts an hour, and then
 * the function that gives the passcode is asked for another one. With `refreshTokenGrant` around it the session goes on.
 *
 * Errors: `ERR_IAM_CONFIG`, also for a passcode that has been sent before.
 * Source: the `passcode_endpoint` of https://iam.cloud.ibm.com/identity/.well-known/openid-configuration
 *
 * @example
 * ```ts
 * import { passcodeGrant, refreshTokenGrant } from "@iam/core";
 * const login = (passcode: string) => passcodeGrant(passcode, { account: "0123456789abcdef0123456789abcdef" });
 * export const session = (passcode: string) =>
 *   refreshTokenGrant({ primary: login(passcode), clientId: "bx", clientSecret: "bx" });
 * ```
 */
export function passcodeGrant(passcode: SecretSource, options: PasscodeGrantOptions = {}): Grant {
  requireOptions("passcodeGrant", options);
  const { account } = options;
  const client = givenOrPublicClient(options);
  requireText("passcodeGrant", options, { optional: ["account"] });
  const exchange = formExchange(
    client,
    (passcode) => ({ grant_type: "urn:ibm:params:oauth:grant-type:passcode", passcode, account }),
    {
      refused: `check the account and the client, and get a new passcode at ${where}`,
      BXNIM0602E: `the passcode is wrong, has been used or has expired; get a new one at ${where}`,
    },
  );
  return {
    kind: "passcode",
    identity: () => definedFields({ client_id: client.clientId, account }),
    ...oneTime("passcode", `Get a new one at ${where}.`, secretReader(passcode, "passcode"), exchange),
  };
}

const where = "https://iam.cloud.ibm.com/identity/passcode";
