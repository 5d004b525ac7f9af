import axios, { type AxiosAdapter, type AxiosInstance, type InternalAxiosRequestConfig } from "axios";

/** A function, a name, or several to choose from. */
export type AdapterChoice = NonNullable<InternalAxiosRequestConfig["adapter"]>;

/** What a request without one of its own is sent by, as axios has it since 1.7. */
export const defaultAdapter: AdapterChoice = ["xhr", "http", "fetch"];

/**
 * The innermost send of an instance: from the adapter, or the names of adapters, of a request to what sends it.
 *
 * Names mean the adapters of the copy of axios that made the instance. It is another copy than ours where the application
 * loads axios as CommonJS, and `getAdapter` of ours would then give errors and headers of foreign classes.
 */
export function innerSendOf(instance: AxiosInstance): (adapter: AdapterChoice) => AxiosAdapter {
  let bare: AxiosInstance | undefined;

  const byOwnCopy: AxiosAdapter = (config) => {
    bare ??= withoutDefaults(instance.create());
    // All but the sending has been done.
    return bare.request({ ...config, transformRequest: [], transformResponse: [] });
  };

  return (adapter) => {
    if (typeof adapter === "function") return adapter;
    return (config) =>
      config.headers instanceof axios.AxiosHeaders
        ? axios.getAdapter(adapter, config)(config)
        : byOwnCopy(config);
  };
}

function withoutDefaults(instance: AxiosInstance): AxiosInstance {
  for (const name of Object.keys(instance.defaults)) Reflect.deleteProperty(instance.defaults, name);
  return instance;
}
