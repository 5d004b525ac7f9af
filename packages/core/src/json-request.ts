import { conceal } from "./secret.ts";
import type { TokenRequest } from "./token-request.ts";

/** Makes a token request with a JSON body, or with none. Pure. */
export function jsonRequest(
  method: string,
  url: string,
  json: object | undefined,
  headers: Readonly<Record<string, string>> = {},
): TokenRequest {
  return conceal(
    { method, url },
    {
      headers: {
        accept: "application/json",
        ...(json !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      body: json && JSON.stringify(json),
    },
  );
}
