import { defineConfig } from "tsdown";

export default defineConfig({
  entry: ["src/index.ts", "src/cos.ts"],
  format: ["esm"],
  platform: "node",
  fixedExtension: false,
  target: "es2022",
  dts: { sourcemap: false },
  sourcemap: false,
});
