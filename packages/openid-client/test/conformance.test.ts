import { testTransport } from "@iam/conformance";
import { isIamError } from "@iam/core";
import { allowInsecureRequests, Configuration } from "openid-client";
import { discoverIam, openidTransport } from "../src/index.ts";

testTransport({
  name: "openidTransport",
  isIamError,
  createTransport: async ({ tokenEndpoint }) =>
    openidTransport(await discoverIam(new URL(tokenEndpoint).origin)),
});

testTransport({
  name: "openidTransport with a public client",
  isIamError,
  createTransport: ({ tokenEndpoint }) =>
    openidTransport(() => {
      const server = { issuer: "https://iam.cloud.ibm.com/identity", token_endpoint: tokenEndpoint };
      const made = new Configuration(server, "some-client");
      allowInsecureRequests(made);
      return made;
    }),
});
