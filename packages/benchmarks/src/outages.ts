// What outages and wrong clocks cost, as counts on a virtual clock: the same scenarios that packages/core tests.
import {
  clockTroubles,
  crossings,
  downs,
  grantsInTenHours,
  type Outage,
  outageWithoutToken,
  outageWithToken,
  retryAfter30,
  year,
} from "../../core/test/model/outages.ts";

const seeds = Array.from({ length: Number(process.argv[2] ?? 20) }, (_, index) => index + 1);

function line(what: string, figure: number, target: string, met: boolean): void {
  console.log(`${met ? "ok  " : "MISS"} ${what}: ${figure} (target ${target})`);
  if (!met) process.exitCode = 1;
}

async function worst(scenario: (seed: number) => Promise<Outage>): Promise<Outage> {
  const outages: Outage[] = [];
  for (const seed of seeds) outages.push(await scenario(seed));
  const most = (key: keyof Outage) => Math.max(...outages.map((outage) => outage[key]));
  return {
    requests: most("requests"),
    failedRequests: most("failedRequests"),
    tokenRequests: most("tokenRequests"),
    recoveryMs: most("recoveryMs"),
    maxInFlight: most("maxInFlight"),
    longestWaitMs: most("longestWaitMs"),
  };
}

console.log(
  `The token endpoint is down for 60 s at 50 requests a second; the worst of ${seeds.length} draws.`,
);
for (const [name, down] of Object.entries(downs)) {
  const held = await worst((seed) => outageWithToken(down, seed));
  line(`${name}, a token stays valid: failed requests`, held.failedRequests, "0", held.failedRequests === 0);
  line(
    `${name}, a token stays valid: token requests`,
    held.tokenRequests,
    "8 at most",
    held.tokenRequests <= 8,
  );
  const none = await worst((seed) => outageWithoutToken(down, seed));
  line(`${name}, no token: token requests`, none.tokenRequests, "20 at most", none.tokenRequests <= 20);
  line(
    `${name}, no token: ms until the first success`,
    none.recoveryMs,
    "9000 at most",
    none.recoveryMs <= 9000,
  );
  line(
    `${name}, no token: longest wait in ms`,
    none.longestWaitMs,
    "9000 at most",
    none.longestWaitMs <= 9000,
  );
  line(`${name}, no token: in flight at once`, none.maxInFlight, "1", none.maxInFlight === 1);
}
const { early, wrongHints, nextAfterMs } = await retryAfter30();
line("Retry-After: 30, ms until the next token request", nextAfterMs, "30000", nextAfterMs === 30_000);
line(
  "Retry-After: 30, callers told another time or served early",
  early + wrongHints,
  "0",
  early + wrongHints === 0,
);
const crossing = await crossings();
line(
  `${crossing.requests} requests at 200 a second, ${crossing.grants} grants of an endpoint that takes 400 ms: waited`,
  crossing.waited,
  "0",
  crossing.waited === 0,
);
let right = 0;
for (const [name, trouble] of Object.entries(clockTroubles)) {
  const grants = await grantsInTenHours(trouble);
  right ||= grants;
  const more = /forward|suspended/.test(name) ? 1 : 0;
  line(
    `grants in ten hours, ${name}`,
    grants,
    `${right} to ${right + more}`,
    grants >= right && grants <= right + more,
  );
}
const { failed, grants, faults } = await year({ requests: 1_000_000, lifetimes: 8_760, seed: 3 });
line(`a year of 1,000,000 requests with ${faults} faults: failed requests`, failed, "0", failed === 0);
line("a year of 8,760 lifetimes: grants", grants, "12264 at most", grants <= 1.4 * 8_760);
