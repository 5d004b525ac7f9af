export * from "./handler.ts";
export type { Listener, ListenOptions, RunningEmulator, StartOptions } from "./node-server.ts";
export { isLoopback, startEmulator } from "./node-server.ts";
