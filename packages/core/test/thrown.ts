import { IamError } from "../src/errors.ts";

/** The IamError that a call throws; anything else fails the test. */
export function thrownBy(run: () => unknown): IamError {
  try {
    run();
  } catch (error) {
    return ours(error);
  }
  throw new Error("nothing was thrown");
}

/** The IamError that a promise rejects with; anything else fails the test. */
export async function rejectionOf(run: () => Promise<unknown>): Promise<IamError> {
  try {
    await run();
  } catch (error) {
    return ours(error);
  }
  throw new Error("nothing was thrown");
}

function ours(error: unknown): IamError {
  if (error instanceof IamError) return error;
  throw new Error("something other than an IamError was thrown", { cause: error });
}
