import { attachment } from "./contract/attachment.ts";
import type { ContractCase } from "./contract-case.ts";

/** The whole contract of an adapter, as data: `testAdapter` registers it, a test of the tests runs parts of it. */
export const adapterContract: readonly ContractCase[] = [...attachment];
