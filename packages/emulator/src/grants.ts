import type { Client } from "./clients.ts";
import { apiKeyGrant } from "./grant-api-key.ts";
import { crTokenGrant } from "./grant-cr-token.ts";
import { assumeGrant, deriveGrant, iamAuthzGrant } from "./grant-exchange.ts";
import { passcodeGrant, passwordGrant } from "./grant-login.ts";
import { delegatedRefreshTokenGrant, refreshTokenGrant } from "./grant-refresh-token.ts";
import type { Call } from "./iam.ts";
import type { Identity } from "./identity.ts";
import type { TokenOrder } from "./tokens.ts";

/** What a grant decides: who the token is for. Everything else of the answer is the token endpoint's. */
interface Granted {
  readonly identity: Identity;
  /** Overrides of the token, such as a shorter life. */
  readonly order?: Partial<TokenOrder>;
  /** Whether a client that has authenticated itself also gets a refresh token. Default: true. */
  readonly refreshable?: boolean;
  /** The session that a person has opened; refresh tokens die with it. */
  readonly sessionId?: string | undefined;
}

/** The request of a grant, in terms that grants care about. */
export interface GrantRequest {
  readonly call: Call;
  /** Undefined when the client did not authenticate itself. */
  readonly client: Client | undefined;
  /** The client; refuses with BXNIM0308E when it did not authenticate itself. */
  requiredClient(): Client;
  /** A parameter that must be there; refuses with BXNIM0109E. */
  required(name: string): string;
  optional(name: string): string | undefined;
}

/** One grant: looks at the request and says for whom a token is issued, or throws an IamRefusal. */
export type Grant = (request: GrantRequest) => Granted | Promise<Granted>;

/** Every grant by its `grant_type`. */
export const grants: Readonly<Record<string, Grant>> = {
  "urn:ibm:params:oauth:grant-type:apikey": apiKeyGrant,
  refresh_token: refreshTokenGrant,
  "urn:ibm:params:oauth:grant-type:delegated-refresh-token": delegatedRefreshTokenGrant,
  password: passwordGrant,
  "urn:ibm:params:oauth:grant-type:passcode": passcodeGrant,
  "urn:ibm:params:oauth:grant-type:derive": deriveGrant,
  "urn:ibm:params:oauth:grant-type:assume": assumeGrant,
  "urn:ibm:params:oauth:grant-type:cr-token": crTokenGrant,
  "urn:ibm:params:oauth:grant-type:iam-authz": iamAuthzGrant,
};
