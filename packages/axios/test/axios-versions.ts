import { createRequire } from "node:module";
import { dirname, join } from "node:path";
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

/** As on Node. */
export async function loadAxios(version: AxiosVersion): Promise<Loaded> {
  const peer: { default: AxiosStatic } = await import(packages[version]);
  return load(version, peer);
}

/** As in bundles for browsers and workers: axios without its http adapter, and the interceptor without what that needs. */
export async function loadForBrowsers(version: AxiosVersion): Promise<Loaded> {
  const manifest = createRequire(import.meta.url).resolve(`${packages[version]}/package.json`);
  const peer: { default: AxiosStatic } = await import(join(dirname(manifest), "dist/esm/axios.js"));
  return load(version, peer, true);
}

/** As in a bundle for browsers that leaves axios out and is then run on Node. */
export async function loadMixture(version: AxiosVersion): Promise<Loaded> {
  const peer: { default: AxiosStatic } = await import(packages[version]);
  return load(version, peer, true);
}

async function load(
  version: AxiosVersion,
  peer: { default: AxiosStatic },
  forBrowsers = false,
): Promise<Loaded> {
  vi.resetModules();
  vi.doMock("axios", () => peer);
  if (forBrowsers) vi.doMock("../src/http-adapter.ts", () => import("../src/no-http-adapter.ts"));
  const { iamAxios } = await import("../src/index.ts");
  vi.doUnmock("axios");
  vi.doUnmock("../src/http-adapter.ts");
  if (peer.default.VERSION !== version) throw new Error(`This is axios ${peer.default.VERSION}`);
  return { axios: peer.default, iamAxios };
}
