import { type FaultCase, faultCases, faultChapters } from "./fault-cases.ts";
import { faultClients } from "./fault-clients.ts";
import { heldTokens, type Observation, type Stage } from "./fault-scene.ts";
import type { FaultRecord } from "./fault-table.ts";

/** The faults in the order of the table. */
export const allFaults: readonly { readonly heading: string; readonly faultCase: FaultCase }[] =
  faultChapters.flatMap(({ heading, kinds }) =>
    kinds.flatMap((kind) => faultCases[kind].map((faultCase) => ({ heading, faultCase }))),
  );

/** Plays one fault with each kind of token and each client. */
export async function observeFault(
  stage: Stage,
  { heading, faultCase }: (typeof allFaults)[number],
): Promise<FaultRecord> {
  const seen: Record<string, Record<string, Observation>> = {};
  for (const held of heldTokens) {
    const byClient: Record<string, Observation> = {};
    for (const client of Object.keys(faultClients))
      byClient[client] = await stage.play(faultCase, held, client);
    seen[held] = byClient;
  }
  return { heading, faultCase, seen: seen as FaultRecord["seen"] };
}
