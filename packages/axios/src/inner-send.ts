import axios, { type AxiosAdapter, type AxiosInstance, type InternalAxiosRequestConfig } from "axios";
import { fitAdapters } from "./http-adapter.ts";

/** A function, a name, or several to choose from. */
export type AdapterChoice = NonNullable<InternalAxiosRequestConfig["adapter"]>;

/**
 * The innermost send of an instance: by the adapter, or the names of adapters, in a config.
 *
 * Names mean the adapters of the copy of axios that made the instance. It is another copy than ours where the application
 * loads axios as CommonJS, and `getAdapter` of ours would then give errors and headers of foreign classes.
 */
export function innerSendOf(instance: AxiosInstance): AxiosAdapter {
  // All but the sending has been done, so it has no defaults. One that was made with `new Axios` cannot make another.
  const bare = instance.create?.() ?? axios.create();
  for (const name in bare.defaults) Reflect.deleteProperty(bare.defaults, name);

  return (config) => {
    const adapter = config.adapter as AdapterChoice;
    if (typeof adapter === "function") return adapter(config);
    return config.headers instanceof axios.AxiosHeaders
      ? axios.getAdapter(adapter, config)(config)
      : bare.request({
          ...config,
          adapter: fitAdapters(adapter),
          transformRequest: [],
          transformResponse: [],
        });
  };
}
