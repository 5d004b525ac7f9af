import {
  IamError,
  ibmOrigins,
  isReplayableBody,
  type OriginRules,
  originRules,
  requireTokenManager,
  type TokenManager,
} from "@iam/core";
import { cosTokenManager, forAws } from "./cos-token-manager.ts";

/** Options of {@link iamCos}; those of the client itself stand beside them. */
export interface IamCosOptions {
  /** From `createTokenManager`. */
  manager: TokenManager;
  /**
   * Exact origins, or subdomains of a suffix. Default: those of IBM's Object Storage, and the client's own endpoint with the
   * buckets below it.
   */
  origins?: readonly string[] | undefined;
  /** Whether a request that was answered 401 may be sent once more. Default: true. */
  replay?: boolean | undefined;
}

/** As much as is needed of a client of `ibm-cos-sdk`. */
interface CosClient {
  readonly endpoint: { readonly protocol: string; readonly host: string };
  customizeRequests(handler: Handler | null | undefined): void;
  upload(...args: unknown[]): { readonly service: CosClient; send(callback: unknown): void };
}

/** As much as is needed of a request of the SDK, which is an emitter of its own kind. */
interface CosRequest {
  readonly httpRequest: {
    readonly endpoint: { readonly protocol: string; readonly host: string };
    readonly headers: Record<string, string | undefined>;
    readonly body: unknown;
    stream?: unknown;
  };
  on(event: string, listener: (...args: never[]) => void, first?: boolean): void;
  onAsync(event: string, listener: (...args: never[]) => void, first?: boolean): void;
  listeners(event: string): readonly unknown[];
  haltHandlersOnError(): void;
}

interface CosResponse {
  readonly httpResponse: { readonly statusCode?: number; readonly streaming?: boolean; stream?: unknown };
  error: { retryable?: boolean; retryDelay?: number } | null;
}

type Done = (error?: unknown) => void;
type Handler = (request: CosRequest) => void;

/**
 * Makes a client of IBM's Cloud Object Storage SDK (`ibm-cos-sdk`) over a token manager: deadlines, the shared token, no token
 * to other origins, and 401s that replace the token and repeat the request.
 *
 * Errors: `ERR_IAM_CONFIG` for options that cannot work. Requests fail with the error of `getToken`, or
 * `ERR_IAM_ORIGIN_NOT_ALLOWED`.
 * Source: https://github.com/IBM/ibm-cos-sdk-js
 *
 * @example
 * ```ts
 * import type { TokenManager } from "@iam/core";
 * import { iamCos } from "@iam/ibm-sdk/cos";
 * import cos from "ibm-cos-sdk";
 * const endpoint = "https://s3.eu-de.cloud-object-storage.appdomain.cloud";
 * export const store = (manager: TokenManager) => iamCos(cos.S3, { manager, endpoint });
 * ```
 */
export function iamCos<S3 extends new (...args: never[]) => object>(
  S3: S3,
  options: NonNullable<ConstructorParameters<S3>[0]> & IamCosOptions,
): InstanceType<S3> {
  const { manager: given, origins, replay = true, ...clientOptions } = { ...(options as IamCosOptions) };
  const manager = requireTokenManager(given, "iamCos");
  if (typeof S3 !== "function") throw notTheClass();
  if (typeof replay !== "boolean")
    throw new IamError("ERR_IAM_CONFIG", "replay of iamCos must be true or false.");
  const tokenManager = cosTokenManager({ manager });
  // What is left are the options of the client; the SDK has no type for this one.
  const Client = S3 as unknown as new (options: object) => InstanceType<S3>;
  const client = new Client({ ...clientOptions, tokenManager });
  const s3 = requireCosClient(client);
  const rules = originRules({ origins: origins ?? usualOrigins(s3.endpoint) });

  const watch = (service: CosClient) => {
    const customize = service.customizeRequests.bind(service);
    // There is one place for this in a client, and it stays its owner's too.
    service.customizeRequests = (handler) =>
      customize((request) => {
        handler?.call(service, request);
        watchRequest(request, manager, rules, replay);
      });
    service.customizeRequests(null);
  };
  watch(s3);
  watchUploads(s3, watch);
  return client;
}

function requireCosClient(client: object): CosClient {
  const s3 = client as Partial<CosClient>;
  if (typeof s3.customizeRequests === "function" && typeof s3.upload === "function" && s3.endpoint)
    return s3 as CosClient;
  throw notTheClass();
}

function notTheClass(): IamError {
  return new IamError("ERR_IAM_CONFIG", "iamCos needs the class S3 of ibm-cos-sdk as its first argument.");
}

/** The endpoint of the client itself, and the buckets below it where a wildcard may stand. */
function usualOrigins({ protocol, host }: CosClient["endpoint"]): string[] {
  const own = [`${protocol}//${host}`, `${protocol}//*.${host}`].filter((origin) => {
    try {
      return originRules({ origins: [origin] });
    } catch {
      return false;
    }
  });
  return [...ibmOrigins.objectStorage, ...own];
}

/** `upload` sends by a client of its own, with the same settings but without what sees its requests. */
function watchUploads(s3: CosClient, watch: (service: CosClient) => void): void {
  const { upload } = s3;
  s3.upload = (...args) => {
    const callback = args.find((each) => typeof each === "function");
    const uploader = upload.apply(
      s3,
      args.filter((each) => each !== callback),
    );
    watch(uploader.service);
    if (callback !== undefined) uploader.send(callback);
    return uploader;
  };
}

/** Goes along with one request: its token, its origin, and its first 401. */
function watchRequest(request: CosRequest, manager: TokenManager, rules: OriginRules, replay: boolean): void {
  let failure: unknown;
  let replaying = false;
  let replayed = false;

  const originOf = ({ endpoint }: CosRequest["httpRequest"]) => `${endpoint.protocol}//${endpoint.host}`;

  /** Ends the request with an error of ours, which the SDK would put into its own words. */
  function fail(error: unknown, done: Done): void {
    failure = forAws(error);
    request.haltHandlersOnError();
    done({ message: (error as Error).message, code: (error as { code?: unknown }).code, retryable: false });
  }

  /** Goes on with a token in the manager's hands, so that the SDK finds it there at once. */
  function prepare(done: Done, judged: () => unknown): void {
    // A request that is to go without a signature has no other listener that signs.
    if (request.listeners("sign").every((listener) => listener === beforeSign)) {
      done();
      return;
    }
    Promise.resolve()
      .then(judged)
      .then(() => manager.getToken())
      .then(
        () => done(),
        (error: unknown) => fail(error, done),
      );
  }

  function beforeSign(_: unknown, done: Done): void {
    prepare(done, () => rules.judge(originOf(request.httpRequest)));
  }

  async function answer401({ httpResponse, error }: CosResponse): Promise<void> {
    const { httpRequest } = request;
    const [, rejected] = /^Bearer (.+)$/.exec(httpRequest.headers.Authorization ?? "") ?? [];
    if (httpResponse.statusCode !== 401 || error === null || rejected === undefined || replayed) return;
    // None can be had now: the 401 is the answer.
    const replacement = manager.getToken({ rejected, origin: originOf(httpRequest) }).catch(() => undefined);
    if (!replay || !isReplayableBody(httpRequest.body)) return;
    const token = await replacement;
    if (token === undefined || token.accessToken === rejected) return;
    replaying = true;
    replayed = true;
    error.retryable = true;
  }

  request.onAsync("validate", (_: unknown, done: Done) => prepare(done, () => {}), true);
  request.onAsync("sign", beforeSign, true);
  request.onAsync(
    "retry",
    (response: CosResponse, done: Done) => {
      answer401(response).then(() => done(), done);
    },
    true,
  );
  // The SDK's own delay is for servers that are busy.
  request.on("retry", ({ error }: CosResponse) => {
    if (replaying && error) error.retryDelay = 0;
    replaying = false;
  });
  request.on("httpHeaders", (statusCode: number) => {
    const token = manager.peek();
    const sent = request.httpRequest.headers.Authorization;
    if (statusCode !== 401 && token !== undefined && sent === `Bearer ${token.accessToken}`)
      manager.accepted(token, originOf(request.httpRequest));
  });
  // What the SDK gives leads to the request as it was sent. A stream that is still read stays, to be ended by its reader.
  request.on("complete", ({ httpResponse }: CosResponse) => {
    const { httpRequest } = request;
    delete httpRequest.headers.Authorization;
    if (!httpResponse.streaming) httpRequest.stream = httpResponse.stream = null;
  });
  request.on("error", (_: unknown, response: { error: unknown }) => {
    if (failure !== undefined) response.error = failure;
  });
}
