import type { OriginRules } from "@iam/core";
import type { AxiosRequestConfig } from "axios";
import { authorizationsIn, dropAuthorization } from "./without-token.ts";

type BeforeRedirect = NonNullable<AxiosRequestConfig["beforeRedirect"]>;

/** One send, and where redirects have led it. */
export interface Trail {
  /** Whether the last request of it was to the first origin, with the token on it. */
  home: boolean;
  readonly beforeRedirect: BeforeRedirect;
}

/**
 * Follows the redirects of the http adapter: the origin is judged on each hop, whatever the version of axios would do. Once
 * a hop may not have the token, none after it gets it, because that hop chose them.
 *
 * The caller's own `beforeRedirect` runs as ever, but does not see the token.
 */
export function trailOf(
  authorization: string,
  { origin }: URL,
  origins: OriginRules,
  before: BeforeRedirect | undefined,
): Trail {
  let strayed = false;
  const trail: Trail = {
    home: true,
    beforeRedirect(options, response, request) {
      const target = new URL(options.href);
      strayed ||= !origins.judge(target, { mayPass: true }).allowed;
      dropAuthorization(options.headers);
      const headers = { ...request?.headers };
      dropAuthorization(headers);
      before?.(options, response, { ...request, headers } as typeof request);
      const carries = !strayed && authorizationsIn(options.headers).length === 0;
      if (carries) options.headers.Authorization = authorization;
      trail.home = carries && target.origin === origin;
    },
  };
  return trail;
}
