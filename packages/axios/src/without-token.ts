import type { InternalAxiosRequestConfig } from "axios";

type Bag = Record<PropertyKey, unknown>;

const isBag = (value: unknown): value is Bag => typeof value === "object" && value !== null;

const isStream = (value: unknown): boolean => isBag(value) && Boolean(value.pipe || value.getReader);

/** The names of headers that are `Authorization`, in any case. */
export function authorizationsIn(headers: unknown): string[] {
  return isBag(headers) ? Object.keys(headers).filter((name) => /^authorization$/i.test(name)) : [];
}

/** Takes `Authorization` out of headers. */
export function dropAuthorization(headers: unknown): void {
  for (const name of authorizationsIn(headers)) Reflect.deleteProperty(headers as Bag, name);
}

/**
 * Makes fit to be seen what an adapter has given or thrown, and its causes: with the caller's own config, and a request that
 * tells where it went and nothing else.
 */
export function withoutToken(holder: unknown, config: InternalAxiosRequestConfig, depth = 0): void {
  if (!isBag(holder) || depth > 4) return;
  const { config: sent, request, data, event, response, cause } = holder;
  // Errors of a body that is still being read come later, and refer to what is here now.
  // And a body that was streamed to the request still points at it.
  if (isStream(data) || isStream(config.data)) {
    if (isBag(sent)) dropAuthorization(sent.headers);
    for (const each of [request, data, isBag(data) && data.req]) forgetHeaders(each);
  }
  if (sent) Reflect.set(holder, "config", config);
  if (isBag(request)) Reflect.set(holder, "request", summaryOf(request));
  // An event of an XMLHttpRequest has it as its target.
  if (event) Reflect.set(holder, "event", null);
  withoutToken(response, config, depth + 1);
  withoutToken(cause, config, depth + 1);
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

/** The real ones hold the header in many places, and by their agent the requests of others that are on their way. */
function summaryOf({ method, protocol, host, path, url, responseURL, res }: Bag): Bag {
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
