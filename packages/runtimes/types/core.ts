// What must compile and what must not, with the packed types: an error that is expected and does not come is one itself.
import {
  apiKeyGrant,
  createTokenManager,
  type Grant,
  isIamError,
  type Token,
  TokenEndpointError,
  type TokenManager,
  type TokenManagerEvent,
} from "@iam/core";

const manager: TokenManager = createTokenManager({ grant: apiKeyGrant("key") });
const unset: string | undefined = undefined;
createTokenManager({ grant: apiKeyGrant(unset), tokenEndpoint: undefined, onEvent: undefined });
createTokenManager({ grant: apiKeyGrant(async () => "key"), tokenEndpoint: new URL("https://iam.test") });
// @ts-expect-error: a grant is needed
createTokenManager({});
// @ts-expect-error: a grant is not a key
createTokenManager({ grant: "key" });
// @ts-expect-error: durations are numbers
createTokenManager({ grant: apiKeyGrant("key"), deadlineMs: "9s" });
// @ts-expect-error: an option that does not exist
createTokenManager({ grant: apiKeyGrant("key"), timeout: 1 });
// @ts-expect-error: a key is a string or a function that gives one
apiKeyGrant(42);

const token: Token = await manager.getToken({ signal: AbortSignal.timeout(1000), minValidityMs: 5 });
const accessToken: string = token.accessToken;
const tokenType: "Bearer" = token.tokenType;
// @ts-expect-error: unknown when the server gave no lifetime
const expiresAt: number = token.expiresAt;
// @ts-expect-error: tokens do not change
token.accessToken = "another";
const held: Token | undefined = manager.peek();
await manager.getToken({ rejected: token, origin: "https://api.test" });
await manager.getToken({ rejected: accessToken });
// @ts-expect-error: a rejected token is a token or its value
await manager.getToken({ rejected: 1 });

export function told(event: TokenManagerEvent): string {
  switch (event.type) {
    case "exchange_failed":
      return event.error.code;
    case "token_rejected":
      return event.outcome;
    case "store_failed":
      return event.problem;
    default:
      return event.reason;
  }
}

export function status(error: unknown): number | undefined {
  if (error instanceof TokenEndpointError) return error.status;
  // @ts-expect-error: not every error has one
  if (isIamError(error)) return error.status;
  return undefined;
}

export const grant: Grant = {
  kind: "mine",
  identity: () => ({}),
  retry: "safe",
  exchange: async ({ send, tokenEndpoint }) => send({ method: "POST", url: tokenEndpoint, headers: {} }),
};

export { accessToken, expiresAt, held, tokenType };
