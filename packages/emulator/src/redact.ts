import { fingerprint } from "./fingerprint.ts";

/** An `Authorization` header without its secret. */
export interface LoggedAuthorization {
  /** Such as `Bearer`, as it was written. */
  readonly scheme: string;
  /** The fingerprint of what followed the scheme. */
  readonly fingerprint: string;
  /** The id of the token, when the emulator has issued it. */
  readonly jti: string | undefined;
}

/** Parameters that are no secret and are logged as they are; all others are redacted. */
const publicFields: ReadonlySet<string> = new Set([
  "grant_type",
  "response_type",
  "scope",
  "account",
  "ims_account",
  "profile_id",
  "profile_crn",
  "profile_name",
  "desired_iam_id",
  "receiver_client_ids",
  "delegated_refresh_token_expiry",
  "version",
  "pretty",
  "expires_in",
  "trusted_profile",
  "includeBuiltinActions",
  "includeCustomActions",
  "includeRoles",
  "prefixRolesWithDefinitionScope",
]);

/** IAM's longest name has 30 characters: a longer one is no name, but a body without one. */
const longestName = 40;
/** What the log keeps of one request is bounded, whatever its form holds. */
const keptFields = 50;
const keptValue = 1000;

/**
 * Parameters as the log shows them, the first of them: an empty one stays empty, a secret becomes its fingerprint, also one that
 * stands where a name belongs.
 */
export async function redactFields(fields: URLSearchParams): Promise<Record<string, string>> {
  const shown = await Promise.all(
    [...fields].slice(0, keptFields).map(async ([name, value]): Promise<[string, string]> => {
      const shownName = name.length > longestName ? await redacted(name) : name;
      if (value === "" || publicFields.has(name)) return [shownName, value.slice(0, keptValue)];
      return [shownName, await redacted(value)];
    }),
  );
  return Object.fromEntries(shown);
}

async function redacted(value: string): Promise<string> {
  return `[redacted] ${await fingerprint(value)}`;
}

/** An `Authorization` header as the log shows it. */
export async function redactAuthorization(
  header: string | null,
  jtiOf: (token: string) => string | undefined,
): Promise<LoggedAuthorization | undefined> {
  if (header === null) return undefined;
  const space = header.indexOf(" ");
  const scheme = space < 0 ? header : header.slice(0, space);
  const credentials = space < 0 ? "" : header.slice(space + 1).trim();
  // Without a space the whole header may be a secret.
  if (space < 0) return { scheme: "", fingerprint: await fingerprint(header), jti: undefined };
  return { scheme, fingerprint: await fingerprint(credentials), jti: jtiOf(credentials) };
}
