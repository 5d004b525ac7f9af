import axios, { type InternalAxiosRequestConfig } from "axios";

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

/**
 * Leaves agents out when a config is printed or made JSON, as all errors of axios do with theirs: an agent knows the requests
 * that are on their way, and those have the token. The properties themselves stay, for who sends the config again.
 */
export function hideAgents(config: InternalAxiosRequestConfig): void {
  if (!isBag(config.httpAgent) && !isBag(config.httpsAgent)) return;
  // Enumerable they would be merged into other configs.
  Object.defineProperties(config, {
    [Symbol.for("nodejs.util.inspect.custom")]: { value: withoutAgents, configurable: true },
    toJSON: { value: configAsJson, configurable: true },
  });
  // With a list of its own axios asks no toJSON of a config.
  const { redact } = config as { redact?: unknown };
  if (Array.isArray(redact) && redact.length > 0)
    Reflect.set(config, "redact", [...new Set([...redact, "httpAgent", "httpsAgent"])]);
}

function withoutAgents(this: InternalAxiosRequestConfig): Bag {
  const { httpAgent, httpsAgent, ...rest } = this;
  return rest;
}

/** As axios does it, which knows how to leave out circles. */
function configAsJson(this: InternalAxiosRequestConfig): unknown {
  const { toJSON }: { toJSON(this: { config: unknown }): { config?: unknown } } = axios.AxiosError.prototype;
  return toJSON.call({ config: withoutAgents.call(this) }).config;
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
