import { resolve } from "node:path";
import { IamError } from "@iam/core";
import { readTextFile, shownPath } from "./read-file.ts";

/** Where a pod of IBM Cloud finds the token of its compute resource, in the order in which the files are tried. */
export const crTokenFiles: readonly string[] = [
  "/var/run/secrets/tokens/vault-token",
  "/var/run/secrets/tokens/sa-token",
  "/var/run/secrets/codeengine.cloud.ibm.com/compute-resource-token/token",
];

/**
 * A secret in a file, such as a mounted one: read again for each exchange, so that a rotated one is seen without a restart.
 * White space around it is ignored. Of a JSON object, as the console and the CLI save API keys, it is the member `apikey`.
 *
 * Errors: the function fails with `ERR_IAM_CONFIG`, which names the file, when it is missing, empty or cannot be read; the next
 * call works as soon as the file is there.
 * Source: https://cloud.ibm.com/docs/account?topic=account-userapikey
 *
 * @example
 * ```ts
 * import { apiKeyGrant, createTokenManager } from "@iam/core";
 * import { secretFile } from "@iam/credentials";
 * export const manager = createTokenManager({ grant: apiKeyGrant(secretFile("/run/secrets/ibm-api-key")) });
 * ```
 */
export function secretFile(path: string): () => string {
  const file = absolute(path, "secretFile");
  return () => {
    const text = readSecret(file, "The file");
    return text.startsWith("{") ? apiKeyIn(text, file) : text;
  };
}

/**
 * The token of a compute resource (a pod of IKS, ROKS or Code Engine) as the platform projects it into a file; read again for
 * each exchange.
 *
 * Default: the first of three well-known files that can be read and is not empty.
 * Errors: the function fails with `ERR_IAM_CONFIG`, which names every file that was tried; the next call works as soon as one
 * is there.
 * Source: https://cloud.ibm.com/docs/containers?topic=containers-pod-iam-identity
 *
 * @example
 * ```ts
 * import { createTokenManager, crTokenGrant } from "@iam/core";
 * import { crTokenFile } from "@iam/credentials";
 * export const manager = createTokenManager({ grant: crTokenGrant(crTokenFile(), { profileName: "my-profile" }) });
 * ```
 */
export function crTokenFile(path: string | readonly string[] = crTokenFiles): () => string {
  const files = (Array.isArray(path) ? path : [path]).map((each) => absolute(each, "crTokenFile"));
  return () => {
    const problems: string[] = [];
    for (const file of files) {
      try {
        return readSecret(file, "The CR token file");
      } catch (error) {
        problems.push((error as IamError).message);
      }
    }
    throw new IamError("ERR_IAM_CONFIG", problems.join(" "), { retryable: true });
  };
}

function readSecret(file: string, what: string): string {
  const text = readTextFile(file, what).trim();
  if (text !== "") return text;
  throw new IamError("ERR_IAM_CONFIG", `${what} ${shownPath(file)} is empty.`, { retryable: true });
}

function apiKeyIn(text: string, file: string): string {
  let value: unknown;
  try {
    value = (JSON.parse(text) as { apikey?: unknown }).apikey;
  } catch {
    // Its message would quote the file.
  }
  if (typeof value === "string") return value.trim();
  throw new IamError(
    "ERR_IAM_CONFIG",
    `The file ${shownPath(file)} begins like JSON, but is not an object with a member "apikey".`,
    { retryable: true },
  );
}

function absolute(path: unknown, caller: string): string {
  if (typeof path === "string" && path !== "") return resolve(path);
  throw new IamError("ERR_IAM_CONFIG", `${caller} needs the path of a file.`);
}
