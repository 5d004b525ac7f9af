import { defineProject } from "vitest/config";

export default defineProject({
  test: { name: "ky", include: ["test/**/*.test.ts"], environment: "node" },
});
