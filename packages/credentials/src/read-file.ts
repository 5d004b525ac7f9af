import { lstatSync, readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import { IamError } from "@iam/core";

/** No credential is larger than a few kilobytes. */
const maxBytes = 1_048_576;

const missing = "does not exist";

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
  throw new IamError("ERR_IAM_CONFIG", `${what} ${shownPath(path)} ${problem}.`, { retryable: true });
}

/**
 * A path, for a message; not one that looks like what should be in the file: a key or a token, which are longer than the names
 * of files, or settings. An API key of IBM has 44 characters.
 */
export function shownPath(path: string): string {
  const looksLikeSecret = /[\r\n"{}]/.test(path) || /^.{40}|=/.test(basename(path));
  return looksLikeSecret ? "(not shown: this is no path, but looks like a secret)" : path;
}

/**
 * Whether there is something at a path, if only a link that leads nowhere; `unseen` when this process may not look: in a
 * container the home directory is often somebody else's.
 */
export function whatIsAt(path: string): "nothing" | "something" | "unseen" {
  try {
    lstatSync(path);
    return "something";
  } catch (error) {
    return problemOf(error) === missing ? "nothing" : "unseen";
  }
}

/** Whether there is a directory at a path, as far as this process can see. */
export function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
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
      return missing;
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
