import { type ClientOptions, givenOrPublicClient } from "./client-options.ts";
import { formExchange } from "./form-exchange.ts";
import { definedFields, type Grant } from "./grant.ts";
import { requireOptions, requireText } from "./option-rules.ts";
import { controlCharacter, type SecretSource, secretReader } from "./secret.ts";

/** Options of {@link passwordGrant}. Default client: `bx` with the secret `bx`, the public one of IBM's command line. */
export interface PasswordGrantOptions extends ClientOptions {
  /** The IBMid, an e-mail address. Those of companies with a login of their own need a passcode or an API key. */
  username: string | undefined;
  /** The password. */
  password: SecretSource;
  /** The account that the token is for, 32 hexadecimal digits. Default: none; most services refuse a token without one. */
  account?: string | undefined;
  /** The account of the classic infrastructure, sent as `ims_account`. Default: none. */
  imsAccount?: string | undefined;
}

/**
 * The grant for a user name and a password (RFC 6749 section 4.3). An API key is the better choice wherever there is one.
 *
 * Errors: `ERR_IAM_CONFIG`.
 * Source: https://cloud.ibm.com/apidocs/iam-identity-token-api#gettoken-password
 *
 * @example
 * ```ts
 * import { passwordGrant } from "@iam/core";
 * export const grant = (password: string) =>
 *   passwordGrant({ username: "ada@example.com", password, account: "0123456789abcdef0123456789abcdef" });
 * ```
 */
export function passwordGrant(options: PasswordGrantOptions): Grant {
  requireOptions("passwordGrant", options);
  const { username, account, imsAccount: ims_account } = options;
  const client = givenOrPublicClient(options);
  requireText("passwordGrant", options, { required: ["username"], optional: ["account", "imsAccount"] });
  return {
    kind: "password",
    identity: () => definedFields({ client_id: client.clientId, username, account, ims_account }),
    secret: secretReader(options.password, "password", controlCharacter),
    retry: "safe",
    exchange: formExchange(
      client,
      (password) => ({ grant_type: "password", username, password, account, ims_account }),
      {
        BXNIM0602E: "the user name or the password is wrong",
        BXNIM0608E:
          "users of a company with a login of its own cannot use a password here; use an API key or a passcode",
      },
    ),
  };
}
