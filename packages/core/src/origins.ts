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
  if (!Array.isArray(origins) || origins.length === 0) throw notAnOrigin(origins);
  if (!/^(refuse|pass)$/.test(otherOrigins)) throw configError('otherOrigins must be "refuse" or "pass".');
  const listed: readonly string[] = [...origins];
  const patterns = listed.map(readPattern);
  return {
    judge(target, { mayPass = otherOrigins === "pass" } = {}) {
      // One parse: the verdict and the request must not read the same text differently.
      const url = parseUrl(`${target}`);
      const allowed = url !== undefined && !hasCredentials(url) && patterns.some((allows) => allows(url));
      if (url === undefined || !(allowed || mayPass)) throw notAllowed(url, listed);
      return { allowed, url };
    },
  };
}

const objectStorageHost =
  /^s3(\.private|\.direct)?\.[a-z\d-]+(\.(us|eu|ap))?\.cloud-object-storage\.appdomain\.cloud$/;

/** What tells whether a URL is at the origin of a pattern, or under its suffix. */
function readPattern(pattern: unknown): (url: URL) => boolean {
  const text = typeof pattern === "string" ? pattern : "";
  const isOrigin = /^https?:\/\/(\*\.)?[^\s/\\@?#*]+\/?$/.test(text);
  const own = parseUrl(text.replace("*.", ""));
  if (!isOrigin || own === undefined || !isSecure(own) || own.hostname.endsWith("."))
    throw notAnOrigin(pattern);
  const { origin, host } = own;
  // Not the member origin: that of a blob: URL is the one of the URL inside.
  const originOf = (url: URL) => `${url.protocol}//${url.host}`;
  if (!text.includes("*")) return (url) => originOf(url) === origin;
  // Two labels at least, no address, port 443 only.
  if (!/^([^.:]+\.)+[^.:\d][^.:]*$/.test(host)) throw notAnOrigin(pattern);
  // Customers host under containers, codeengine, lb and s3-web there; only the S3 API hosts are IBM's alone.
  if (/\bappdomain\.cloud$/.test(host) && !objectStorageHost.test(host)) {
    throw configError(
      `Anybody may host under appdomain.cloud, so ${text} gives the token away. List exact origins, or ibmOrigins.objectStorage.`,
    );
  }
  return (url) => /^https:\/\/([^.:]+\.)+[^.:]+$/.test(originOf(url)) && url.host.endsWith(`.${host}`);
}

function notAnOrigin(given: unknown): IamError {
  const url = parseUrl(given);
  // Anything else, and credentials in a URL, may be a secret that was put in the wrong place.
  const shown =
    url !== undefined && /^https?:$/.test(url.protocol) ? `"${url.protocol}//${url.host}"` : typeof given;
  return configError(
    `origins holds ${shown}: list "https://host", "https://host:port", "https://*.two.labels", or http to loopback.`,
  );
}

function notAllowed(url: URL | undefined, origins: readonly string[]): IamError {
  const problem =
    url === undefined
      ? "has no absolute URL"
      : hasCredentials(url)
        ? "has credentials in its URL: remove them"
        : `goes to "${url.origin}": if it should carry the token, add that to origins (now ${origins.slice(0, 5).join(", ")}); otherOrigins: "pass" sends it without`;
  return new IamError("ERR_IAM_ORIGIN_NOT_ALLOWED", `The request ${problem}.`);
}
