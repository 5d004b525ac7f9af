import { defineConfig } from "tsdown";

export default defineConfig({
  // The field `browser` of package.json puts the last in the place of the one before it.
  entry: ["src/index.ts", "src/http-adapter.ts", "src/no-http-adapter.ts"],
  format: ["esm"],
  platform: "neutral",
  target: "es2022",
  dts: { sourcemap: false, entry: ["src/index.ts"] },
  sourcemap: false,
});
