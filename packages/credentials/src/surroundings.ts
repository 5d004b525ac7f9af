import { homedir } from "node:os";
import process from "node:process";
import { IamError } from "@iam/core";

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
export interface Surroundings {
  readonly env: NonNullable<SurroundingsOptions["env"]>;
  readonly cwd: string;
  /** Undefined for a user without one. */
  readonly home: string | undefined;
}

/** Checks that options are an object: a name alone is a usual slip. Errors: `ERR_IAM_CONFIG` that says whose options. */
export function requireObject(caller: string, options: unknown): void {
  if (typeof options === "object" && options !== null) return;
  throw new IamError(
    "ERR_IAM_CONFIG",
    `${caller} takes an object of options, such as { service: "cloudant" }.`,
  );
}

/** Where this process is, unless told otherwise. */
export function surroundingsOf(options: SurroundingsOptions): Surroundings {
  const { env, cwd, home } = options;
  return { env: env ?? process.env, cwd: cwd ?? process.cwd(), home: home ?? homeDirectory() };
}

/** `homedir` throws for a user that the system does not know, as containers have. */
function homeDirectory(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}
