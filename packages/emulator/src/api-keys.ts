import { EmulatorError } from "./emulator-error.ts";
import { defaultServiceId, defaultUser, type Identity } from "./identity.ts";

/** An API key that the emulator knows. */
export interface ApiKey {
  /** The secret itself. */
  readonly key: string;
  /** Whose key it is. */
  readonly owner: Identity;
  /** A disabled key is refused with BXNIM0462E. */
  readonly disabled: boolean;
  /** From this moment of the emulator's clock on the key is refused; epoch milliseconds. */
  readonly expiresAt?: number;
}

/** How to register a key: its text alone makes it a key of the default user. */
export type ApiKeyOptions = string | (Pick<ApiKey, "key"> & Partial<ApiKey>);

/**
 * The API keys of an emulator.
 *
 * Errors: ERR_EMULATOR_OPTION when a key is not known.
 *
 * @example
 * ```ts
 * import type { Emulator } from "@iam/emulator";
 * export const disableItsKey = (emulator: Emulator) => emulator.apiKeys.disable(emulator.apiKey);
 * ```
 */
export interface ApiKeys {
  /** Registers a key, or replaces the one with the same text. */
  add(options: ApiKeyOptions): ApiKey;
  disable(key: string): void;
  enable(key: string): void;
  /** The key is unknown from now on. */
  delete(key: string): void;
  find(key: string): ApiKey | undefined;
  list(): readonly ApiKey[];
  /** Goes back to the keys of the beginning. */
  reset(): void;
}

/** The key of the default user that an emulator starts with when it is given none. */
export const defaultUserApiKey = "emulator-user-api-key";

/** The key of the default service ID that an emulator starts with when it is given none. */
export const defaultServiceIdApiKey = "emulator-service-id-api-key";

const defaults: readonly ApiKeyOptions[] = [
  defaultUserApiKey,
  { key: defaultServiceIdApiKey, owner: defaultServiceId },
];

/** Makes the registry of keys. */
export function createApiKeys(initial: readonly ApiKeyOptions[] = defaults): ApiKeys {
  const known = new Map<string, ApiKey>();
  const change = (key: string, edit: Partial<ApiKey>) => {
    const found = known.get(key);
    if (!found)
      throw new EmulatorError("ERR_EMULATOR_OPTION", "No such API key is registered with this emulator.");
    known.set(key, { ...found, ...edit });
  };
  const add = (options: ApiKeyOptions) => {
    const given = typeof options === "string" ? { key: options } : options;
    if (typeof given.key !== "string" || given.key === "")
      throw new EmulatorError("ERR_EMULATOR_OPTION", "An API key is a string with at least one character.");
    const apiKey: ApiKey = { owner: defaultUser, disabled: false, ...given };
    known.set(apiKey.key, apiKey);
    return apiKey;
  };
  const reset = () => {
    known.clear();
    for (const options of initial) add(options);
  };
  reset();
  return {
    add,
    disable: (key) => change(key, { disabled: true }),
    enable: (key) => change(key, { disabled: false }),
    delete(key) {
      change(key, {});
      known.delete(key);
    },
    find: (key) => known.get(key),
    list: () => [...known.values()],
    reset,
  };
}
