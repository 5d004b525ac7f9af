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

/** What one contender takes beside another. */
export interface Compared {
  /** Time of the baseline by time of ours: of the requests per second of the baseline, the part that is left. */
  readonly ratio: number;
  /** Nanoseconds that a call of ours takes more. */
  readonly addedNs: number;
  /** The middle half of the rounds' ratios: how much the machine let them swing. */
  readonly quartiles: readonly [number, number];
}

/**
 * Times two contenders, one right after the other, each first in turn: both figures are medians of what each round alone
 * says, so that a burst of other work spoils the rounds that it falls into and no others.
 */
export async function compare(
  [baseline, ours]: readonly [Contender, Contender],
  how: { rounds: number; calls: number },
): Promise<Compared> {
  const time = async (contender: Contender) => {
    const startedAt = process.hrtime.bigint();
    await contender.run(how.calls);
    return Number(process.hrtime.bigint() - startedAt) / how.calls;
  };
  const ratios: number[] = [];
  const added: number[] = [];
  const warmUp = Math.ceil(how.rounds / 8);
  for (let round = -warmUp; round < how.rounds; round++) {
    const first = round % 2 === 0 ? await time(baseline) : undefined;
    const ourNs = await time(ours);
    const baselineNs = first ?? (await time(baseline));
    if (round < 0) continue;
    ratios.push(baselineNs / ourNs);
    added.push(ourNs - baselineNs);
  }
  const ratio = median(ratios);
  const quartile = (part: number) => ratios[Math.floor(ratios.length * part)] ?? Number.NaN;
  return { ratio, addedNs: median(added), quartiles: [quartile(0.25), quartile(0.75)] };
}

/** One line of a report: a figure, its target, and whether it is met. */
export function report(what: string, figure: number, target: string, met: boolean): void {
  console.log(`${met ? "ok  " : "MISS"} ${what}: ${figure.toFixed(2)} (target ${target})`);
  if (!met) process.exitCode = 1;
}
