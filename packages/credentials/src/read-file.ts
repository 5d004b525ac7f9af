import { lstatSync, readFileSync, statSync } from "node:fs";
import { IamError } from "@iam/core";

/** No credential is larger than a few kilobytes. */
const maxBytes = 1_048_576;

/**
 * The text of a small file, read now.
 *
 * Errors: `ERR_IAM_CONFIG` that names the file and says why it cannot be read; `retryable`, because files come late where a
 * cluster mounts them.
 */
export function readTextFile(path: string, what: string): string {
  let problem: string | undefined;
  try {
    const { size } = requireRegular(path);
    if (size <= maxBytes) return readFileSync(path, "utf8");
    problem = "is larger than 1 MiB";
  } catch (error) {
    problem = problemOf(error);
  }
  throw new IamError("ERR_IAM_CONFIG", `${what} ${path} ${problem}.`, { retryable: true });
}

/** Whether there is something at a path, if only a link that leads nowhere. */
export function isSomething(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Whether there is a directory at a path. */
export function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Reading a pipe or a device could wait for ever. */
function requireRegular(path: string): { size: number } {
  const stat = statSync(path);
  if (stat.isFile()) return stat;
  throw Object.assign(new Error(), { code: stat.isDirectory() ? "EISDIR" : "not a file" });
}

function problemOf(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return "does not exist";
    case "EACCES":
    case "EPERM":
      return `may not be read by this process (${code})`;
    case "EISDIR":
      return "is a directory, not a file";
    case "not a file":
      return "is not a regular file";
    default:
      return `cannot be read (${typeof code === "string" ? code : "unknown reason"})`;
  }
}
