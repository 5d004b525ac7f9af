import { attachment } from "./contract/attachment.ts";
import { cancellation } from "./contract/cancellation.ts";
import { lifetime } from "./contract/lifetime.ts";
import { origins } from "./contract/origins.ts";
import { redirects } from "./contract/redirects.ts";
import { replay } from "./contract/replay.ts";
import { secrets } from "./contract/secrets.ts";
import { sharing } from "./contract/sharing.ts";
import { tokenEndpoint } from "./contract/token-endpoint.ts";
import { unauthorized } from "./contract/unauthorized.ts";
import type { ContractCase } from "./contract-case.ts";

/** The whole contract of an adapter, as data: `testAdapter` registers it, a test of the tests runs parts of it. */
export const adapterContract: readonly ContractCase[] = [
  ...attachment,
  ...sharing,
  ...lifetime,
  ...unauthorized,
  ...replay,
  ...origins,
  ...redirects,
  ...tokenEndpoint,
  ...cancellation,
  ...secrets,
];
