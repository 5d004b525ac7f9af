import { testAdapter } from "@iam/conformance";
import { apiKeyGrant, createTokenManager, isIamError } from "@iam/core";
import { iamFetch } from "../src/index.ts";

testAdapter({
  name: "fetch",
  core: { createTokenManager, apiKeyGrant, isIamError },
  createClient(settings) {
    const fetch = iamFetch(settings);
    return {
      async send({ url, ...init }) {
        // Only a stream wants it, and the types of the platform do not know it.
        const duplex = init.body instanceof ReadableStream && { duplex: "half" as const };
        const response = await fetch(url, Object.assign(init, duplex));
        return { status: response.status, text: await response.text(), response };
      },
    };
  },
});
