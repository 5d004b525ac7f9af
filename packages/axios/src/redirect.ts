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

/** The config that a redirect makes of the one that was sent by the fetch adapter; undefined when there is no redirect to follow. */
export async function redirectedConfig(
  config: InternalAxiosRequestConfig,
  { status, headers, request, data }: AxiosResponse,
): Promise<InternalAxiosRequestConfig | undefined> {
  // No other adapter has a request that says so.
  if (request?.redirect !== "manual" || config.maxRedirects === 0) return undefined;
  const sent = { method: config.method ?? "GET", headers: Array.from(config.headers), body: config.data };
  const response = { status, headers: { get: (name: string) => headers[name] }, body: data?.cancel && data };
  const resendable = isReplayableBody(config.data);
  const next = await redirected(response, { url: request.url, init: sent as never, resendable });
  if (!next) return undefined;
  const [url, init] = next;
  const kept = Object.create(Object.getPrototypeOf(config.headers));
  return {
    ...config,
    ...{ url, baseURL: "", params: undefined, method: init.method, data: init.body ?? undefined },
    headers: Object.assign(kept, Object.fromEntries(init.headers as [string, string][])),
  } as InternalAxiosRequestConfig;
}
