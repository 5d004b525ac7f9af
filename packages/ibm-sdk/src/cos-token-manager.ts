import { conceal, IamError, isIamError, requireTokenManager, type Token, type TokenManager } from "@iam/core";

/** A token as the COS SDK wants to have it. */
export interface CosToken {
  /** The access token; nothing prints it. */
  readonly accessToken: string;
  readonly tokenType: "Bearer";
  /** When it expires; undefined when nobody knows. */
  readonly expiration: Date | undefined;
  /** Whether the token manager should be asked again. */
  isExpired(): boolean;
}

/** What the COS SDK calls when it is done. */
export type CosCallback = (error?: unknown, token?: CosToken) => void;

/** The token manager of `ibm-cos-sdk`, as much of it as the SDK uses. */
export interface CosTokenManager {
  /** The token while it is fresh. */
  readonly token: CosToken | undefined;
  /** The token that the last `refreshToken` gave, or a fresh one. */
  getToken(): CosToken;
  /**
   * Gets a token: the held one while it is good, unless `forceRenew` is true. With a callback errors go there, else the
   * promise rejects.
   */
  refreshToken(
    options?: unknown,
    forceRenew?: unknown,
    callback?: CosCallback,
  ): Promise<CosToken | undefined>;
}

/** Options of {@link cosTokenManager}. */
export interface CosTokenManagerOptions {
  /** From `createTokenManager`. */
  manager: TokenManager;
}

/**
 * A token manager for `ibm-cos-sdk` over one of this project: what its S3 client takes as the option `tokenManager`, which its
 * types do not know.
 *
 * It brings deadlines and the shared token. What answers a 401 is `iamCos`, which needs the client itself.
 *
 * Errors: `ERR_IAM_CONFIG` without a manager.
 * Source: https://github.com/IBM/ibm-cos-sdk-js/blob/master/lib/iam/token_manager.js
 *
 * @example
 * ```ts
 * import type { TokenManager } from "@iam/core";
 * import { cosTokenManager } from "@iam/ibm-sdk/cos";
 * // new S3({ endpoint, serviceInstanceId, ...tokens(manager) })
 * export const tokens = (manager: TokenManager) => ({ tokenManager: cosTokenManager({ manager }) });
 * ```
 */
export function cosTokenManager(options: CosTokenManagerOptions): CosTokenManager {
  const manager = requireTokenManager(options?.manager, "cosTokenManager");
  let last: CosToken | undefined;

  function held(): CosToken | undefined {
    const token = manager.peek();
    return token && cosTokenOf(token, manager);
  }

  async function renew(force: boolean): Promise<CosToken> {
    const rejected = force ? last?.accessToken : undefined;
    const token = await manager.getToken(rejected === undefined ? {} : { rejected });
    last = cosTokenOf(token, manager);
    return last;
  }

  return {
    get token() {
      return held();
    },
    getToken() {
      const token = held() ?? last;
      if (token !== undefined) return token;
      throw new IamError(
        "ERR_IAM_CONFIG",
        "cosTokenManager: there is no token yet. Call refreshToken first.",
      );
    },
    refreshToken(...args: readonly unknown[]) {
      // The SDK's own takes the callback at any place.
      const callback = args.find((each): each is CosCallback => typeof each === "function");
      const renewed = renew(args[1] === true);
      if (callback === undefined) return renewed;
      return renewed.then(
        (token) => {
          callback(null, token);
          return token;
        },
        (error: unknown) => {
          callback(forAws(error));
          return undefined;
        },
      );
    },
  };
}

function cosTokenOf({ accessToken, expiresAt }: Token, manager: TokenManager): CosToken {
  const expiration = expiresAt === undefined ? undefined : new Date(expiresAt);
  function isExpired(): boolean {
    return manager.peek()?.accessToken !== accessToken;
  }
  return conceal({ tokenType: "Bearer" as const, expiration, isExpired }, { accessToken });
}

/** A copy: the SDK writes its own words into the errors that it is given, and ours has other readers too. */
export function forAws(error: unknown): unknown {
  if (!isIamError(error)) return error;
  const { code, message, retryable } = error;
  return new IamError(code, message, { cause: error, retryable });
}
