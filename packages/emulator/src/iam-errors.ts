import { type Answer, type Incoming, jsonAnswer } from "./answer.ts";

/**
 * Every refusal of IAM that is publicly known: its code, HTTP status and message.
 *
 * Messages change over the years and details vary; never compare them. The status is a guess for BXNIM0050E, 0102E,
 * 0310E, 0434E, 0462E and 0608E.
 */
export const iamErrors = {
  BXNIM0050E: { status: 500, message: "Exception during a call to an upstream service." },
  BXNIM0060E: { status: 405, message: "Web application exception during request processing." },
  BXNIM0102E: { status: 400, message: "Object could not be found." },
  BXNIM0106E: { status: 400, message: "Validation of a property failed." },
  BXNIM0109E: { status: 400, message: "Property missing or empty." },
  BXNIM0113E: { status: 400, message: "Provided cloud resource name is invalid." },
  BXNIM0139E: { status: 400, message: "Wrong client id passed to retrieve tokens for a IAM cookie." },
  BXNIM0141E: { status: 400, message: "User is not a member of the requested account." },
  BXNIM0204E: { status: 400, message: "User name or environment is not accepted." },
  BXNIM0308E: { status: 401, message: "No authorization header found." },
  BXNIM0310E: { status: 401, message: "Provided client could not be found." },
  BXNIM0398E: { status: 400, message: "Selected trusted profile not eligible." },
  BXNIM0400E: { status: 401, message: "OpenID Connect exception." },
  BXNIM0401E: { status: 400, message: "Provided token is malformed." },
  BXNIM0405E: { status: 400, message: "Provided token is not supported." },
  BXNIM0407E: { status: 400, message: "Provided token is invalid." },
  BXNIM0408E: { status: 400, message: "Provided refresh token is expired." },
  BXNIM0410E: { status: 400, message: "Provided user not found or active." },
  BXNIM0415E: { status: 400, message: "Provided API key could not be found." },
  BXNIM0420E: { status: 400, message: "Provided API key is disabled." },
  BXNIM0421E: { status: 400, message: "Provided cookie is expired." },
  BXNIM0425E: { status: 400, message: "Provided API key is expired." },
  BXNIM0430E: { status: 401, message: "User login from given IP address is not permitted." },
  BXNIM0434E: { status: 400, message: "Provided API key is blocked: it was found in a public place." },
  BXNIM0436E: { status: 401, message: "User is suspended in the account." },
  BXNIM0439E: { status: 400, message: "Session is invalidated due to inactivity." },
  BXNIM0453E: { status: 400, message: "Subject type of the refresh token is not valid for this operation." },
  BXNIM0462E: { status: 400, message: "Provided API key is disabled." },
  BXNIM0501E: { status: 403, message: "Forbidden." },
  BXNIM0513E: { status: 403, message: "You are not authorized to use this API." },
  BXNIM0515E: { status: 403, message: "You are not authorized to manage this client id." },
  BXNIM0602E: { status: 401, message: "The credentials you provided are incorrect." },
  BXNIM0608E: { status: 400, message: "Federated users log in with an API key or a passcode." },
  /** The code of an expired key is not public: this one is the emulator's own, so that nobody relies on it. */
  BXNIM9001E: { status: 400, message: "Provided API key is expired." },
  /** What an overloaded or broken IAM answers is not public either; these two serve the faults. */
  BXNIM9429E: { status: 429, message: "Too many requests." },
  BXNIM9500E: { status: 500, message: "An internal error occurred." },
} as const;

/** The codes that the emulator answers. */
export type IamErrorCode = keyof typeof iamErrors;

/** What a grant throws to refuse; it becomes an IAM error body. */
export class IamRefusal extends Error {
  readonly errorCode: IamErrorCode;
  readonly details: string | undefined;

  constructor(errorCode: IamErrorCode, details?: string, message: string = iamErrors[errorCode].message) {
    super(message);
    this.errorCode = errorCode;
    this.details = details;
  }
}

/** Refuses a request because a property is missing, in IAM's words. */
export function missingProperty(name: string): IamRefusal {
  return new IamRefusal("BXNIM0109E", `Property '${name}' either missing or empty.`);
}

/** Refuses a request because of its method, in IAM's words. */
export function wrongMethod(): IamRefusal {
  return new IamRefusal("BXNIM0060E", "HTTP 405 Method Not Allowed");
}

/** Refuses a request because a property has a value that IAM does not take, in IAM's words. */
export function invalidProperty(name: string, value: string, valid: readonly string[]): IamRefusal {
  const message = `Validation of property '${name}' with value '${value}' failed. Valid values: '${valid.join(", ")}'`;
  return new IamRefusal("BXNIM0106E", undefined, message);
}

/** What an error body says about the request it answers. */
export interface RequestContext {
  readonly transactionId: string;
  readonly requestType: string;
  readonly instanceId: string;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** An IAM error body with every member of `context`, and the headers that IAM sends with it. */
export function errorAnswer(refusal: IamRefusal, incoming: Incoming, request: RequestContext): Answer {
  const { errorCode, message: errorMessage, details: errorDetails } = refusal;
  const body = { errorCode, errorMessage, ...(errorDetails === undefined ? {} : { errorDetails }) };
  const status = iamErrors[errorCode].status;
  if (errorCode === "BXNIM0060E") return jsonAnswer(status, body, errorHeaders(request));
  return jsonAnswer(status, { ...body, context: contextOf(incoming, request) }, errorHeaders(request));
}

/** A status that IAM might answer by itself when it is in trouble, as an IAM error body. */
export function troubleAnswer(status: number, incoming: Incoming, request: RequestContext): Answer {
  const refusal = new IamRefusal(status === 429 ? "BXNIM9429E" : "BXNIM9500E", `HTTP ${status}`);
  return { ...errorAnswer(refusal, incoming, request), status };
}

function contextOf(incoming: Incoming, request: RequestContext): Record<string, string> {
  const { transactionId, requestType, instanceId, startedAt, endedAt } = request;
  return {
    requestId: transactionId,
    requestType,
    userAgent: incoming.headers.get("user-agent") ?? "",
    clientIp: incoming.clientIp,
    url: incoming.url.origin,
    instanceId,
    threadId: (Math.floor(startedAt) % 0xfffff).toString(16),
    host: instanceId,
    startTime: timestamp(startedAt),
    endTime: timestamp(endedAt),
    elapsedTime: String(Math.max(0, Math.round(endedAt - startedAt))),
    locale: "en_US",
    clusterName: "iam-id-emulator",
  };
}

/** IAM's own form of a moment: `dd.MM.yyyy HH:mm:ss:SSS UTC`. */
function timestamp(epochMs: number): string {
  const [date = "", time = ""] = new Date(epochMs).toISOString().slice(0, -1).split("T");
  return `${date.split("-").reverse().join(".")} ${time.replace(".", ":")} UTC`;
}

function errorHeaders({ transactionId }: RequestContext): Record<string, string> {
  return {
    "x-content-type-options": "nosniff",
    "ibm-cloud-service-name": "iam-identity",
    "transaction-id": transactionId,
    "x-request-id": crypto.randomUUID(),
    "x-correlation-id": transactionId,
    ...noStore,
    "content-language": "en-US",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "akamai-grn": "0.00000000.0000000000.00000000",
    "x-proxy-upstream-service-time": "12",
  };
}

/** What keeps an answer out of every cache. */
const noStore: Readonly<Record<string, string>> = {
  "cache-control": "no-cache, no-store, must-revalidate",
  expires: "0",
  pragma: "no-cache",
};

/** The headers of an answer in which IAM grants something. */
export function successHeaders(transactionId: string): Record<string, string> {
  return {
    "transaction-id": transactionId,
    ...noStore,
    "content-language": "en-US",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    vary: "Accept-Encoding",
  };
}
