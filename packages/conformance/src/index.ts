export { adapterContract } from "./adapter-contract.ts";
export type {
  AdapterAnswer,
  AdapterBody,
  AdapterClient,
  AdapterRequest,
  AdapterSubject,
  Capability,
  ClientSettings,
  CoreFunctions,
  HeldToken,
  ManagerSettings,
  ManagerShape,
} from "./adapter-subject.ts";
export { findSecret } from "./canary.ts";
export type { ContractCase } from "./contract-case.ts";
export { type StoreCase, storeContract } from "./store-contract.ts";
export type { OpenStore, StoreCapability, StoreShape, StoreSubject } from "./store-subject.ts";
export { type ContractMeta, testAdapter } from "./test-adapter.ts";
export { testStore } from "./test-store.ts";
export { testTransport } from "./test-transport.ts";
export { type TransportCase, transportContract } from "./transport-contract.ts";
export type {
  TransportAnswer,
  TransportRequest,
  TransportShape,
  TransportSubject,
} from "./transport-subject.ts";
