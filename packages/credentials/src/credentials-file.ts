import { join, resolve } from "node:path";
import { IamError } from "@iam/core";
import { isDirectory, isSomething, readTextFile } from "./read-file.ts";
import type { Surroundings } from "./surroundings.ts";

const fileName = "ibm-credentials.env";

/** The file that is used, or the places where none was found. */
export type FoundFile = { readonly path: string } | { readonly lookedAt: readonly string[] };

/**
 * Finds the credentials file: `IBM_CREDENTIALS_FILE`, which is a file or a directory with one in it; else
 * `ibm-credentials.env` in the working directory; else in the home directory. The first that is there is used, whatever is in it.
 *
 * Errors: `ERR_IAM_CONFIG` that names the file when `IBM_CREDENTIALS_FILE` leads nowhere.
 */
export function findCredentialsFile({ env, cwd, home }: Surroundings): FoundFile {
  const named = env.IBM_CREDENTIALS_FILE?.trim();
  if (named) {
    const path = resolve(cwd, named);
    const file = isDirectory(path) ? join(path, fileName) : path;
    if (isSomething(file)) return { path: file };
    throw new IamError(
      "ERR_IAM_CONFIG",
      `IBM_CREDENTIALS_FILE is ${named}, but ${file} does not exist. Correct the variable, or unset it to use other sources.`,
    );
  }
  const places = [cwd, home].map((directory) => join(directory, fileName));
  const path = places.find((place) => isSomething(place));
  return path === undefined ? { lookedAt: places } : { path };
}

/** The text of the file. Errors: `ERR_IAM_CONFIG` that names it. */
export function readCredentialsFile(path: string): string {
  return readTextFile(path, "The credentials file");
}
