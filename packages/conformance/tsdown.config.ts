import { defineConfig } from "tsdown";

export default defineConfig({
  entry: ["src/index.ts", "src/redis-server.ts"],
  format: ["esm"],
  platform: "node",
  fixedExtension: false,
  target: "es2022",
  dts: { sourcemap: false },
  sourcemap: false,
});
