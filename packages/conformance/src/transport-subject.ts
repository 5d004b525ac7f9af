/** A token request, as core makes it. */
export interface TransportRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

/** An answer, read to its end and not judged. */
export interface TransportAnswer {
  readonly status: number;
  readonly body: string;
  readonly date?: string | undefined;
  readonly retryAfter?: string | undefined;
  readonly transactionId?: string | undefined;
}

/** What carries a token request: core's `TokenTransport`, by structure. */
export type TransportShape = (
  request: TransportRequest,
  options: { signal: AbortSignal },
) => Promise<TransportAnswer>;

/** A transport under test. */
export interface TransportSubject {
  /** The name that the tests carry. */
  readonly name: string;
  /** Core's guard. */
  readonly isIamError: (error: unknown) => boolean;
  /** Makes a transport for a token endpoint of the emulator. */
  createTransport(settings: { tokenEndpoint: string }): TransportShape | Promise<TransportShape>;
}
