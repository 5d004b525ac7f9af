import type { ClientRequest } from "node:http";

/** What http-proxy-middleware tells of a request that it sends: the target, as text, URL or parts. */
export interface OutgoingOptions {
  readonly target?: unknown;
}

/**
 * Where a proxied request goes: scheme, host and port of the connection, not what a header says. Undefined for a Unix
 * socket and for what makes no URL.
 */
export function outgoingUrl(outgoing: ClientRequest, { target }: OutgoingOptions): URL | undefined {
  if (isUnixSocket(outgoing)) return undefined;
  const { protocol, host } = outgoing;
  const { port }: { port?: unknown } = typeof target === "string" ? new URL(target) : Object(target);
  return parse(`${protocol}//${bracketed(host)}${port ? `:${port}` : ""}`);
}

/** Where a redirect leads that http-proxy-middleware follows; it writes the new host into `Host`. */
export function redirectedUrl(outgoing: ClientRequest): URL | undefined {
  if (isUnixSocket(outgoing)) return undefined;
  const { protocol, host } = outgoing;
  const url = parse(`${protocol}//${outgoing.getHeader("host")}`);
  return url !== undefined && url.hostname === parse(`${protocol}//${bracketed(host)}`)?.hostname
    ? url
    : undefined;
}

function isUnixSocket(outgoing: ClientRequest): boolean {
  return "socketPath" in outgoing && Boolean(outgoing.socketPath);
}

function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

function parse(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}
