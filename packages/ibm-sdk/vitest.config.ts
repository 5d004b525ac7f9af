import { defineProject } from "vitest/config";

export default defineProject({
  test: { name: "ibm-sdk", include: ["test/**/*.test.ts"], environment: "node" },
});
