import {
  IamError,
  isReplayableBody,
  type OriginOptions,
  originRules,
  requireTokenManager,
  sendAuthorized,
  type Token,
  type TokenManager,
  type WaitUntil,
} from "@iam/core";
import axios, {
  type AxiosAdapter,
  type AxiosInstance,
  type AxiosRequestHeaders,
  type AxiosResponse,
  type InternalAxiosRequestConfig,
} from "axios";
import { finalUrl } from "./final-url.ts";
import { type AdapterChoice, defaultAdapter, innerSendOf } from "./inner-send.ts";
import { trailOf } from "./redirects.ts";
import { hideAgents, withoutToken } from "./without-token.ts";

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
  readonly failed?: { readonly error: unknown } | undefined;
  /** The answer is from the origin that the token was sent to, with the token on it. */
  readonly home: boolean;
}

/** A cancel token as axios makes it; its types leave out what takes a listener. */
interface Cancelling {
  subscribe(listener: () => void): void;
  unsubscribe(listener: () => void): void;
}

/** On our own adapters: the one below. A WeakMap would cost a microsecond for each request. */
const below = Symbol("@iam/axios");

interface Wrapper extends AxiosAdapter {
  readonly [below]: AdapterChoice;
}

/**
 * Registers an interceptor on an axios instance that attaches a bearer token to requests to the allowed origins, and
 * replaces it when it expires or is refused.
 *
 * It wraps the adapter of each request, so that a retry by another interceptor gets a current token, and a replay after a
 * 401 runs no interceptor twice.
 *
 * Registered twice on one instance, only the one that runs last acts.
 *
 * Errors: `ERR_IAM_CONFIG` for options that cannot work, and for what is not an instance of axios 1.7 or later. Requests
 * fail with `ERR_IAM_ORIGIN_NOT_ALLOWED` for other origins, with what `manager.getToken` fails with, and with axios' own
 * errors. A final 401 is an ordinary one.
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
  const { replay = true, waitUntil } = options ?? {};
  requireAxios(instance);
  const manager = requireTokenManager(options?.manager, "iamAxios");
  const origins = originRules(options);
  const innerSend = innerSendOf(instance);
  let wrapper: Wrapper | undefined;
  // A header of a kilobyte, which would be put together anew for each request.
  let held: Token | undefined;
  let authorization = "";

  function authorizing(adapter: AdapterChoice): Wrapper {
    const inner = innerSend(adapter);
    const send: AxiosAdapter = async (config) => {
      // Whoever keeps this config and sends it again comes by the interceptor again.
      config.adapter = adapter;
      const { iam } = config;
      if (iam === false) return inner(config);
      hideAgents(config);
      if (config.auth || config.headers.has("authorization")) return given(await sendOnce(inner, config));
      const { signal, end } = cancellationOf(config);
      try {
        const outcome = await sendAuthorized<Outcome>({
          manager,
          origins,
          // A socket is not the origin that the URL names, and nothing allows it.
          url: config.socketPath ? "unix:socketPath" : finalUrl(config),
          hasAuthorization: false,
          replayable: (iam?.replay ?? replay) && isReplayableBody(config.data),
          signal,
          waitUntil: iam?.waitUntil ?? waitUntil,
          send: (token, url) => sendOnce(inner, config, url, token),
          isUnauthorized: ({ response, home }) => response.status === 401 && home,
          discard: ({ response }) => discard(response.data),
        });
        return given(outcome);
      } finally {
        end?.();
      }
    };
    return Object.assign(send, { [below]: adapter });
  }

  /** Sends the config as it is, or a copy with the token that nobody else sees. */
  async function sendOnce(
    inner: AxiosAdapter,
    config: InternalAxiosRequestConfig,
    url?: URL,
    token?: Token,
  ): Promise<Outcome> {
    const copy = copyOf(config);
    let trail: { home: boolean } = { home: false };
    if (url !== undefined && token !== undefined) {
      if (token !== held) {
        held = token;
        authorization = `Bearer ${token.accessToken}`;
      }
      const watched = trailOf(authorization, url, origins, config.beforeRedirect);
      copy.url = url.href;
      copy.baseURL = "";
      copy.headers = headersWith(config.headers, authorization);
      copy.beforeRedirect = watched.beforeRedirect;
      trail = watched;
    }
    let response: AxiosResponse | undefined;
    let failed: Outcome["failed"];
    try {
      response = await inner(copy);
    } catch (error) {
      failed = { error };
      response = (error as { response?: AxiosResponse } | undefined)?.response;
    }
    // An XMLHttpRequest tells where it has been led.
    const led = response?.request?.responseURL;
    // Also when it had none: its agent knows the requests of others.
    withoutToken(failed ? failed.error : response, config);
    if (!response) throw failed?.error;
    return { response, failed, home: trail.home && (!led || `${led}`.startsWith(`${url?.origin}/`)) };
  }

  const { request } = instance.interceptors;
  const requestInterceptor = request.use(
    (config) => {
      const { adapter = defaultAdapter } = config;
      // Registered twice is once: the innermost of two wrappers is the one that stays.
      const choice = (adapter as Partial<Wrapper>)[below] ?? adapter;
      if (wrapper === undefined || !isSame(wrapper[below], choice)) wrapper = authorizing(choice);
      config.adapter = wrapper;
      return config;
    },
    null,
    { synchronous: true },
  );
  return { requestInterceptor, eject: () => request.eject(requestInterceptor) };
}

/**
 * An instance that was made with `create` does not tell its version; then that of the peer must do. It may be of another copy
 * of axios: one before 1 has no Blob among its classes, and none of the headers that we need.
 */
function requireAxios(instance: AxiosInstance & { readonly VERSION?: string }): void {
  const isBeforeOne = instance?.defaults?.env !== undefined && !("Blob" in instance.defaults.env);
  const version = instance?.VERSION ?? (isBeforeOne ? "0.x" : axios.VERSION);
  const problem = !instance?.interceptors?.request
    ? "what it was given has no interceptors"
    : !/^1\.([7-9]|\d\d+)\./.test(version) && `this is axios ${version}`;
  if (problem) {
    throw new IamError(
      "ERR_IAM_CONFIG",
      `iamAxios (@iam/axios) needs an instance of axios >=1.7 <2: ${problem}.`,
    );
  }
}

/** What the caller gets: the response, or the error that axios made. */
function given({ response, failed }: Outcome): AxiosResponse {
  if (failed) throw failed.error;
  return response;
}

/** Nearly always: axios makes a new array of the same names for each request. */
function isSame(one: AdapterChoice, other: AdapterChoice): boolean {
  return (
    one === other ||
    (Array.isArray(one) &&
      Array.isArray(other) &&
      one.length === other.length &&
      one.every((each, at) => each === other[at]))
  );
}

/**
 * What ends the wait for a token; axios then makes its own error of it. A cancel token outlives its requests, and so may a
 * signal, of which axios wants no more than that it tells listeners.
 */
function cancellationOf({ signal, cancelToken }: InternalAxiosRequestConfig): {
  signal: AbortSignal | undefined;
  end?: () => void;
} {
  if (!cancelToken && (!signal || signal instanceof AbortSignal)) return { signal };
  const controller = new AbortController();
  const abort = () => controller.abort();
  const token = cancelToken as unknown as Cancelling | undefined;
  token?.subscribe(abort);
  signal?.addEventListener?.("abort", abort);
  if (signal?.aborted) abort();
  return {
    signal: controller.signal,
    end() {
      token?.unsubscribe(abort);
      signal?.removeEventListener?.("abort", abort);
    },
  };
}

/** Not by spreading: axios makes configs without a prototype, and those take three times as long that way. */
function copyOf(config: InternalAxiosRequestConfig): InternalAxiosRequestConfig {
  const from = config as unknown as Record<string, unknown>;
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(from)) copy[name] = from[name];
  return copy as unknown as InternalAxiosRequestConfig;
}

/** Not by `concat`, which looks at each header and each name anew. They are AxiosHeaders: names and values, nothing else. */
function headersWith(headers: AxiosRequestHeaders, authorization: string): AxiosRequestHeaders {
  const copy: AxiosRequestHeaders = Object.create(Object.getPrototypeOf(headers));
  return Object.assign(copy, headers, { Authorization: authorization });
}

/** Frees what a refused answer holds; only a stream holds anything. */
function discard(body: { destroy?(): void; cancel?(): Promise<void> } | null | undefined) {
  body?.destroy?.();
  return body?.cancel?.().catch(() => {});
}
