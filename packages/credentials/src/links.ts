import { IamError } from "@iam/core";

/** One place where credentials were looked for, and what came of it. It holds no secret. */
export interface Link {
  /** The place. */
  readonly name:
    | "explicit"
    | "credentials file"
    | "environment"
    | "VCAP_SERVICES"
    | "CR token file"
    | "VPC metadata";
  /** Whether the credentials are from there; it is the last link then. */
  readonly used: boolean;
  /** What was found there, or why there was nothing: names of files and variables. */
  readonly reason: string;
}

/** A link, and what it gives if it gives something. */
export interface Look<T> extends Omit<Link, "used"> {
  readonly found?: T | undefined;
}

/**
 * The first thing that is found, and the links up to it.
 *
 * Errors: `ERR_IAM_CONFIG` that lists every link when nothing is.
 */
export function firstOf<T>(looks: Iterable<Look<T>>, whose: string): { found: T; links: readonly Link[] } {
  const links: Link[] = [];
  for (const { found, ...link } of looks) {
    links.push({ ...link, used: found !== undefined });
    if (found !== undefined) return { found, links };
  }
  const list = links.map(({ name, reason }) => `\n- ${name}: ${reason}`).join("");
  throw new IamError("ERR_IAM_CONFIG", `There are no credentials for ${whose}. Looked at:${list}`);
}
