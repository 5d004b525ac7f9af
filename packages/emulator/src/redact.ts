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

/** A whole body that is no form is read as the name of a parameter: what does not look like one may be a key. */
const parameterName = /^[a-z][a-z_]{0,39}$/i;
/** What the log keeps of one request is bounded, whatever its form holds. */
const keptFields = 50;
const keptValue = 1000;

/** Schemes that are shown; in the place of any other there may be a secret. */
const knownScheme = /^(basic|bearer|digest|negotiate|token|apikey|dpop)$/i;

/**
 * Parameters as the log shows them, the first of them: an empty one stays empty, a secret becomes its fingerprint, also one that
 * stands where a name belongs.
 */
export async function redactFields(fields: URLSearchParams): Promise<Record<string, string>> {
  const shown = await Promise.all(
    [...fields].slice(0, keptFields).map(async ([name, value]): Promise<[string, string]> => {
      const shownName = parameterName.test(name) ? name : await redacted(name);
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
  // Without a scheme the whole header may be a secret.
  if (space < 0 || !knownScheme.test(scheme))
    return { scheme: "", fingerprint: await fingerprint(header), jti: undefined };
  return { scheme, fingerprint: await fingerprint(credentials), jti: jtiOf(credentials) };
}
