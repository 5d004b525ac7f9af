import { isBrowser, isReplayableBody, redirected } from "@iam/core";
import type { AxiosResponse, InternalAxiosRequestConfig } from "axios";

/**
 * Whether a redirect of this request is followed here when the fetch adapter sends it, so that the origin is judged on each
 * hop: Workers with a compatibility date before September 2025 take the token anywhere. The http adapter has
 * `beforeRedirect` for that; browsers allow neither, and drop the token themselves.
 */
export function followsByHand({ fetchOptions }: InternalAxiosRequestConfig): boolean {
  return !isBrowser() && (fetchOptions?.redirect ?? "follow") === "follow";
}

/** The last send of a request of a caller's. */
export interface Sent {
  /** The redirects that were followed before it. */
  redirects: number;
  /** Where it was judged to go. */
  url?: string;
  /** By the monotonic clock, in milliseconds. */
  startedAt: number;
}

/**
 * The config that a redirect makes of the one that was sent by the fetch adapter; undefined when there is no redirect to follow.
 *
 * A timeout is that of all hops together, as when the platform follows them.
 *
 * Errors: TypeError, for a redirect that cannot be followed and for one too many.
 */
export async function redirectedConfig(
  config: InternalAxiosRequestConfig,
  { status, headers, request, data }: AxiosResponse,
  sent: Sent,
): Promise<InternalAxiosRequestConfig | undefined> {
  // Only the fetch adapter has a request that says so, or false where it is told to do without the class.
  if (config.maxRedirects === 0 || (request !== false && request?.redirect !== "manual")) return undefined;
  const { method, data: body, timeout } = config;
  // Not by iterating, which leaves out a header that is false: axios would then set it itself.
  const init = { method, headers: Object.entries(config.headers), body };
  const next = await redirected(
    { status, headers: { get: (name) => headers[name] }, body: data },
    { url: request.url ?? sent.url, init: init as never, resendable: isReplayableBody(body) },
  );
  if (!next) return undefined;
  if (sent.redirects++ === 20) throw new TypeError("More than 20 redirects");
  const [url, made] = next;
  const kept = Object.create(Object.getPrototypeOf(config.headers));
  return {
    ...config,
    url,
    baseURL: "",
    params: undefined,
    method: made.method as string,
    data: made.body,
    timeout: timeout && (Math.ceil(timeout + sent.startedAt - performance.now()) || 1),
    headers: Object.assign(kept, Object.fromEntries(made.headers as [string, string][])),
  } as InternalAxiosRequestConfig;
}
