import { defineProject } from "vitest/config";

export default defineProject({
  test: { name: "openid-client", include: ["test/**/*.test.ts"], environment: "node" },
});
