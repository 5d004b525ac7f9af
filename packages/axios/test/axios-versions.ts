import type { AxiosStatic } from "axios";
import { vi } from "vitest";

/** The oldest version that is supported, one in between, and the latest. */
export const axiosVersions = ["1.7.0", "1.18.1", "1.21.1"] as const;

export type AxiosVersion = (typeof axiosVersions)[number];

/** The adapters that axios has. */
export const axiosAdapters = ["http", "xhr", "fetch"] as const;

const packages: Record<AxiosVersion, string> = {
  "1.7.0": "axios-1-7",
  "1.18.1": "axios-1-18",
  "1.21.1": "axios",
};

/** A version of axios, and the interceptor as it is when that version is the peer. */
export interface Loaded {
  readonly axios: AxiosStatic;
  readonly iamAxios: typeof import("../src/index.ts").iamAxios;
}

export async function loadAxios(version: AxiosVersion): Promise<Loaded> {
  const peer: { default: AxiosStatic } = await import(packages[version]);
  vi.resetModules();
  vi.doMock("axios", () => peer);
  const { iamAxios } = await import("../src/index.ts");
  vi.doUnmock("axios");
  if (peer.default.VERSION !== version) throw new Error(`This is axios ${peer.default.VERSION}`);
  return { axios: peer.default, iamAxios };
}
