import { type RunningEmulator, startEmulator } from "@iam/emulator";
import { createEmulator } from "@iam/emulator/handler";

const emulator: RunningEmulator = await startEmulator({ expiresInS: 90 });
emulator.fault({ kind: "throttle", retryAfter: 1 }, { times: 2 });
// @ts-expect-error: no such fault
emulator.fault({ kind: "explode" });
export const grants: number = emulator.counters.grants;
export const answer: Response = await createEmulator().fetch(new Request("https://iam.test"));
