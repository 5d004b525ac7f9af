import { defineProject } from "vitest/config";

export default defineProject({
  test: {
    name: "runtimes",
    include: ["test/**/*.test.ts"],
    environment: "node",
    globalSetup: ["test/install-tarballs.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
