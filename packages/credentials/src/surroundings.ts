import { homedir } from "node:os";
import process from "node:process";

/** Where credentials are looked for. Read once. */
export interface SurroundingsOptions {
  /** The environment variables. Default: those of this process. */
  env?: Readonly<Record<string, string | undefined>> | undefined;
  /** The working directory, where `ibm-credentials.env` may be. Default: that of this process. */
  cwd?: string | undefined;
  /** The home directory, where `ibm-credentials.env` may be. Default: that of this process's user. */
  home?: string | undefined;
}

/** {@link SurroundingsOptions} with their defaults. */
export type Surroundings = {
  readonly [K in keyof SurroundingsOptions]-?: NonNullable<SurroundingsOptions[K]>;
};

/** Where this process is, unless told otherwise. */
export function surroundingsOf({ env, cwd, home }: SurroundingsOptions): Surroundings {
  return { env: env ?? process.env, cwd: cwd ?? process.cwd(), home: home ?? homedir() };
}
