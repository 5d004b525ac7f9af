import { testTransport } from "@iam/conformance";
import { isIamError } from "@iam/core";
import { vi } from "vitest";

// The package as it is when the oldest version that is supported is the peer.
const oldest = await import("openid-client-6-1");
vi.resetModules();
vi.doMock("openid-client", () => oldest);
const { discoverIam, openidTransport } = await import("../src/index.ts");
vi.doUnmock("openid-client");

testTransport({
  name: "openidTransport over openid-client 6.1.1",
  isIamError,
  createTransport: async ({ tokenEndpoint }) =>
    openidTransport(await discoverIam(new URL(tokenEndpoint).origin)),
});
