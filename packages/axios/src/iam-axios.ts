import {
  IamError,
  isReplayableBody,
  type OriginOptions,
  originRules,
  requireTokenManager,
  sendAuthorized,
  type TokenManager,
  type WaitUntil,
} from "@iam/core";
import axios, {
  type AxiosAdapter,
  type AxiosInstance,
  type AxiosResponse,
  type InternalAxiosRequestConfig,
} from "axios";
import { cancellationOf } from "./cancellation.ts";
import { finalUrl } from "./final-url.ts";
import { defaultAdapter, innerSendOf } from "./inner-send.ts";
import { trailOf } from "./redirects.ts";
import { cleanError, cleanResponse } from "./without-token.ts";

/** Options of one request, in the `iam` field of its config. */
export interface IamAxiosRequestOptions {
  /** Whether this request may be sent once more after a 401. Default: that of {@link iamAxios}. */
  replay?: boolean | undefined;
  /** Keeps the runtime awake for a refresh that this request begins in the background. Default: that of {@link iamAxios}. */
  waitUntil?: WaitUntil | undefined;
}

declare module "axios" {
  // Without type parameters: their number differs between versions, and all of them have defaults.
  interface AxiosRequestConfig {
    /** What `@iam/axios` does with this request; false: nothing, it is sent as if there were no interceptor. */
    iam?: IamAxiosRequestOptions | false | undefined;
  }
}

/** Options of {@link iamAxios}. */
export interface IamAxiosOptions extends OriginOptions {
  /** From `createTokenManager`. */
  manager: TokenManager;
  /** Whether a request that was answered 401 may be sent once more with another token. Default: true. */
  replay?: boolean | undefined;
  /** Keeps the runtime awake for a refresh in the background, such as `ctx.waitUntil` on Workers. */
  waitUntil?: WaitUntil | undefined;
}

/** A registration on an instance. */
export interface IamAxiosHandle {
  /** The id that `instance.interceptors.request` knows it by. */
  readonly requestInterceptor: number;
  /** Takes the interceptor out again. Requests that are on their way keep it. */
  eject(): void;
}

/** What came of one send; a status that axios made an error of is an answer all the same. */
interface Outcome {
  readonly response: AxiosResponse;
  readonly error?: unknown;
  /** The answer is from the origin that the token was sent to, with the token on it. */
  readonly home: boolean;
}

const registered = new WeakSet<AxiosInstance>();
/** By our own adapters: the ones below. */
const wrapped = new WeakMap<AxiosAdapter, typeof defaultAdapter>();

/**
 * Registers an interceptor on an axios instance that attaches a bearer token to requests to the allowed origins, and
 * replaces it when it expires or is refused.
 *
 * It wraps the adapter of each request, so that a retry by another interceptor gets a current token, and a replay after a
 * 401 runs no interceptor twice.
 *
 * Errors: `ERR_IAM_CONFIG` for options that cannot work, for what is not an instance of axios 1.7 or later, and for an
 * instance that has one already. Requests fail with `ERR_IAM_ORIGIN_NOT_ALLOWED` for other origins, with what
 * `manager.getToken` fails with, and with axios' own errors. A final 401 is an ordinary one.
 * Source: RFC 6750 section 2.1.
 *
 * @example
 * ```ts
 * import { apiKeyGrant, createTokenManager } from "@iam/core";
 * import { iamAxios } from "@iam/axios";
 * import axios from "axios";
 * const client = axios.create({ baseURL: "https://resource-controller.cloud.ibm.com" });
 * iamAxios(client, { manager: createTokenManager({ grant: apiKeyGrant("the-api-key") }) });
 * export const resources = () => client.get("/v2/resource_instances");
 * ```
 */
export function iamAxios(instance: AxiosInstance, options: IamAxiosOptions): IamAxiosHandle {
  requireAxios(instance);
  const { replay = true, waitUntil, otherOrigins } = options ?? {};
  const manager = requireTokenManager(options?.manager, "iamAxios");
  const origins = originRules(options);
  const innerSend = innerSendOf(instance);

  function authorizing(adapter: typeof defaultAdapter): AxiosAdapter {
    const inner = innerSend(adapter);
    return async (config) => {
      // Whoever keeps this config and sends it again comes by the interceptor again.
      config.adapter = adapter;
      const { iam, headers, data } = config;
      const hasAuthorization = headers.has("authorization") || Boolean(config.auth);
      if (iam === false || (config.socketPath && (hasAuthorization || otherOrigins === "pass"))) {
        return inner(config);
      }
      if (config.socketPath) throw socketRefused();
      const { signal, end } = cancellationOf(config);
      try {
        const outcome = await sendAuthorized<Outcome>({
          manager,
          origins,
          url: finalUrl(config),
          hasAuthorization,
          replayable: (iam?.replay ?? replay) && isReplayableBody(data),
          signal,
          waitUntil: iam?.waitUntil ?? waitUntil,
          send: (token, url) =>
            token === undefined
              ? inner(config).then((response) => ({ response, home: false }))
              : sendOnce(`Bearer ${token.accessToken}`, url, inner, config),
          isUnauthorized: ({ response, home }) => response.status === 401 && home,
          discard: ({ response }) => discard(response.data),
        });
        if ("error" in outcome) throw outcome.error;
        return outcome.response;
      } finally {
        end();
      }
    };
  }

  /** Sends a copy of the config that nobody else sees. */
  async function sendOnce(
    authorization: string,
    url: URL,
    inner: AxiosAdapter,
    config: InternalAxiosRequestConfig,
  ): Promise<Outcome> {
    const trail = trailOf(authorization, url, origins, config.beforeRedirect);
    const isHome = ({ request }: AxiosResponse) => {
      const at: unknown = request?.responseURL;
      return trail.home && (typeof at !== "string" || !URL.canParse(at) || new URL(at).origin === url.origin);
    };
    const copy: InternalAxiosRequestConfig = {
      ...config,
      url: url.href,
      baseURL: "",
      headers: config.headers.concat({ Authorization: authorization }) as typeof config.headers,
      beforeRedirect: trail.beforeRedirect,
    };
    try {
      const response = await inner(copy);
      const home = isHome(response);
      cleanResponse(response, config);
      return { response, home };
    } catch (error) {
      const { response } = error as { response?: AxiosResponse };
      const home = response !== undefined && isHome(response);
      cleanError(error, config);
      if (response === undefined) throw error;
      return { response, error, home };
    }
  }

  const { request } = instance.interceptors;
  const requestInterceptor = request.use(
    (config) => {
      const { adapter = defaultAdapter } = config;
      const below = (typeof adapter === "function" && wrapped.get(adapter)) || adapter;
      const ours = authorizing(below);
      wrapped.set(ours, below);
      config.adapter = ours;
      return config;
    },
    null,
    { synchronous: true },
  );
  registered.add(instance);
  return {
    requestInterceptor,
    eject() {
      request.eject(requestInterceptor);
      registered.delete(instance);
    },
  };
}

/** An instance that was made by another copy of axios does not tell its version; then that of the peer must do. */
function requireAxios(instance: AxiosInstance): void {
  if (typeof instance?.interceptors?.request?.use !== "function") {
    throw configError("needs an axios instance, such as axios.create(), and this has no interceptors.");
  }
  for (const version of [axios.VERSION, (instance as { VERSION?: unknown }).VERSION]) {
    if (version !== undefined && !/^1\.([7-9]|\d\d+)\./.test(String(version))) {
      throw configError(`(@iam/axios) needs axios >=1.7 <2, and this is axios ${version}.`);
    }
  }
  if (registered.has(instance)) {
    throw configError(
      "is registered on this instance already. Call eject() of the first registration before.",
    );
  }
}

function configError(problem: string): IamError {
  return new IamError("ERR_IAM_CONFIG", `iamAxios ${problem}`);
}

function socketRefused(): IamError {
  return new IamError(
    "ERR_IAM_ORIGIN_NOT_ALLOWED",
    "The request goes to a socket (socketPath), whatever its URL says, so it may not have the token. If it should go " +
      'without one, set iam: false on it, or otherOrigins: "pass".',
  );
}

/** Frees what a refused answer holds; only a stream holds anything. */
function discard(body: unknown): void | Promise<void> {
  const stream = body as { destroy?: () => void; cancel?: () => Promise<void> } | null | undefined;
  if (typeof stream?.destroy === "function") stream.destroy();
  else if (typeof stream?.cancel === "function") return stream.cancel().catch(() => {});
}
