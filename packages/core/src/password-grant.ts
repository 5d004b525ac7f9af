import { withAdvice } from "./advice.ts";
import { type ClientOptions, publicClient } from "./client-options.ts";
import { definedFields, type Grant } from "./grant.ts";
import { requireText } from "./option-rules.ts";
import { type SecretSource, secretReader } from "./secret.ts";
import { buildTokenRequest } from "./token-request.ts";

/** Options of {@link passwordGrant}. */
export interface PasswordGrantOptions extends ClientOptions {
  /** The IBMid, an e-mail address. Those of companies with a login of their own need a passcode or an API key. */
  username: string | undefined;
  /** The password. */
  password: SecretSource;
  /** The account that the token is for, 32 hexadecimal digits. Default: none; most services refuse a token without one. */
  account?: string | undefined;
  /** The classic infrastructure account, as `ims_account`. Default: none. */
  imsAccount?: string | undefined;
}

/**
 * The grant for a user name and a password (RFC 6749 section 4.3). An API key is the better choice wherever there is one.
 *
 * Default: the client that everybody knows, `bx` with the secret `bx`; IAM wants one with this grant.
 * Errors: `ERR_IAM_CONFIG`.
 * Source: https://cloud.ibm.com/apidocs/iam-identity-token-api
 *
 * @example
 * ```ts
 * import { passwordGrant } from "@iam/core";
 * export const grant = (password: string) =>
 *   passwordGrant({ username: "ada@example.com", password, account: "0123456789abcdef0123456789abcdef" });
 * ```
 */
export function passwordGrant(options: PasswordGrantOptions): Grant {
  const { username, account, imsAccount } = options;
  const { clientId, clientSecret } = publicClient(options);
  requireText("passwordGrant", options, { required: ["username"], optional: ["account", "imsAccount"] });
  return {
    kind: "password",
    identity: () => definedFields({ client_id: clientId, username, account, ims_account: imsAccount }),
    secret: secretReader(options.password, "password"),
    retry: "safe",
    async exchange({ tokenEndpoint, secret, send }) {
      const request = buildTokenRequest({
        tokenEndpoint,
        form: {
          grant_type: "password",
          username,
          password: await secret(),
          account,
          ims_account: imsAccount,
        },
        clientId,
        clientSecret: await clientSecret(),
      });
      try {
        return await send(request);
      } catch (error) {
        throw withAdvice(
          error,
          "Federated users cannot log in with a password: use an API key or a passcode.",
        );
      }
    },
  };
}
