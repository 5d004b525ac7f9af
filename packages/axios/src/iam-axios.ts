import {
  IamError,
  isReplayableBody,
  type OriginOptions,
  type OriginRules,
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
  type AxiosResponse,
  type InternalAxiosRequestConfig,
} from "axios";
import { finalUrl } from "./final-url.ts";
import { discard, followRedirects, hasSocket, hideAgents, type Trail, unfit } from "./http-adapter.ts";
import { type AdapterChoice, innerSendOf } from "./inner-send.ts";
import { followsByHand, redirectedConfig, type Sent } from "./redirect.ts";
import { withoutToken } from "./without-token.ts";

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
  /** What axios threw; never without a response in it. */
  readonly error: unknown;
  /** It is a 401 of the origin that the token was sent to, with the token on it. */
  readonly refused: boolean;
  /** What it redirects to, when that is followed here. */
  readonly next: InternalAxiosRequestConfig | undefined;
}

/** One request of a caller on its way. */
interface Trip extends Sent {
  /** The config that the caller knows. */
  readonly shown: InternalAxiosRequestConfig;
  /** Replays included. */
  sends: number;
}

/** What can end a request. The types of axios leave out that a cancel token takes listeners. */
interface Cancellable {
  readonly signal?: InternalAxiosRequestConfig["signal"];
  readonly cancelToken?: Record<"subscribe" | "unsubscribe", (listener: () => void) => void> | undefined;
}

/** On our own adapters: the one below. A WeakMap would cost a microsecond for each request. */
const below = Symbol();

interface Wrapper extends AxiosAdapter {
  [below]?: AdapterChoice;
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
  requireAxios(instance);
  const { manager, replay = true, waitUntil } = options ?? {};
  requireTokenManager(manager, "iamAxios");
  const origins = originRules(options);
  const passing: OriginRules = { judge: (url) => origins.judge(url, { mayPass: true }) };
  const innerSend = innerSendOf(instance);
  // A header of a kilobyte, which would be put together anew for each request.
  let held: Token | undefined;
  let authorization = "";

  async function send(
    config: InternalAxiosRequestConfig,
    trip: Trip = { shown: config, redirects: 0, sends: 0, startedAt: 0 },
  ): Promise<AxiosResponse> {
    const { iam } = config;
    if (iam === false) return innerSend(config);
    hideAgents(config);
    const { response, error, next } = await (config.auth || config.headers.has("authorization")
      ? sendOnce(config, trip)
      : withSignal(config as Cancellable, (signal) =>
          sendAuthorized<Outcome>({
            manager,
            // Where a redirect leads without being allowed, it leads without a token.
            origins: trip.redirects ? passing : origins,
            // A socket is not the origin that the URL names, and nothing allows it.
            url: hasSocket(config) ? "unix:socketPath" : finalUrl(config),
            hasAuthorization: false,
            // One replay for one request of the caller, however many hops it has.
            replayable:
              (iam?.replay ?? replay) === true &&
              trip.sends === trip.redirects &&
              isReplayableBody(config.data),
            signal,
            waitUntil: iam?.waitUntil ?? waitUntil,
            send: (token, url) => sendOnce(config, trip, url, token),
            isUnauthorized: ({ refused }) => refused,
            discard: ({ response: { data } }) => discard(data),
          }),
        ));
    if (next) return send(next, trip);
    if (error) throw error;
    return response;
  }

  /** Sends a copy of the config: as it is, or with the token that nobody else sees. */
  async function sendOnce(
    config: InternalAxiosRequestConfig,
    trip: Trip,
    url?: URL,
    token?: Token,
  ): Promise<Outcome> {
    trip.sends++;
    const copy = copyOf(config);
    const byHand = token && followsByHand(config);
    let trail: Trail | undefined;
    if (url && token) {
      if (token !== held) {
        held = token;
        authorization = `Bearer ${token.accessToken}`;
      }
      copy.url = trip.url = url.href;
      copy.baseURL = "";
      // Not by `concat`, which looks at each header and each name anew.
      copy.headers = Object.create(Object.getPrototypeOf(config.headers));
      Object.assign(copy.headers, config.headers, { Authorization: authorization });
      if (byHand) copy.fetchOptions = { ...config.fetchOptions, redirect: "manual" };
      trail = followRedirects(copy, authorization, url, origins);
    }
    trip.startedAt = performance.now();
    let response: AxiosResponse | undefined;
    let error: unknown;
    try {
      response = await innerSend(copy);
    } catch (thrown) {
      error = thrown;
      response = (thrown as { response?: AxiosResponse } | undefined)?.response;
    }
    // Errors that come later, of a body that is still being read, refer to the copy; so does what is frozen.
    copy.headers = config.headers;
    const next =
      response && byHand
        ? await redirectedConfig(config, response, trip).catch((thrown) => {
            throw axios.AxiosError.from(thrown, undefined, trip.shown);
          })
        : undefined;
    // An XMLHttpRequest tells where it has been led.
    const led = response?.request?.responseURL || url;
    // Also when it had none: its agent knows the requests of others.
    withoutToken(error ?? response, trip.shown);
    if (!response) throw error;
    const refused =
      response.status === 401 && trail?.strayed === false && `${led}`.startsWith(`${url?.origin}/`);
    return { response, error, refused, next };
  }

  const { request } = instance.interceptors;
  const requestInterceptor = request.use(
    (config) => {
      const { adapter = axios.defaults.adapter as AdapterChoice } = config;
      // Registered twice is once: the innermost of two wrappers is the one that stays.
      const choice = (adapter as Wrapper)[below] ?? adapter;
      const wrapper: Wrapper = (config) => {
        // Whoever keeps this config and sends it again comes by the interceptor again.
        config.adapter = choice;
        return send(config);
      };
      wrapper[below] = choice;
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
 * of axios: one of 0.27 has no Blob among its classes, nor headers that can be asked.
 */
function requireAxios(instance: AxiosInstance & { readonly VERSION?: string }): void {
  const { defaults, interceptors, VERSION } = instance ?? {};
  // No classes at all: somebody has emptied its defaults.
  const version = VERSION ?? (defaults?.env && !("Blob" in defaults.env) ? "0.x" : axios.VERSION);
  const found = interceptors?.request ? `axios ${version}${unfit(axios)}` : "something without interceptors";
  if (!/^axios 1\.([7-9]|\d\d)\S*$/.test(found)) {
    throw new IamError(
      "ERR_IAM_CONFIG",
      `iamAxios (@iam/axios) needs an instance of axios >=1.7 <2: this is ${found}.`,
    );
  }
}

/**
 * Runs with what ends the wait for a token; axios then makes its own error of it. A cancel token outlives its requests, and so
 * may a signal, of which axios wants no more than that it tells listeners.
 */
function withSignal<Result>(
  { signal, cancelToken }: Cancellable,
  run: (signal: AbortSignal | undefined) => Promise<Result>,
): Promise<Result> {
  if (!cancelToken && (!signal || signal instanceof AbortSignal)) return run(signal);
  const controller = new AbortController();
  const abort = () => controller.abort();
  cancelToken?.subscribe(abort);
  signal?.addEventListener?.("abort", abort);
  if (signal?.aborted) abort();
  return run(controller.signal).finally(() => {
    cancelToken?.unsubscribe(abort);
    signal?.removeEventListener?.("abort", abort);
  });
}

/** Not by spreading: axios makes configs without a prototype, and those take three times as long that way. */
function copyOf(config: InternalAxiosRequestConfig): InternalAxiosRequestConfig {
  const from = config as unknown as Record<string, unknown>;
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(from)) copy[name] = from[name];
  return copy as unknown as InternalAxiosRequestConfig;
}
