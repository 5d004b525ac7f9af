import { apiKeyGrant, createTokenManager } from "@iam/core";
import { iamKy } from "@iam/ky";
import ky from "ky";

const manager = createTokenManager({ grant: apiKeyGrant("key") });
const api = ky.extend(iamKy({ manager }));
export const answer: { id: string } = await api.get("https://api.test", { context: { iam: false } }).json();
// @ts-expect-error: a manager is needed
iamKy({ origins: [] });
