import type { OriginRules } from "@iam/core";
import type { AxiosRequestConfig, AxiosStatic, InternalAxiosRequestConfig } from "axios";

/** What may hold anything. */
export type Bag = Record<PropertyKey, unknown>;
type BeforeRedirect = NonNullable<AxiosRequestConfig["beforeRedirect"]>;

/**
 * What only the http adapter of axios makes necessary. Bundles for browsers and workers have `no-http-adapter.ts` in its place,
 * as they have nothing in place of that adapter: both by the field `browser` of a package.json.
 */

/** One send, and where redirects have led it. */
export interface Trail {
  /** Whether the last request of it was to another origin than the first, or without the token. */
  strayed: boolean;
}

type Discarded = { destroy?(): void; cancel?(): Promise<void> } | null | undefined;

const isBag = (value: unknown): value is Bag => typeof value === "object" && value !== null;

const isStream = (value: unknown): boolean => isBag(value) && Boolean(value.pipe || value.getReader);

/** The names of headers that are `Authorization`, in any case. */
function authorizationsIn(headers: unknown): string[] {
  return isBag(headers) ? Object.keys(headers).filter((name) => /^authorization$/i.test(name)) : [];
}

/** Takes `Authorization` out of headers. */
function dropAuthorization(headers: unknown): void {
  for (const name of authorizationsIn(headers)) Reflect.deleteProperty(headers as Bag, name);
}

/** What makes a build of axios unfit for this one, as an ending of its name; nothing does. */
export function unfit(_axios: AxiosStatic): string {
  return "";
}

/** Whether a request goes to a socket, wherever its URL leads. */
export function hasSocket({ socketPath }: InternalAxiosRequestConfig): boolean {
  return Boolean(socketPath);
}

/**
 * Follows the redirects of the http adapter: the origin is judged on each hop, whatever the version of axios would do. Once
 * a hop may not have the token, none after it gets it, because that hop chose them.
 *
 * The caller's own `beforeRedirect` runs as ever, but does not see the token.
 */
export function followRedirects(
  config: InternalAxiosRequestConfig,
  authorization: string,
  { origin }: URL,
  origins: OriginRules,
): Trail {
  const before: BeforeRedirect | undefined = config.beforeRedirect;
  let refused = false;
  const trail: Trail = { strayed: false };
  config.beforeRedirect = (options, response, request) => {
    const target = new URL(options.href);
    refused ||= !origins.judge(target, { mayPass: true }).allowed;
    dropAuthorization(options.headers);
    const headers = { ...request?.headers };
    dropAuthorization(headers);
    before?.(options, response, { ...request, headers } as typeof request);
    const carries = !refused && authorizationsIn(options.headers).length === 0;
    if (carries) options.headers.Authorization = authorization;
    trail.strayed = !carries || target.origin !== origin;
  };
  return trail;
}

const inspectCustom = Symbol.for("nodejs.util.inspect.custom");
const printed: PropertyDescriptor = { value: () => "[agent]", configurable: true };

/**
 * Has the agents in a config print as `[agent]`, because they know the requests that are on their way, and those have the token.
 *
 * On the agent, once, although it is the caller's: axios makes errors with the config after us too, of which `toJSON` goes
 * down into every agent, and the same on each config takes microseconds. Nothing but printing changes.
 */
export function hideAgents({ httpAgent, httpsAgent }: InternalAxiosRequestConfig): void {
  for (const agent of [httpAgent, httpsAgent]) {
    if (!isBag(agent) || Object.hasOwn(agent, inspectCustom)) continue;
    for (const name of [inspectCustom, "toJSON"]) Reflect.defineProperty(agent, name, printed);
  }
}

/** Frees what the body of a refused answer holds; only a stream holds anything. */
export function discard(body: Discarded): Promise<void> | undefined {
  body?.destroy?.();
  return body?.cancel?.().catch(() => {});
}

/**
 * Takes the header out of the requests that an answer or an error leads to without showing them: errors of a body that is still
 * being read come later and refer to what is here now, a body that was streamed to the request still points at it, and what is
 * frozen keeps its request.
 */
export function forgetRequests(holder: Bag, config: InternalAxiosRequestConfig): void {
  const { config: sent, request, data } = holder;
  if (!isStream(data) && !isStream(config.data) && !Object.isFrozen(holder)) return;
  if (isBag(sent) && sent.headers !== config.headers) dropAuthorization(sent.headers);
  for (const each of [request, data, isBag(data) && data.req]) forgetHeaders(each);
}

/** Takes the header out of a request that has been sent: one of node:http, of follow-redirects, of node:http2, of fetch. */
function forgetHeaders(request: unknown): void {
  if (!isBag(request)) return;
  if (request.headers instanceof Headers) request.headers.delete("authorization");
  dropAuthorization(request.sentHeaders);
  dropAuthorization((request._options as Bag | undefined)?.headers);
  if (typeof request._header !== "string") return;
  request._header = request._header.replace(/^authorization:.*\r\n/im, "");
  for (const symbol of Object.getOwnPropertySymbols(request)) {
    if (symbol.description === "kOutHeaders") dropAuthorization(request[symbol]);
  }
  forgetHeaders(request._redirectable);
}

/** The real ones hold the header in many places, and by their agent the requests of others that are on their way. */
export function summaryOf({ method, protocol, host, path, url, responseURL, res }: Bag): Bag {
  return {
    method,
    protocol,
    host,
    path,
    url,
    responseURL,
    ...(isBag(res) && { res: { responseUrl: res.responseUrl } }),
  };
}
