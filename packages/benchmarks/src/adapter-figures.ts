import { contender } from "./loopback.ts";
import { compare, report } from "./measure.ts";

/** One request, sent by the client with a constant header, and by the same client with ours. */
export interface Sides {
  constant(): Promise<unknown>;
  authorized(): Promise<unknown>;
}

/** Requests per second over loopback with keep-alive, as a part of those with a constant header. */
export async function judgeOverLoopback(name: string, { constant, authorized }: Sides): Promise<void> {
  for (const concurrency of [1, 50]) {
    const { ratio, quartiles } = await compare(
      [contender("constant", concurrency, constant), contender("authorized", concurrency, authorized)],
      // Short turns: both sides then meet the same neighbours on the machine.
      concurrency === 1 ? { rounds: 4000, calls: 1 } : { rounds: 250, calls: 50 },
    );
    const between = quartiles.map((quartile) => quartile.toFixed(2)).join(" to ");
    report(
      `${name}, requests per second at concurrency ${concurrency}, ratio (half of the rounds: ${between})`,
      ratio,
      ">= 0.97",
      ratio >= 0.97,
    );
  }
}

/** Microseconds added to a request whose transport is a function that has its answer ready. */
export async function judgeInProcess(name: string, atMostUs: number, sides: Sides): Promise<void> {
  const { addedNs } = await compare(
    [contender("constant", 1, sides.constant), contender("authorized", 1, sides.authorized)],
    { rounds: 1500, calls: 50 },
  );
  const addedUs = addedNs / 1000;
  report(`${name}, microseconds added in process`, addedUs, `<= ${atMostUs}`, addedUs <= atMostUs);
}
