import { iamAxios } from "@iam/axios";
import { type OriginOptions, type OriginVerdict, originRules, type TokenManager } from "@iam/core";
import axios, { type AxiosAdapter, type AxiosInstance, type InternalAxiosRequestConfig } from "axios";

/** What requests of the SDK are sent with: an axios instance of our own, with `iamAxios` on it. */
export interface Carrier {
  /** Where the token may go. Errors: `ERR_IAM_ORIGIN_NOT_ALLOWED`. */
  judge(url: string): OriginVerdict;
  /**
   * The adapter for one request of the SDK, over the one that the user chose, if any. `authorization` is the header that
   * the authenticator put on it: it is taken off again, and the carrier puts a current one on a copy.
   */
  adapterOver(inner: InternalAxiosRequestConfig["adapter"], authorization: string): AxiosAdapter;
}

/** Makes a carrier. Errors: `ERR_IAM_CONFIG` for options that cannot work. */
export function createCarrier(
  options: OriginOptions & { manager: TokenManager; replay: boolean | undefined },
): Carrier {
  const { judge } = originRules(options);
  const client = bareClient();
  iamAxios(client, options);

  function adapterOver(inner: InternalAxiosRequestConfig["adapter"], authorization: string): AxiosAdapter {
    return async (config) => {
      const { headers } = config;
      if (headers.get("Authorization") === authorization) headers.delete("Authorization");
      try {
        // Everything but the sending has been done, by the SDK's own copy of axios.
        const response = await client.request({
          ...config,
          headers: headers.toJSON(),
          adapter: inner ?? axios.defaults.adapter ?? "http",
          transformRequest: [],
          transformResponse: [],
        });
        response.config = config;
        return response;
      } catch (error) {
        restore(error, config);
        throw error;
      }
    };
  }

  return { judge, adapterOver };
}

/** Without defaults: the request has those of the SDK's instance. */
function bareClient(): AxiosInstance {
  const client = axios.create();
  for (const name of Object.keys(client.defaults)) Reflect.deleteProperty(client.defaults, name);
  return client;
}

/** Whoever sends a request again sends the config in the error: it must come by here. */
function restore(error: unknown, config: InternalAxiosRequestConfig): void {
  const failed = error as { config?: unknown; response?: { config: unknown } } | null | undefined;
  if (failed?.config) failed.config = config;
  if (failed?.response) failed.response.config = config;
}
