import type { Client } from "./clients.ts";
import { apiKeyGrant } from "./grant-api-key.ts";
import type { Call } from "./iam.ts";
import type { Identity } from "./identity.ts";
import type { TokenOrder } from "./tokens.ts";

/** What a grant decides: who the token is for. Everything else of the answer is the token endpoint's. */
interface Granted {
  readonly identity: Identity;
  /** Who has authenticated, when that is someone else. */
  readonly authn?: Identity;
  /** Overrides of the token, such as a shorter life. */
  readonly order?: Partial<TokenOrder>;
}

/** The request of a grant, in terms that grants care about. */
export interface GrantRequest {
  readonly call: Call;
  /** Undefined when the client did not authenticate itself. */
  readonly client: Client | undefined;
  /** A parameter that must be there; refuses with BXNIM0109E. */
  required(name: string): string;
  optional(name: string): string | undefined;
}

/** One grant: looks at the request and says for whom a token is issued, or throws an IamRefusal. */
export type Grant = (request: GrantRequest) => Granted | Promise<Granted>;

/** Every grant by its `grant_type`. */
export const grants: Readonly<Record<string, Grant>> = {
  "urn:ibm:params:oauth:grant-type:apikey": apiKeyGrant,
};
