import { configError, IamError } from "./errors.ts";
import { isLoopback, parseUrl } from "./token-request.ts";

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
  judge(url: string | URL, options?: { mayPass?: boolean }): OriginVerdict;
}

const ibmCloud = "https://*.cloud.ibm.com";

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
} = { cloud: [ibmCloud], objectStorage: /* @__PURE__ */ objectStorageOrigins() };

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
export function originRules(options: OriginOptions = {}): OriginRules {
  const { origins = ibmOrigins.cloud, otherOrigins = "refuse" } = options;
  if (!Array.isArray(origins) || origins.length === 0) {
    throw configError('origins must be a list of at least one origin, such as ["https://api.example.com"].');
  }
  if (otherOrigins !== "refuse" && otherOrigins !== "pass")
    throw configError('otherOrigins must be "refuse" or "pass".');
  const listed: readonly string[] = [...origins];
  const exact = new Set<string>();
  const suffixes: string[] = [];
  for (const pattern of listed) {
    const wildcard = typeof pattern === "string" && pattern.startsWith("https://*.");
    const url = checkPattern(pattern, wildcard ? `https://${pattern.slice(10)}` : pattern);
    if (wildcard) suffixes.push(checkSuffix(pattern, url));
    else exact.add(schemeAndHost(url));
  }

  const allows = (url: URL) =>
    url.username === "" &&
    url.password === "" &&
    (exact.has(schemeAndHost(url)) ||
      (url.protocol === "https:" &&
        url.port === "" &&
        !/^\.|\.\./.test(url.hostname) &&
        suffixes.some((suffix) => url.hostname.endsWith(suffix))));

  return {
    judge(target, { mayPass = otherOrigins === "pass" } = {}) {
      // One parse: the verdict and the request must not read the same text differently.
      const url = parseUrl(typeof target === "string" ? target : target.href);
      const allowed = url !== undefined && allows(url);
      if (url === undefined || (!allowed && !mayPass)) throw notAllowed(url, listed);
      return { allowed, url };
    },
  };
}

/** The `origin` member will not do: that of a `blob:` URL is the one of the URL inside. */
function schemeAndHost({ protocol, host }: URL): string {
  return `${protocol}//${host}`;
}

function checkPattern(pattern: unknown, text: unknown): URL {
  const shown = typeof pattern === "string" ? JSON.stringify(pattern.slice(0, 200)) : typeof pattern;
  const url = parseUrl(text);
  const isOrigin =
    url !== undefined &&
    typeof text === "string" &&
    !/[\s\\@?#]/.test(text) &&
    /^[^/]+\/\/[^/]+\/?$/.test(text) &&
    !url.hostname.includes("*") &&
    !url.hostname.endsWith(".");
  if (!isOrigin) {
    throw configError(
      `origins holds ${shown}, which is not an origin. Write scheme, host and port only: "https://api.example.com", ` +
        '"https://api.example.com:8443", or "https://*.example.com" for its subdomains.',
    );
  }
  if (url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname))) return url;
  throw configError(
    `origins holds ${shown}, which would send the token in the clear. Use https; http is for loopback only.`,
  );
}

function checkSuffix(pattern: string, url: URL): string {
  const shown = JSON.stringify(pattern);
  const suffix = `.${url.hostname}`;
  if (url.port !== "")
    throw configError(
      `origins holds ${shown}: a wildcard stands for port 443 only. List the origin in full.`,
    );
  if (!/^(\.[^.]+){2,}$/.test(suffix) || /\.\d+$|\]$/.test(suffix)) {
    throw configError(
      `origins holds ${shown}: a wildcard needs a suffix of at least two labels, such as "https://*.example.com".`,
    );
  }
  // Customers host under containers, codeengine, lb and s3-web there; only the S3 API hosts are IBM's alone.
  const objectStorage =
    /^\.s3(\.(private|direct))?\.[a-z0-9-]+(\.(us|eu|ap))?\.cloud-object-storage\.appdomain\.cloud$/;
  if (/\.appdomain\.cloud$/.test(suffix) && !objectStorage.test(suffix)) {
    throw configError(
      `origins holds ${shown}: anybody may host under appdomain.cloud, so a wildcard there gives the token away. List exact ` +
        "origins, or ...ibmOrigins.objectStorage for Cloud Object Storage.",
    );
  }
  return suffix;
}

function notAllowed(url: URL | undefined, listed: readonly string[]): IamError {
  if (url === undefined) {
    return new IamError(
      "ERR_IAM_ORIGIN_NOT_ALLOWED",
      "The request has no absolute URL, so it cannot be told whether it may have the token.",
    );
  }
  if (url.username !== "" || url.password !== "") {
    return new IamError(
      "ERR_IAM_ORIGIN_NOT_ALLOWED",
      `The URL of the request to ${url.host} has credentials in it. Remove them.`,
    );
  }
  const add =
    url.protocol === "https:" || isLoopback(url.hostname) ? `add "${url.origin}" to origins` : "use https";
  const shown = listed.length > 6 ? [...listed.slice(0, 6), "…"] : listed;
  return new IamError(
    "ERR_IAM_ORIGIN_NOT_ALLOWED",
    `The request goes to ${url.origin}, which may not have the token (allowed: ${shown.join(", ")}). ` +
      `If it should, ${add}; if it should go without a token, set otherOrigins: "pass".`,
  );
}
