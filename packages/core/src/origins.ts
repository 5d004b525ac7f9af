import { configError, IamError } from "./errors.ts";
import { hasCredentials, isSecure, parseUrl } from "./token-request.ts";

/** Where the token may go. */
export interface OriginOptions {
  /**
   * Exact origins (`https://api.example.com`, `https://api.example.com:8443`), subdomains of a suffix of at least two
   * labels (`https://*.example.com`), or loopback over http (`http://127.0.0.1:8080`).
   *
   * Default: `["https://*.cloud.ibm.com"]`. Given ones replace the default.
   */
  origins?: readonly string[] | undefined;
  /**
   * What happens to a request to any other origin: `"refuse"` fails it with `ERR_IAM_ORIGIN_NOT_ALLOWED`, `"pass"` sends
   * it without a token. Default: `"refuse"`.
   */
  otherOrigins?: "refuse" | "pass" | undefined;
}

/** The verdict on one URL, and the URL that it was made on: the one to send to. */
export interface OriginVerdict {
  /** Whether the request may carry the token. */
  readonly allowed: boolean;
  /** The URL as parsed for the verdict. */
  readonly url: URL;
}

/** The rules made of {@link OriginOptions}. */
export interface OriginRules {
  /**
   * Judges a URL. Errors: `ERR_IAM_ORIGIN_NOT_ALLOWED` for one that is not allowed, unless other origins pass or
   * `mayPass` is true.
   */
  judge(url: string | URL, options?: { mayPass?: boolean | undefined }): OriginVerdict;
}

const ibmCloud: readonly string[] = ["https://*.cloud.ibm.com"];

/**
 * Origins of IBM Cloud services that are not under `cloud.ibm.com`, to be listed by who uses them.
 *
 * Source: https://cloud.ibm.com/docs/cloud-object-storage?topic=cloud-object-storage-endpoints
 *
 * @example
 * ```ts
 * import { ibmOrigins } from "@iam/core";
 * export const origins = ["https://*.cloud.ibm.com", ...ibmOrigins.objectStorage];
 * ```
 */
export const ibmOrigins: {
  /** The default: every service under `cloud.ibm.com`. */
  readonly cloud: readonly string[];
  /** The S3 API of Cloud Object Storage: public, private and direct, each host and its bucket subdomains. */
  readonly objectStorage: readonly string[];
} = /* @__PURE__ */ makeIbmOrigins();

function makeIbmOrigins(): typeof ibmOrigins {
  return { cloud: ibmCloud, objectStorage: objectStorageOrigins() };
}

function objectStorageOrigins(): string[] {
  const locations =
    "us-south us-east eu-gb eu-de eu-es au-syd jp-tok jp-osa ca-tor ca-mon br-sao us eu ap ams03 che01 mil01 mon01 par01 sjc04 sng01";
  return locations.split(" ").flatMap((location) =>
    ["s3", "s3.private", "s3.direct"].flatMap((kind) => {
      const host = `${kind}.${location}.cloud-object-storage.appdomain.cloud`;
      return [`https://${host}`, `https://*.${host}`];
    }),
  );
}

/**
 * Makes the rules that say which URLs may carry the token. Pure.
 *
 * Errors: `ERR_IAM_CONFIG` for what is not an origin, and for wildcards where anybody may host.
 *
 * @example
 * ```ts
 * import { originRules } from "@iam/core";
 * const rules = originRules({ origins: ["https://api.example.com"] });
 * export const verdict = rules.judge("https://api.example.com/v1/things"); // { allowed: true, url }
 * ```
 */
export function originRules({
  origins = ibmCloud,
  otherOrigins = "refuse",
}: OriginOptions = {}): OriginRules {
  if (!/^(refuse|pass)$/.test(otherOrigins)) throw configError('otherOrigins is "refuse" or "pass".');
  const listed: readonly unknown[] =
    Array.isArray(origins) && origins.length > 0 ? [...origins] : [undefined];
  const allowing = new RegExp(`^(${listed.map(readPattern).join("|")})/`);
  return {
    judge(target, { mayPass = otherOrigins === "pass" } = {}) {
      // One parse: the verdict and the request must not read the same text differently.
      const url = parseUrl(`${target}`);
      // The text from its first letter: credentials before the host, or blob: before the scheme, are no part of an origin.
      const allowed = !!url && allowing.test(url.href);
      if (!url || !(allowed || mayPass)) throw notAllowed(url, listed);
      return { allowed, url };
    },
  };
}

/** Two labels at least, no address, port 443 only. */
const wildcardHost = /^([^.:]+\.)+[^.:\d][^.:]*$/;

/** Customers host under containers, codeengine, lb and s3-web there; only the S3 API hosts are IBM's alone. */
const hostOfAnybody =
  /^(?!s3(\.(?!s3)[a-z\d-]+){1,3}\.cloud-object-storage\.appdomain)(.+\.)?appdomain\.cloud$/;

/** What matches the origins that a pattern allows, as they stand in a URL before the slash. */
function readPattern(pattern: unknown, index: number): string {
  const text = typeof pattern === "string" ? pattern : "";
  const isWildcard = text.includes("*");
  const url = parseUrl(text.replace("*.", ""));
  if (
    !url ||
    !/^https?:\/\/(\*\.)?[^\s/\\@?#*]+\/?$/.test(text) ||
    !isSecure(url) ||
    (isWildcard ? !wildcardHost.test(url.host) : url.hostname.endsWith("."))
  ) {
    // Which one, not what: it may be a secret in the wrong place.
    throw configError(
      `origins is a list like ["https://host:8443", "https://*.two.labels", "http://localhost"], without paths: check origins[${index}].`,
    );
  }
  const { protocol, host } = url;
  if (isWildcard && hostOfAnybody.test(host))
    throw configError(`Anybody may host under ${host}: list exact origins, or ibmOrigins.objectStorage.`);
  return `${protocol}//${isWildcard ? "([^./@]+\\.)+" : ""}${host.replace(/\W/g, "\\$&")}`;
}

function notAllowed(url: URL | undefined, origins: readonly unknown[]): IamError {
  const problem = !url?.host
    ? "has no URL with a host"
    : hasCredentials(url)
      ? "has credentials in its URL"
      : `goes to "${url.origin}": add that to origins (${origins.slice(0, 5).join(", ")}) if it may have the token, or set otherOrigins: "pass"`;
  return new IamError("ERR_IAM_ORIGIN_NOT_ALLOWED", `The request ${problem}.`);
}
