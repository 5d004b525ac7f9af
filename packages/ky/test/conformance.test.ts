import { testAdapter } from "@iam/conformance";
import { apiKeyGrant, createTokenManager, isIamError } from "@iam/core";
import ky from "ky";
import oldestKy from "ky-2-0";
import { iamKy } from "../src/index.ts";

/** Both ends of the range of the peer; the older one lacks a method that is not used here. */
const versions: Record<string, typeof ky> = { ky, "ky 2.0.0": oldestKy as unknown as typeof ky };

for (const [name, version] of Object.entries(versions)) {
  testAdapter({
    name,
    cannot: {
      "take URLs as text":
        "ky makes a Request of a URL before anything else, and that refuses credentials by itself",
    },
    core: { createTokenManager, apiKeyGrant, isIamError },
    createClient(settings) {
      const api = version.extend(iamKy(settings)).extend({ retry: 0, throwHttpErrors: false });
      return {
        async send({ url, ...init }) {
          const response = await api(url, init);
          return { status: response.status, text: await response.text(), response };
        },
      };
    },
  });
}
