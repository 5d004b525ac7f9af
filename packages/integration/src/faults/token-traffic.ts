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

/** Watches both ends. `stalls`: what the fault in the queue does; `met` is called when a request has met a fault. */
export function watchTokenTraffic(emulator: RunningEmulator, stalls: boolean, met: () => void): TokenTraffic {
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
    met();
  });
  return {
    async transport(request, options) {
      sent++;
      underWay++;
      try {
        return await carry(request, options);
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
