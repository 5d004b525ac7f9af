import { apiKeyGrant, createTokenManager } from "@iam/core";
import { iamFetch } from "@iam/fetch";

const manager = createTokenManager({ grant: apiKeyGrant("key") });
// It is a fetch, wherever one is wanted.
const fetch: typeof globalThis.fetch = iamFetch({ manager, origins: ["https://api.test"] });
export const response: Response = await fetch(new URL("https://api.test"), { method: "POST", body: "x" });
// @ts-expect-error: a manager is needed
iamFetch({});
// @ts-expect-error: one of two words
iamFetch({ manager, otherOrigins: "allow" });
// @ts-expect-error: origins are text
iamFetch({ manager, origins: [/api/] });
