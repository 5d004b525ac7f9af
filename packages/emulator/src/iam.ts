import type { ApiKeys } from "./api-keys.ts";
import type { ServeOptions } from "./apply-fault.ts";
import type { Client } from "./clients.ts";
import type { EmulatorClock } from "./clock.ts";
import type { Directory } from "./directory.ts";
import type { MetadataOptions } from "./metadata.ts";
import type { RefreshTokens } from "./refresh-tokens.ts";
import type { SigningKeys } from "./signing-keys.ts";
import type { TokenOrder, Tokens, Verdict } from "./tokens.ts";

/** What can be changed while the emulator runs. */
export interface Settings {
  /** The lifetime of access tokens in seconds. */
  readonly expiresInS: number;
  /** Whether the account is valid: the `account.valid` claim, and what resources think of every token. */
  readonly accountValid: boolean;
}

/** The state behind every endpoint of one emulator. */
export interface Iam {
  readonly clock: EmulatorClock;
  readonly keys: SigningKeys;
  readonly tokens: Tokens;
  readonly apiKeys: ApiKeys;
  readonly clients: readonly Client[];
  readonly directory: Directory;
  readonly refreshTokens: RefreshTokens;
  readonly metadata: MetadataOptions;
  readonly accountId: string;
  readonly instanceId: string;
  settings: Settings;
  /** The `iss` claim of tokens that are issued at that origin. */
  issuer(origin: string): string;
  /** The `token_endpoint` that discovery names at that origin. */
  tokenEndpoint(origin: string): string;
}

/** What the emulator thinks of a token at this moment. */
export function judge(iam: Iam, token: string): Promise<Verdict> {
  return iam.tokens.verify(token, iam.clock.now());
}

/** One request to an endpoint of IAM, read and ready to be answered. */
export interface Call {
  readonly iam: Iam;
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  /** The parameters of query and form together; the form wins. */
  readonly fields: URLSearchParams;
  readonly body: { readonly bytes: Uint8Array; readonly length: number };
  readonly transactionId: string;
  /** The time of the answer, skew included; epoch milliseconds. */
  readonly now: number;
  readonly token: NonNullable<ServeOptions["token"]>;
  readonly signal: AbortSignal;
  /** To be called when a token has been granted. */
  granted(): void;
  /** To be called when a service that is not IAM refuses; IAM's refusals are thrown. */
  refused(errorCode: string): void;
}

/** The part of a token order that is the same for every grant. */
export function baseOrder(call: Call): Pick<TokenOrder, "account" | "issuer" | "issuedAt" | "lifetimeS"> {
  const { iam, now, url } = call;
  const { expiresInS, accountValid } = iam.settings;
  return {
    account: { id: iam.accountId, valid: accountValid },
    issuer: iam.issuer(url.origin),
    issuedAt: now,
    lifetimeS: expiresInS,
  };
}
