import { fetchTransport, type TokenTransport } from "@iam/core";
import type { RunningEmulator } from "@iam/emulator";

/** The token requests of one manager to an emulator that nobody else asks. */
export interface TokenTraffic extends Disposable {
  /** The transport of the manager: real sockets, counted. */
  readonly transport: TokenTransport;
  /** How many have been sent. */
  readonly sent: number;
  /** Whether no byte will come any more unless time passes: none is under way, or the one that is meets a fault that stalls. */
  readonly isSilent: boolean;
  /** What was held back goes on. */
  release(): void;
}

/** What is told of the traffic. */
export interface TrafficListener {
  /** A request has met a fault. */
  met(): void;
  /** A token, as it came, in an answer that came to its end. */
  token(accessToken: string): void;
}

/** Watches both ends. `stalls`: what the fault in the queue does. */
export function watchTokenTraffic(
  emulator: RunningEmulator,
  stalls: boolean,
  listener: TrafficListener,
): TokenTraffic {
  const carry = fetchTransport();
  const known = new Set<number>();
  let sent = 0;
  let underWay = 0;
  let received = 0;
  let isStalled = false;
  const stop = emulator.onRequest(({ type, entry }) => {
    if (entry.target !== "token") return;
    if (type === "received") {
      received++;
      isStalled = false;
    }
    if (type !== "changed" || entry.fault === undefined || known.has(entry.id)) return;
    known.add(entry.id);
    isStalled = stalls;
    listener.met();
  });
  return {
    async transport(request, options) {
      sent++;
      underWay++;
      try {
        const response = await carry(request, options);
        const [, token] = /"access_token":"([^"]{9,})"/.exec(response.body) ?? [];
        if (token !== undefined) listener.token(token);
        return response;
      } finally {
        underWay--;
      }
    },
    get sent() {
      return sent;
    },
    get isSilent() {
      return underWay === 0 || (isStalled && received === sent);
    },
    release() {
      isStalled = false;
    },
    [Symbol.dispose]: stop,
  };
}
