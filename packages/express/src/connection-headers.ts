import type { IncomingHttpHeaders, IncomingMessage } from "node:http";

/**
 * What is said from one end of a connection to the other. Of these `Trailer` would end the process: Node throws where nobody
 * catches when a message without chunks has it.
 */
const hopByHop = ["proxy-connection", "keep-alive", "te", "trailer", "http2-settings"];
/** Said to everybody, so that `Connection` cannot take it away: without its length a body would be the next request. */
const endToEnd = /^(host|content-length|transfer-encoding|forwarded|x-forwarded-.*)$/;

/**
 * What the caller says of its connection, in our words: `Connection` could have the next hop remove our token. Upgrades are for
 * `upgrade` alone; the proxy has no answer to a caller whose ordinary request the API takes for one.
 *
 * Source: RFC 9110 section 7.6.1.
 */
export function setConnection({ headers }: IncomingMessage, upgrades: boolean): void {
  const closes = dropConnection(headers).includes("close");
  if (closes) headers.connection = "close";
  if (!upgrades) {
    delete headers.upgrade;
    return;
  }
  headers.connection = "Upgrade";
  // The proxy sends no body with it.
  delete headers["content-length"];
  delete headers["transfer-encoding"];
}

/** The same of an answer. Its body has been read out of its frame, and gets one of ours. */
export function setAnswer(answered: IncomingMessage): void {
  const { headers, statusCode = 0 } = answered;
  dropConnection(headers);
  delete headers.upgrade;
  delete headers["transfer-encoding"];
  // What Node takes from a server and does not write itself would end the process.
  if (statusCode < 200) answered.statusCode = 502;
  if (statusCode < 200 || /[^\t\x20-\x7e\x80-\xff]/.test(answered.statusMessage ?? ""))
    answered.statusMessage = "";
}

/** Takes out what is for one connection, and gives what `Connection` names. */
function dropConnection(headers: IncomingHttpHeaders): string[] {
  const named = (headers.connection ?? "").split(",").map((name) => name.trim().toLowerCase());
  delete headers.connection;
  for (const name of [...hopByHop, ...named])
    if (name !== "upgrade" && !endToEnd.test(name)) delete headers[name];
  return named;
}
