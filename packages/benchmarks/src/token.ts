// What a held token costs: `getToken` and `peek` beside closures that somebody would write by hand.
import { apiKeyGrant, createTokenManager, type Token } from "@iam/core";
import { startEmulator } from "@iam/emulator";
import { type Contender, type Measured, measure, report } from "./measure.ts";

await using emulator = await startEmulator();
const grant = apiKeyGrant(emulator.apiKey);
await using manager = createTokenManager({ grant, tokenEndpoint: emulator.url });

await manager.getToken();

/** What somebody writes by hand: a token and when it ends, in a closure. No single flight, no refresh, no 401. */
function byHand(exchange: () => Promise<Token>, clocks: 1 | 2): () => Promise<Token> {
  let token: Token | undefined;
  let untilWall = 0;
  let untilMonotonic = 0;
  const renew = async () => {
    token = await exchange();
    untilWall = Date.now() + 3_000_000;
    untilMonotonic = performance.now() + 3_000_000;
    return token;
  };
  return clocks === 1
    ? async () => (token !== undefined && Date.now() < untilWall ? token : renew())
    : async () =>
        token !== undefined && performance.now() < untilMonotonic && Date.now() < untilWall ? token : renew();
}
const twoClocks = byHand(manager.getToken, 2);
const oneClock = byHand(manager.getToken, 1);
const untilWall = Date.now() + 3_000_000;
const untilMonotonic = performance.now() + 3_000_000;

/** Each has a loop of its own, so that the engine makes of each what it would make of a caller's. */
const awaited: Contender[] = [
  {
    name: "await manager.getToken()",
    run: async (calls) => {
      for (let call = 0; call < calls; call++) await manager.getToken();
    },
  },
  {
    name: "await a closure that reads both clocks",
    run: async (calls) => {
      for (let call = 0; call < calls; call++) await twoClocks();
    },
  },
  {
    name: "await a closure that reads Date.now()",
    run: async (calls) => {
      for (let call = 0; call < calls; call++) await oneClock();
    },
  },
];
let seen = 0;
const synchronous: Contender[] = [
  {
    name: "manager.peek()",
    run: (calls) => {
      for (let call = 0; call < calls; call++) if (manager.peek() !== undefined) seen++;
    },
  },
  {
    name: "a read of both clocks",
    run: (calls) => {
      for (let call = 0; call < calls; call++)
        if (performance.now() < untilMonotonic && Date.now() < untilWall) seen++;
    },
  },
];

const results = [
  ...(await measure(awaited, { rounds: 31, calls: 100_000 })),
  ...(await measure(synchronous, { rounds: 31, calls: 300_000 })),
];
if (seen === 0) throw new Error("nothing was held");
for (const { name, nsPerCall } of results) console.log(`     ${name}: ${nsPerCall.toFixed(0)} ns`);
const [getToken, both, one, peek, clocks] = results as [Measured, Measured, Measured, Measured, Measured];
const ratio = (a: Measured, b: Measured) => a.nsPerCall / b.nsPerCall;
report(
  "getToken / closure with both clocks",
  ratio(getToken, both),
  "at most 1.1",
  ratio(getToken, both) <= 1.1,
);
report("getToken / closure with Date.now()", ratio(getToken, one), "at most 2", ratio(getToken, one) <= 2);
report("peek / both clocks", ratio(peek, clocks), "at most 1.2", ratio(peek, clocks) <= 1.2);

const before = emulator.counters.grants;
await using cold = createTokenManager({ grant, tokenEndpoint: emulator.url });
await Promise.all(Array.from({ length: 10_000 }, () => cold.getToken()));
const grants = emulator.counters.grants - before;
report("grants for 10,000 concurrent first calls", grants, "1", grants === 1);
