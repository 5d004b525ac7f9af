/** Something to be timed: one call, or a batch that says how many calls it made. */
export interface Contender {
  readonly name: string;
  /** Runs about `calls` calls. */
  run(calls: number): unknown | Promise<unknown>;
}

/** What a contender took. */
export interface Measured {
  readonly name: string;
  /** Median over the rounds. */
  readonly nsPerCall: number;
}

const median = (values: number[]): number =>
  values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/**
 * Times contenders in turns, round by round and in changing order, so that whatever else the machine does hits all alike:
 * what comes out is good for ratios within one run, and for nothing else.
 */
export async function measure(
  contenders: readonly Contender[],
  how: { rounds: number; calls: number },
): Promise<Measured[]> {
  const times = new Map(contenders.map((contender) => [contender, [] as number[]]));
  for (const contender of contenders) await contender.run(Math.ceil(how.calls / 4));
  for (let round = 0; round < how.rounds; round++) {
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) {
      const startedAt = process.hrtime.bigint();
      await contender.run(how.calls);
      times.get(contender)?.push(Number(process.hrtime.bigint() - startedAt) / how.calls);
    }
  }
  return contenders.map((contender) => ({
    name: contender.name,
    nsPerCall: median(times.get(contender) ?? []),
  }));
}

/** One line of a report: a figure, its target, and whether it is met. */
export function report(what: string, figure: number, target: string, met: boolean): void {
  console.log(`${met ? "ok  " : "MISS"} ${what}: ${figure.toFixed(2)} (target ${target})`);
  if (!met) process.exitCode = 1;
}
