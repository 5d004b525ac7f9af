import {
  authorizedFetch,
  IamError,
  isReplayableBody,
  type OriginOptions,
  type TokenManager,
  type WaitUntil,
} from "@iam/core";
import type { Options } from "ky";
import * as peer from "ky";

type Fetch = typeof globalThis.fetch;

/** Options of {@link iamKy}. */
export interface IamKyOptions extends OriginOptions {
  /** From `createTokenManager`. */
  manager: TokenManager;
  /** Whether a request that was answered 401 may be sent once more with another token. Default: true. */
  replay?: boolean | undefined;
  /** Keeps the runtime awake for a refresh in the background, such as `ctx.waitUntil` on Workers. */
  waitUntil?: WaitUntil | undefined;
}

/** The fetch functions that our hooks put into the options of a request, so that a second hook leaves them alone. */
const wrappers = new WeakMap<Fetch, TokenManager>();

/**
 * Options for `ky.extend` or `ky.create` that attach a bearer token to requests to the allowed origins, and replace it when
 * it expires or is refused. A request with `context: { iam: false }` is left alone.
 *
 * The token is attached below ky: a retry by ky carries a current one, the replay after a 401 is no retry of ky's, and
 * neither hooks nor errors see it.
 *
 * Errors: `ERR_IAM_CONFIG` for options that cannot work, and for a ky older than 2: at once when it is the one that is
 * installed, at each request when it is another copy. Requests fail with `ERR_IAM_ORIGIN_NOT_ALLOWED` for other origins,
 * with what `manager.getToken` fails with, and with ky's own errors. A final 401 is ky's ordinary HTTPError.
 * Source: RFC 6750 section 2.1.
 *
 * @example
 * ```ts
 * import { apiKeyGrant, createTokenManager } from "@iam/core";
 * import { iamKy } from "@iam/ky";
 * import ky from "ky";
 * const manager = createTokenManager({ grant: apiKeyGrant("the-api-key") });
 * const api = ky.extend(iamKy({ manager }));
 * export const resources = () => api.get("https://resource-controller.cloud.ibm.com/v2/resource_instances").json();
 * ```
 */
export function iamKy(options: IamKyOptions): Options {
  // It does not tell its version; this has been there since 2.
  if (!("NetworkError" in peer)) tooOld();
  const own = { ...options, name: "iamKy" };
  // Request -> whether its body can be sent again; for requests whose body was given to ky, which therefore knows.
  const bodies = new WeakMap<object, boolean>();
  const made = new WeakMap<Fetch, Pair>();
  const pair = (fetch?: Fetch): Pair => {
    const plain = authorizedFetch({ ...own, fetch });
    const isReplayable = (request: Request) => bodies.get(request) === true;
    return { plain, withBody: authorizedFetch({ ...own, fetch, isReplayable }) };
  };
  const standard = pair();

  function init(request: Options): void {
    const { hooks, context, fetch: given } = request;
    request.hooks = {
      ...hooks,
      beforeRequest: hooks?.beforeRequest?.filter((hook) => hook !== tooOld) ?? [],
    };
    if (context?.iam === false) return;
    if (given !== undefined && wrappers.get(given) === own.manager) return;
    const { plain, withBody } = given === undefined ? standard : pairFor(given);
    const fetch: Fetch = (input, init) => {
      // Read as late as this, because other hooks may have changed it.
      const { json, body } = request;
      if (json === undefined && (body === undefined || body === null)) return plain(input, init);
      if (typeof input === "object") bodies.set(input, json !== undefined || isReplayableBody(body));
      return withBody(input, init);
    };
    wrappers.set(fetch, own.manager);
    request.fetch = fetch;
  }

  function pairFor(fetch: Fetch): Pair {
    const known = made.get(fetch) ?? pair(fetch);
    made.set(fetch, known);
    return known;
  }

  return { hooks: { init: [init], beforeRequest: [tooOld] } };
}

/** The same fetch for requests whose body ky was given, and for others, where the Request itself has to tell. */
interface Pair {
  readonly plain: Fetch;
  readonly withBody: Fetch;
}

/** Taken out by `init`, which a ky before 2 does not call: there requests would go without a token, silently. */
function tooOld(): never {
  throw new IamError(
    "ERR_IAM_CONFIG",
    "@iam/ky needs ky ^2.0.0, and this is an older ky, which has no init hooks. Upgrade ky.",
  );
}
