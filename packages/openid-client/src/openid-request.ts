import { IamError, type TokenRequest } from "@iam/core";

/** What openid-client is to ask for. */
export interface Asked {
  readonly grantType: string;
  readonly parameters: URLSearchParams;
}

/** By request, so that nothing of it is on the request to be shown. */
const asked = new WeakMap<TokenRequest, Asked>();

/**
 * A token request that only `openidTransport` can carry: the client authentication is put on there. Another transport, which
 * would send it without, fails before it sends anything.
 */
export function openidRequest(url: string, what: Asked): TokenRequest {
  const refuse = {
    get(): never {
      throw new IamError(
        "ERR_IAM_CONFIG",
        "The request of openidGrant has no client authentication yet. Give the manager the transport that adds it: " +
          "createTokenManager({ grant, transport: openidTransport(configuration) }).",
      );
    },
  };
  const shown = { method: "POST", url };
  const request = Object.freeze(
    Object.defineProperties(shown, { headers: refuse, body: refuse }),
  ) as TokenRequest;
  asked.set(request, what);
  return request;
}

/**
 * What a token request asks for: one of {@link openidRequest}, or any other with a form.
 *
 * Errors: `ERR_IAM_CONFIG` for a request that is no OAuth 2 token request.
 */
export function readTokenRequest(
  request: TokenRequest,
): Asked & { readonly authorization?: string | undefined } {
  const known = asked.get(request);
  if (known !== undefined) return known;
  const { method, headers, body } = request;
  const form = /^application\/x-www-form-urlencoded *(;|$)/i.test(headers["content-type"] ?? "");
  const parameters = new URLSearchParams(body);
  const grantType = parameters.get("grant_type");
  if (method !== "POST" || !form || !grantType)
    throw new IamError(
      "ERR_IAM_CONFIG",
      "openidTransport carries token requests of OAuth 2: POST, a form, a grant_type. Use fetchTransport for this grant.",
    );
  parameters.delete("grant_type");
  return { grantType, parameters, authorization: headers.authorization };
}
