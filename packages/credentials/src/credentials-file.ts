import { join, resolve } from "node:path";
import { IamError } from "@iam/core";
import { isDirectory, readTextFile, shownPath, whatIsAt } from "./read-file.ts";
import type { Surroundings } from "./surroundings.ts";

const fileName = "ibm-credentials.env";

/** The file that is used, or the places where none was found. */
export type FoundFile = { readonly path: string } | { readonly lookedAt: readonly string[] };

/**
 * Finds the credentials file: `IBM_CREDENTIALS_FILE`, which is a file or a directory with one in it; else
 * `ibm-credentials.env` in the working directory; else in the home directory. The first that is there is used, whatever is
 * in it. A directory that this process may not look into has none, unless `IBM_CREDENTIALS_FILE` leads there.
 *
 * Errors: `ERR_IAM_CONFIG` that names the file when `IBM_CREDENTIALS_FILE` leads nowhere.
 */
export function findCredentialsFile({ env, cwd, home }: Surroundings): FoundFile {
  const named = env.IBM_CREDENTIALS_FILE?.trim();
  if (named) {
    const path = resolve(cwd, named);
    const file = isDirectory(path) ? join(path, fileName) : path;
    if (whatIsAt(file) !== "nothing") return { path: file };
    throw new IamError(
      "ERR_IAM_CONFIG",
      `IBM_CREDENTIALS_FILE is ${shownPath(named)}, but ${shownPath(file)} does not exist. Correct the variable, or unset it to use other sources.`,
    );
  }
  const lookedAt: string[] = [];
  for (const directory of [cwd, home]) {
    if (directory === undefined) continue;
    const path = join(directory, fileName);
    const there = whatIsAt(path);
    if (there === "something") return { path };
    lookedAt.push(there === "unseen" ? `${path} (this process may not look there)` : path);
  }
  return { lookedAt };
}

/** The text of the file. Errors: `ERR_IAM_CONFIG` that names it. */
export function readCredentialsFile(path: string): string {
  return readTextFile(path, "The credentials file");
}
