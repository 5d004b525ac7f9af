import { isIamError } from "./errors.ts";
import { inBackground } from "./events.ts";
import type { OriginRules } from "./origins.ts";
import type { Token } from "./token.ts";
import type { TokenManager } from "./token-manager.ts";
import type { WaitUntil } from "./token-manager-options.ts";

/** One request as an adapter sees it: four answers about its client, and what the caller gave. */
export interface AuthorizedRequest<Response> {
  readonly manager: TokenManager;
  /** From `originRules`. */
  readonly origins: OriginRules;
  /** The final URL, after the client's own merging of base URL and path. */
  readonly url: string | URL;
  /** Whether the caller set an `Authorization` of its own: it is never overwritten. */
  readonly hasAuthorization: boolean;
  /**
   * Sends the request once by the client's innermost send, to `url`, with `Authorization: Bearer <accessToken>` on a copy
   * that nobody else sees, or as the caller made it when there is no token. Answers of any status resolve.
   */
  send(token: Token | undefined, url: URL): Promise<Response>;
  /** Whether this is a 401, of the origin that the token was sent to, to a request that had the token on it. */
  isUnauthorized(response: Response): boolean;
  /** Whether `send` can be called a second time with the same body. */
  readonly replayable: boolean;
  /** Frees what a refused response holds, before the replay. */
  discard?(response: Response): void | Promise<void>;
  /** Ends the caller's wait for a token. */
  readonly signal?: AbortSignal | null | undefined;
  /** Keeps the runtime awake for what goes on in the background. */
  readonly waitUntil?: WaitUntil | undefined;
}

/**
 * Sends a request with a token where it may have one, and once more with another when the first was refused.
 *
 * - Only to allowed origins, judged on the URL that is sent to.
 * - A 401 replaces the token. The request is replayed once, and only when its body can be sent again; otherwise the 401 is
 *   the answer, and the token is replaced in the background for the next request.
 * - A 401 to the replay, and one that no other token could be had for, is the client's own normal 401.
 *
 * Errors: `ERR_IAM_ORIGIN_NOT_ALLOWED`; what `getToken` and `send` fail with.
 * Source: RFC 6750 section 3.1; RFC 9110 section 15.5.2.
 *
 * @example
 * ```ts
 * import { originRules, sendAuthorized, type TokenManager } from "@iam/core";
 * const origins = originRules();
 * export const get = (manager: TokenManager, url: string) =>
 *   sendAuthorized({
 *     manager,
 *     origins,
 *     url,
 *     hasAuthorization: false,
 *     replayable: true,
 *     send: (token, to) => fetch(to, token && { headers: { authorization: `Bearer ${token.accessToken}` } }),
 *     isUnauthorized: (response) => response.status === 401,
 *   });
 * ```
 */
export async function sendAuthorized<Response>(request: AuthorizedRequest<Response>): Promise<Response> {
  const { manager, hasAuthorization, waitUntil } = request;
  const { allowed, url } = request.origins.judge(request.url, { mayPass: hasAuthorization || undefined });
  if (!allowed || hasAuthorization) return request.send(undefined, url);

  const { origin } = url;
  const signal = request.signal ?? undefined;
  const token = manager.peek() ?? (await manager.getToken({ signal, waitUntil }));
  const response = await request.send(token, url);
  if (!request.isUnauthorized(response)) {
    manager.accepted(token, origin);
    return response;
  }
  const { replayable } = request;
  const replacement = await replacementFor(token, { manager, origin, replayable, signal, waitUntil });
  if (replacement === undefined) return response;
  await request.discard?.(response);
  const answer = await request.send(replacement, url);
  if (!request.isUnauthorized(answer)) manager.accepted(replacement, origin);
  return answer;
}

/** A request that was answered 401 with a token on it. */
export interface RefusedRequest {
  readonly manager: TokenManager;
  readonly origin: string;
  readonly replayable: boolean;
  readonly signal: AbortSignal | undefined;
  readonly waitUntil: WaitUntil | undefined;
}

/** What follows a 401: replaces the token, and gives the one to replay the request with; undefined when the 401 is the answer. */
export async function replacementFor(
  rejected: Token,
  { manager, replayable, signal, ...options }: RefusedRequest,
): Promise<Token | undefined> {
  const replacing = manager.getToken({ ...options, rejected, signal: replayable ? signal : undefined });
  if (!replayable) {
    inBackground(replacing, options.waitUntil);
    return undefined;
  }
  const replacement = await replacing.catch((error: unknown) => {
    if (isIamError(error)) return rejected;
    throw error;
  });
  // None can be had now: the resource's own 401 is then the honest answer.
  return replacement.accessToken === rejected.accessToken ? undefined : replacement;
}
