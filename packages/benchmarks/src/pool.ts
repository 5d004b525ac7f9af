// What a tenant of a pool costs: heap beyond its token, a look-up among 100,000, and whether `max` is kept.
import { apiKeyGrant, createTokenPool, type Grant, tokenResponse } from "@iam/core";
import { report } from "./measure.ts";

const count = 100_000;
const { gc } = globalThis;
if (gc === undefined) throw new Error("run with: node --expose-gc src/pool.ts");

// As long as IAM's, and each another.
const padding = "x".repeat(1_400);
let requests = 0;
const transport = async () => {
  // Flat, as what comes from the network is: not a rope of parts.
  const access_token = Buffer.from(`${padding}.${++requests}`.padEnd(1_420, "y")).toString("latin1");
  return tokenResponse({
    status: 200,
    body: JSON.stringify({
      access_token,
      refresh_token: "not_supported",
      token_type: "Bearer",
      expires_in: 3600,
    }),
  });
};
const options = { grantFor: (tenant: string): Grant => apiKeyGrant(`key-of-${tenant}`), transport };
const names = Array.from({ length: count }, (_, at) => `tenant-${at}`);

async function heapBytes(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (let pass = 0; pass < 4; pass++) gc?.();
  return process.memoryUsage().heapUsed;
}

async function fill(pool: ReturnType<typeof createTokenPool>): Promise<number> {
  let bytes = 0;
  for (const name of names) bytes += (await pool.managerFor(name).getToken()).accessToken.length;
  return bytes;
}

// The engine's own tables grow with the first ones.
await fill(createTokenPool({ ...options, max: 1_000 }));
const before = await heapBytes();
const pool = createTokenPool({ ...options, max: count });
const tokenBytes = await fill(pool);
const perTenant = ((await heapBytes()) - before - tokenBytes) / count;
report("heap per tenant beyond its token, bytes", perTenant, "at most 2500", perTenant <= 2_500);
report("tenants kept", pool.size, `${count}`, pool.size === count);

let at = 0;
let seen = 0;
/** Processor time per call, so that what else the machine does is not counted; the median of some rounds. */
function nsPerCall(look: (name: string) => unknown): number {
  const calls = 200_000;
  const rounds: number[] = [];
  for (let round = 0; round < 15; round++) {
    const from = process.cpuUsage();
    for (let call = 0; call < calls; call++) {
      at = (at + 7_919) % count;
      if (look(names[at] ?? "") !== undefined) seen++;
    }
    const { user, system } = process.cpuUsage(from);
    rounds.push(((user + system) * 1_000) / calls);
  }
  return rounds.sort((a, b) => a - b)[7] ?? Number.NaN;
}
const plain = new Map(names.map((name) => [name, { name }]));
const bare = nsPerCall((name) => plain.get(name));
const lookUp = nsPerCall((name) => pool.managerFor(name));
const peek = nsPerCall((name) => pool.managerFor(name).peek());
if (seen !== 3 * 15 * 200_000) throw new Error("not everything was found");
report("look-up of a tenant among 100,000, ns of processor time", lookUp, "below 400", lookUp < 400);
console.log(
  `     a plain Map: ${bare.toFixed(0)} ns; look-up and peek() at its token: ${peek.toFixed(0)} ns`,
);

const small = createTokenPool({ ...options, max: 1_000 });
await fill(small);
report("tenants kept of 100,000 with max 1,000", small.size, "1000", small.size === 1_000);
const requestsBefore = requests;
for (const name of names.slice(-500)) await small.managerFor(name).getToken();
report(
  "token requests for tenants that are kept",
  requests - requestsBefore,
  "0",
  requests === requestsBefore,
);
