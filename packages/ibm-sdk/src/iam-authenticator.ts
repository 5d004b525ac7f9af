import {
  ibmOrigins,
  type OriginOptions,
  originRules,
  requireTokenManager,
  type TokenManager,
} from "@iam/core";
import type { AxiosRequestConfig } from "axios";
import { type Carrier, createCarrier } from "./carrier.ts";

/** Options of {@link iamAuthenticator}. */
export interface IamAuthenticatorOptions extends OriginOptions {
  /** From `createTokenManager`. */
  manager: TokenManager;
  /**
   * Exact origins, or subdomains of a suffix. Default: `https://*.cloud.ibm.com`, and the service's own URL, because that is
   * where the SDK is told to send its requests.
   */
  origins?: readonly string[] | undefined;
  /** Whether a request that was answered 401 may be sent once more. Default: true. */
  replay?: boolean | undefined;
  /** What `authenticationType()` gives. Default: `"iam"`. */
  authenticationType?: string | undefined;
}

/** What the SDK gives an authenticator: the defaults of one request. */
export interface AuthenticateOptions {
  /** Headers by name, in any case. */
  headers?: object | undefined;
  /** The settings of the service and of the request. */
  [name: string]: unknown;
}

type Inner = AxiosRequestConfig["adapter"] | undefined;

/** As much of them as is used here. */
interface RequestOptions extends AuthenticateOptions {
  serviceUrl?: string;
  adapter?: Inner;
  axiosOptions?: { signal?: AbortSignal; adapter?: Inner };
}

/** An authenticator, as the services of `ibm-cloud-sdk-core` take it. */
export interface IamAuthenticator {
  /** Puts a token on a request. Errors: what `getToken` fails with; `ERR_IAM_ORIGIN_NOT_ALLOWED`. */
  authenticate(requestOptions: AuthenticateOptions): Promise<void>;
  /** The type of authentication. */
  authenticationType(): string;
}

/** As many services as one process talks to; what is forgotten is made again. */
const maxCarriers = 100;

/**
 * An authenticator for IBM's SDKs (`@ibm-cloud/*`, `ibm-watson` and whatever stands on `ibm-cloud-sdk-core`) over a token
 * manager: one token for all services, deadlines, and 401s that replace the token and repeat the request.
 *
 * `authenticate` also chooses what the SDK sends the request with: an axios instance with `iamAxios` on it. So each retry of
 * the SDK gets a current token, and none goes to another origin.
 *
 * Errors: `ERR_IAM_CONFIG` for options that cannot work.
 * Source: https://github.com/IBM/node-sdk-core/blob/main/auth/authenticators/authenticator-interface.ts
 *
 * @example
 * ```ts
 * import { apiKeyGrant, createTokenManager } from "@iam/core";
 * import { iamAuthenticator } from "@iam/ibm-sdk";
 * const manager = createTokenManager({ grant: apiKeyGrant("the-api-key") });
 * // new CloudantV1({ authenticator, serviceUrl })
 * export const authenticator = iamAuthenticator({ manager });
 * ```
 */
export function iamAuthenticator(options: IamAuthenticatorOptions): IamAuthenticator {
  const { origins, otherOrigins, replay, authenticationType = "iam" } = options ?? {};
  const manager = requireTokenManager(options?.manager, "iamAuthenticator");
  // What was put on requests here: the same options may come a second time, for a current token.
  const ours = new WeakSet<object>();
  const inners = new WeakMap<object, Inner>();
  const carriers = new Map<string, Carrier>();
  // Refuses at once what cannot work.
  const shared = createCarrier({ manager, origins, otherOrigins, replay });

  function carrierFor(serviceOrigin: string | undefined): Carrier {
    if (origins !== undefined || serviceOrigin === undefined) return shared;
    const known = carriers.get(serviceOrigin);
    if (known !== undefined) return known;
    const allowed = [...ibmOrigins.cloud, serviceOrigin];
    const carrier = createCarrier({ manager, origins: allowed, otherOrigins, replay });
    const [oldest] = carriers.keys();
    if (carriers.size >= maxCarriers && oldest !== undefined) carriers.delete(oldest);
    carriers.set(serviceOrigin, carrier);
    return carrier;
  }

  async function authenticate(requestOptions: RequestOptions): Promise<void> {
    const { headers = {}, serviceUrl, axiosOptions } = requestOptions;
    if (hasAuthorization(headers) && !ours.has(headers)) return;
    const carrier = carrierFor(secureOrigin(serviceUrl));
    // The SDK hides the reason of what fails later.
    if (serviceUrl && !carrier.judge(serviceUrl).allowed) return;
    const { accessToken } = manager.peek() ?? (await manager.getToken({ signal: axiosOptions?.signal }));
    const authorization = `Bearer ${accessToken}`;
    requestOptions.headers = { ...headers, Authorization: authorization };
    ours.add(requestOptions.headers);
    const chosen = axiosOptions?.adapter ?? requestOptions.adapter;
    const inner = typeof chosen === "function" && inners.has(chosen) ? inners.get(chosen) : chosen;
    const adapter = carrier.adapterOver(inner, authorization);
    inners.set(adapter, inner);
    requestOptions.axiosOptions = { ...axiosOptions, adapter };
  }

  return { authenticate, authenticationType: () => authenticationType };
}

function hasAuthorization(headers: object): boolean {
  return Object.keys(headers).some((name) => name.toLowerCase() === "authorization");
}

/** The origin of the service's URL, when a token may go there at all. */
function secureOrigin(serviceUrl: unknown): string | undefined {
  if (typeof serviceUrl !== "string" || !URL.canParse(serviceUrl)) return undefined;
  const { origin } = new URL(serviceUrl);
  try {
    originRules({ origins: [origin] });
    return origin;
  } catch {
    return undefined;
  }
}
