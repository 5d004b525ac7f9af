import { authorizedFetch, type OriginOptions, type TokenManager, type WaitUntil } from "@iam/core";

/** Options of {@link iamFetch}. */
export interface IamFetchOptions extends OriginOptions {
  /** From `createTokenManager`. */
  manager: TokenManager;
  /** The fetch to send with. Default: `globalThis.fetch`, looked up for each request, so that patches apply. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Whether a request that was answered 401 may be sent once more with another token. Default: true. */
  replay?: boolean | undefined;
  /** Keeps the runtime awake for a refresh in the background, such as `ctx.waitUntil` on Workers. */
  waitUntil?: WaitUntil | undefined;
}

/**
 * A `fetch` that attaches a bearer token to requests to the allowed origins, and replaces it when it expires or is refused.
 *
 * Errors: `ERR_IAM_CONFIG` for options that cannot work. The function it makes fails with `ERR_IAM_ORIGIN_NOT_ALLOWED` for
 * other origins, with what `manager.getToken` fails with, and with the errors of the fetch below. A final 401 is an ordinary
 * response.
 * Source: RFC 6750 section 2.1.
 *
 * @example
 * ```ts
 * import { apiKeyGrant, createTokenManager } from "@iam/core";
 * import { iamFetch } from "@iam/fetch";
 * const manager = createTokenManager({ grant: apiKeyGrant("the-api-key") });
 * const fetch = iamFetch({ manager });
 * export const resources = () => fetch("https://resource-controller.cloud.ibm.com/v2/resource_instances");
 * ```
 */
export function iamFetch(options: IamFetchOptions): typeof globalThis.fetch {
  return authorizedFetch({ ...options, name: "iamFetch" });
}
