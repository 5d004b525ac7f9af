/** What an {@link EmulatorError} is about. */
export type EmulatorErrorCode =
  /** The server was told to listen beyond this machine without `allowRemote`. */
  | "ERR_EMULATOR_REMOTE"
  /** The server could not listen; `cause` says why. */
  | "ERR_EMULATOR_LISTEN"
  /** An option or a control request makes no sense. */
  | "ERR_EMULATOR_OPTION";

/**
 * The error that the emulator's own functions throw; what it answers over HTTP is IAM's business.
 *
 * @example
 * ```ts
 * import { EmulatorError } from "@iam/emulator";
 * export const isRemote = (error: unknown) => error instanceof EmulatorError && error.code === "ERR_EMULATOR_REMOTE";
 * ```
 */
export class EmulatorError extends Error {
  override readonly name = "EmulatorError";
  readonly code: EmulatorErrorCode;

  constructor(code: EmulatorErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
