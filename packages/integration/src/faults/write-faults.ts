// Plays every fault and writes docs/faults.md.
import { writeFile } from "node:fs/promises";
import { createStage } from "./fault-scene.ts";
import { type FaultRecord, faultPage } from "./fault-table.ts";
import { allFaults, observeFault } from "./observe-fault.ts";

await using stage = await createStage();
const records: FaultRecord[] = [];
for (const fault of allFaults) records.push(await observeFault(stage, fault));
await writeFile(new URL("../../../../docs/faults.md", import.meta.url), faultPage(records));
console.log(`docs/faults.md: ${records.length} faults`);
