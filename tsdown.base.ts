import { defineConfig, type UserConfig } from "tsdown";

/** How every package is built: ES modules with declarations, for web standards unless it says `platform: "node"`. */
export function library({
  platform = "neutral",
  entry = ["src/index.ts"],
  dts = { sourcemap: false },
}: UserConfig = {}): UserConfig {
  return defineConfig({
    entry,
    format: ["esm"],
    platform,
    // `.js` on every platform, as the manifests have it.
    fixedExtension: false,
    target: "es2022",
    dts,
    sourcemap: false,
  });
}
