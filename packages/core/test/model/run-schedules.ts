// Runs schedules that nobody has run before, in turns of every theme, until it is stopped or one fails.
// node packages/core/test/model/run-schedules.ts [minutes, 10 by default]
import * as core from "../../src/index.ts";
import { runSchedules, themeNames } from "./schedules.ts";

const minutes = Number(process.argv[2] ?? 10);
const endsAt = performance.now() + minutes * 60_000;
let runs = 0;
for (let turn = 0; performance.now() < endsAt; turn++) {
  const theme = themeNames[turn % themeNames.length];
  const seed = Math.floor(Math.random() * 2 ** 31);
  try {
    await runSchedules(core, { runs: 1000, theme, seed });
  } catch (error) {
    console.error(error);
    console.error(
      "Run it again with SCHEDULES_SEED, SCHEDULES_PATH and SCHEDULES_REPLAY_PATH as printed above:",
    );
    console.error(`pnpm exec vitest run packages/core/test/model/schedules.test.ts -t "about ${theme}"`);
    process.exit(1);
  }
  runs += 1000;
  console.log(`${runs} schedules, the last 1,000 about ${theme} with seed ${seed}`);
}
