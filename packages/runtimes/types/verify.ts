import { BearerError } from "@iam/core";
import { createVerifier } from "@iam/verify";

const verifier = createVerifier({ accounts: ["0123456789abcdef0123456789abcdef"], cache: false });
const claims = await verifier.verify("token");
export const iamId: string = claims.iam_id;
// @ts-expect-error: seconds are a number
createVerifier({ clockToleranceS: "5" });
// @ts-expect-error: a list, although there may be one
createVerifier({ accounts: "0123456789abcdef0123456789abcdef" });
// @ts-expect-error: claims do not change
claims.iam_id = "another";
export const status = (error: unknown): 400 | 401 | 403 | undefined =>
  error instanceof BearerError ? error.status : undefined;
