import type { InternalAxiosRequestConfig } from "axios";

/** The ways to end a request early, as one signal. */
export interface Cancellation {
  readonly signal: AbortSignal | undefined;
  /** To be called when the request is over: a cancel token outlives it. */
  end(): void;
}

/** A cancel token as axios makes it; its types leave out what takes a listener. */
interface Cancelling {
  subscribe(listener: () => void): void;
  unsubscribe(listener: () => void): void;
}

/** What ends the wait for a token; axios then makes its own error of it. */
export function cancellationOf({ signal, cancelToken }: InternalAxiosRequestConfig): Cancellation {
  const given = signal as AbortSignal | undefined;
  if (cancelToken === undefined) return { signal: given, end() {} };
  const controller = new AbortController();
  const abort = () => controller.abort();
  const token = cancelToken as unknown as Cancelling;
  token.subscribe(abort);
  return {
    signal: given ? AbortSignal.any([given, controller.signal]) : controller.signal,
    end: () => token.unsubscribe(abort),
  };
}
