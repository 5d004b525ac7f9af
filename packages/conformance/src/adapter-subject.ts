import type { TestClock } from "./test-clock.ts";

/** A token, as far as the contract looks at it. */
export interface HeldToken {
  readonly accessToken: string;
}

/** A token manager, as far as the contract looks at it. */
export interface ManagerShape {
  getToken(): Promise<HeldToken>;
  peek(): HeldToken | undefined;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What the contract makes a token manager with. */
export interface ManagerSettings<Grant> {
  grant: Grant;
  tokenEndpoint: string;
  clock: TestClock;
  random: () => number;
  fetch: typeof globalThis.fetch;
  onEvent: (event: unknown) => void;
}

/** The functions of core that the subject hands in, so that the contract depends on none of them. */
export interface CoreFunctions<Manager extends ManagerShape, Grant> {
  createTokenManager(settings: ManagerSettings<Grant>): Manager;
  apiKeyGrant(apiKey: string): Grant;
  isIamError(error: unknown): boolean;
}

/** How the contract wants a client made. A member that is left out is the adapter's default. */
export interface ClientSettings<Manager extends ManagerShape> {
  manager: Manager;
  origins?: readonly string[];
  otherOrigins?: "refuse" | "pass";
  replay?: boolean;
}

/** A body as a caller gives it. */
export type AdapterBody =
  | string
  | Uint8Array<ArrayBuffer>
  | URLSearchParams
  | FormData
  | Blob
  | ReadableStream<Uint8Array>;

/** One request of a caller. */
export interface AdapterRequest {
  /** Absolute. To be given to the client as it is, without parsing it first. */
  url: string;
  /** Default: GET. */
  method?: string;
  headers?: Readonly<Record<string, string>>;
  body?: AdapterBody;
  signal?: AbortSignal;
}

/** What the caller gets. */
export interface AdapterAnswer {
  status: number;
  /** The body, read after the client has handed the response over. */
  text: string;
  /** The client's own response object, when there is one: it is searched for secrets. */
  response?: unknown;
}

/** The client under test. */
export interface AdapterClient {
  /** Resolves for every HTTP status; rejects with exactly what the client's caller would get. */
  send(request: AdapterRequest): Promise<AdapterAnswer>;
  /** Frees what the client holds, when the case is over. */
  close?(): Promise<void>;
}

/** What some clients truly cannot do. */
export type Capability =
  /** A ReadableStream as the body. */
  | "send streams"
  /** A FormData as the body. */
  | "send forms"
  /** A Blob as the body. */
  | "send blobs"
  /** A URL is handed to the client as text, and not parsed before. */
  | "take URLs as text"
  /** Redirects are judged one by one; where the platform follows them, it drops the token on the way to another origin. */
  | "judge redirects"
  /** Where the platform follows redirects, the client tells where they led. */
  | "tell where a redirect led";

/**
 * An adapter as the contract wants it.
 *
 * @example
 * ```ts
 * import { testAdapter } from "@iam/conformance";
 * import { apiKeyGrant, createTokenManager, isIamError } from "@iam/core";
 * import { iamFetch } from "@iam/fetch";
 * testAdapter({
 *   name: "fetch",
 *   core: { createTokenManager, apiKeyGrant, isIamError },
 *   createClient(settings) {
 *     const fetch = iamFetch(settings);
 *     return {
 *       async send({ url, ...init }) {
 *         // Only a stream wants it, and the types of the platform do not know it.
 *         const duplex = init.body instanceof ReadableStream && { duplex: "half" as const };
 *         const response = await fetch(url, Object.assign(init, duplex));
 *         return { status: response.status, text: await response.text(), response };
 *       },
 *     };
 *   },
 * });
 * ```
 */
export interface AdapterSubject<Manager extends ManagerShape = ManagerShape, Grant = unknown> {
  /** As it stands in the table of results. */
  readonly name: string;
  readonly core: CoreFunctions<Manager, Grant>;
  createClient(settings: ClientSettings<Manager>): AdapterClient | Promise<AdapterClient>;
  /** Only what the client truly cannot do, each with the reason. */
  readonly cannot?: Readonly<Partial<Record<Capability, string>>>;
}
