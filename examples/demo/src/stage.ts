import type { RunningEmulator } from "@iam/emulator";
import type { Load } from "./load.ts";
import type { Screen } from "./screen.ts";
import type { TokenWatch } from "./token-watch.ts";

/** What every act has at hand. */
export interface Stage {
  readonly screen: Screen;
  readonly emulator: RunningEmulator;
  readonly load: Load;
  readonly watch: TokenWatch;
}

/** Seconds that a token lives here instead of an hour: every turn of its life fits into a quarter of a minute. */
export const lifetimeS = 9;

/** Fails with what was counted, when that is not what the act promises. */
export function expect(counted: number, expected: number | { atLeast: number }, what: string): void {
  const met = typeof expected === "number" ? counted === expected : counted >= expected.atLeast;
  if (met) return;
  const wanted = typeof expected === "number" ? expected : `at least ${expected.atLeast}`;
  throw new Error(`Not as it should be: ${what}: ${wanted} expected, ${counted} counted.`);
}

/** Fails when a caller of the protected resource saw a failure. */
export function expectNoFailure({ load }: Stage): void {
  const { failures, firstFailure } = load.counts;
  expect(failures, 0, `requests that failed${failures > 0 ? ` (the first: ${firstFailure})` : ""}`);
}
