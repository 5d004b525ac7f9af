export { type DiscoverIamOptions, discoverIam } from "./discover-iam.ts";
export { type GrantParameters, type OpenidGrantOptions, openidGrant } from "./openid-grant.ts";
export {
  type ConfigurationSource,
  type OpenidTransportOptions,
  openidTransport,
} from "./openid-transport.ts";
