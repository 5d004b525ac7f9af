import type { AxiosResponse, InternalAxiosRequestConfig } from "axios";

type Bag = Record<PropertyKey, unknown>;

const isBag = (value: unknown): value is Bag => typeof value === "object" && value !== null;

/** What people read of `response.request`: where it went, and how. */
const told = [
  "method",
  "protocol",
  "host",
  "path",
  "url",
  "responseUrl",
  "responseURL",
  "status",
  "statusText",
];

/** Takes `Authorization` out of headers, in any case. */
export function dropAuthorization(headers: unknown): void {
  if (!isBag(headers)) return;
  for (const name of Object.keys(headers)) {
    if (/^authorization$/i.test(name)) Reflect.deleteProperty(headers, name);
  }
}

/** Makes a response fit to be seen: the caller's own config, and a request that tells where it went and nothing else. */
export function cleanResponse(response: AxiosResponse, config: InternalAxiosRequestConfig): void {
  const { request, data }: { request?: unknown; data?: unknown } = response;
  clean(response, config);
  // What comes later refers to these: errors of a body that is still being read.
  forgetHeaders(request);
  forgetHeaders(data);
  if (isBag(data)) forgetHeaders(data.req);
}

/** Makes what an adapter has thrown fit to be seen, its causes too. */
export function cleanError(error: unknown, config: InternalAxiosRequestConfig): void {
  let at = error;
  for (let depth = 0; depth < 5 && isBag(at); depth++) {
    if (isBag(at.response)) cleanResponse(at.response as unknown as AxiosResponse, config);
    clean(at, config);
    // An event of an XMLHttpRequest has it as its target.
    if (at.event !== undefined) Reflect.set(at, "event", null);
    at = at.cause;
  }
}

function clean(holder: object, config: InternalAxiosRequestConfig): void {
  const { config: sent, request }: { config?: unknown; request?: unknown } = holder;
  if (sent !== config && isBag(sent)) {
    // Errors of a body that is still being read refer to it.
    dropAuthorization(sent.headers);
    Reflect.set(holder, "config", config);
  }
  if (isBag(request)) Reflect.set(holder, "request", summaryOf(request));
}

/** Clients' own request objects hold the header in many places, their agents' other requests included. */
function summaryOf(request: Bag): Bag {
  const summary: Bag = {};
  for (const name of told) {
    const value = request[name];
    if (typeof value === "string" || typeof value === "number") summary[name] = value;
  }
  if (isBag(request.res)) summary.res = { responseUrl: request.res.responseUrl };
  return summary;
}

/** Takes the header out of a request that has been sent: one of node:http, of follow-redirects, of node:http2, of fetch. */
function forgetHeaders(request: unknown): void {
  if (!isBag(request)) return;
  if (request.headers instanceof Headers) request.headers.delete("authorization");
  dropAuthorization(request.sentHeaders);
  if (isBag(request._options)) dropAuthorization(request._options.headers);
  if (typeof request._header !== "string") return;
  request._header = request._header.replace(/^authorization:.*\r\n/im, "");
  for (const symbol of Object.getOwnPropertySymbols(request)) {
    if (symbol.description === "kOutHeaders") dropAuthorization(request[symbol]);
  }
  forgetHeaders(request._redirectable);
}
