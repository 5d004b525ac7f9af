import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: ["packages/*/vitest.config.ts"],
    reporters: ["default", "./scripts/adapter-table.mjs", "./scripts/closing-line.mjs"],
  },
});
