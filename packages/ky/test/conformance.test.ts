import { testAdapter } from "@iam/conformance";
import { apiKeyGrant, createTokenManager, isIamError } from "@iam/core";
import ky from "ky";
import { iamKy } from "../src/index.ts";

testAdapter({
  name: "ky",
  cannot: {
    "take URLs as text":
      "ky makes a Request of a URL before anything else, and that refuses credentials by itself",
  },
  core: { createTokenManager, apiKeyGrant, isIamError },
  createClient(settings) {
    const api = ky.extend(iamKy(settings)).extend({ retry: 0, throwHttpErrors: false });
    return {
      async send({ url, ...init }) {
        const response = await api(url, init);
        return { status: response.status, text: await response.text(), response };
      },
    };
  },
});
