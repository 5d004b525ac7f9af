/** A token store as the contract sees it: that of core, taken by its shape. */
export interface StoreShape {
  get(key: string): Promise<{ entry: string; ttlMs?: number | undefined } | undefined>;
  set(
    key: string,
    entry: string,
    options: { ttlMs: number; ifVersion?: string | null | undefined },
  ): Promise<boolean>;
  delete(key: string, options: { ifVersion: string }): Promise<void>;
  lock?(
    key: string,
    options: { ttlMs: number; signal: AbortSignal },
  ): Promise<{ state: "acquired"; release(): Promise<void> } | { state: "held"; owner?: string | undefined }>;
  subscribe?(key: string, changed: () => void): () => void;
  readonly wallClock?: boolean | undefined;
}

/** What some stores truly cannot do. */
export type StoreCapability =
  /** Lock at all. */
  | "lock"
  /** Compare and write in one step, so that of many writers one wins. */
  | "compare"
  /** Keep an entry for less than a second, and tell how long it has to live. */
  | "keep time"
  /** Call back when an entry changes. */
  | "subscribe";

/** What holds the data while a case runs. */
export interface OpenStore {
  /** Two ways to the same data, as two processes have them; the same store twice where there is only one. */
  readonly stores: readonly [StoreShape, StoreShape];
  close?(): Promise<void>;
}

/**
 * A token store as the contract wants it.
 *
 * @example
 * ```ts
 * import { testStore } from "@iam/conformance";
 * import { memoryStore } from "@iam/core";
 * testStore({
 *   name: "memory",
 *   async open() {
 *     const store = memoryStore();
 *     return { stores: [store, store] };
 *   },
 * });
 * ```
 */
export interface StoreSubject {
  /** As it stands in the names of the tests. */
  readonly name: string;
  /** Called for each case; the data may be kept from one to the next. */
  open(): Promise<OpenStore>;
  /** Only what the store truly cannot do, each with the reason. */
  readonly cannot?: Readonly<Partial<Record<StoreCapability, string>>>;
}
