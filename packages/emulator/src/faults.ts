import { EmulatorError } from "./emulator-error.ts";
import { faultProblem, type tokenFlaws } from "./fault-rules.ts";
import type { IamErrorCode } from "./iam-errors.ts";

/** Which part of the emulator a fault is for: `any` is all of them. */
export type FaultTarget = (typeof faultTargets)[number];

/** Every target, by the name it has in options, on the command line and in the request log. */
export const faultTargets = [
  "token",
  "resource",
  "openai",
  "keys",
  "discovery",
  "introspect",
  "userinfo",
  "passcode",
  "profiles",
  "metadata-identity",
  "metadata-token",
  "mcsp",
  "cp4d",
  "any",
] as const;

/**
 * One way in which an answer goes wrong. Durations are in milliseconds of real time.
 *
 * Kinds that need a token (`opaque-token` to `error-in-200`) change only what the token endpoint answers.
 *
 * @example
 * ```ts
 * import { createEmulator } from "@iam/emulator";
 * const emulator = createEmulator();
 * emulator.fault({ kind: "throttle", retryAfter: 2 });
 * emulator.fault({ kind: "delay", ms: 300, next: { kind: "status", status: 503 } }, { times: 2 });
 * ```
 */
export type Fault =
  /** Answers late, and then as `next` says, else properly. */
  | { readonly kind: "delay"; readonly ms: number; readonly next?: Fault }
  /** Answers when the promise settles, and then as `next` says, else properly. In-process only. */
  | { readonly kind: "hold"; readonly until: PromiseLike<unknown>; readonly next?: Fault }
  /** Never answers. */
  | { readonly kind: "hang" }
  /** Cuts the connection instead of answering. */
  | { readonly kind: "reset" }
  /** Sends the headers and the first bytes of the proper answer, then cuts the connection. Default: 20 bytes. */
  | { readonly kind: "cut-body"; readonly afterBytes?: number }
  /** Sends the headers at once and the proper body in pieces. Defaults: 16 bytes every 100 ms. */
  | { readonly kind: "slow-body"; readonly everyMs?: number; readonly chunkBytes?: number }
  /** Sends a body that never ends. Defaults: 16 KiB every 5 ms. */
  | { readonly kind: "endless-body"; readonly everyMs?: number; readonly chunkBytes?: number }
  /** Sends the proper JSON with a member of that many bytes added. Default: 10 MiB. */
  | { readonly kind: "huge-body"; readonly bytes?: number }
  /** Sends no body at all. Default: status 200. */
  | { readonly kind: "empty-body"; readonly status?: number }
  /** Sends the first half of the proper body as if it were whole. */
  | { readonly kind: "broken-json" }
  /** Sends a web page. Default: status 200; 502 is what a gateway does. */
  | { readonly kind: "html"; readonly status?: number }
  /** Answers that status with an error body: IAM's, a bearer challenge for 401 on a resource. */
  | { readonly kind: "status"; readonly status: number; readonly retryAfter?: RetryAfter }
  /** Refuses as IAM does, with that code of its table, such as BXNIM0434E. */
  | { readonly kind: "refuse"; readonly errorCode: IamErrorCode; readonly details?: string }
  /** Answers 429. Without `retryAfter` there is no such header. */
  | { readonly kind: "throttle"; readonly retryAfter?: RetryAfter }
  /** Sends the client elsewhere. Default: status 307. */
  | { readonly kind: "redirect"; readonly location: string; readonly status?: 301 | 302 | 303 | 307 | 308 }
  /** Issues a token that is not a JWT. */
  | { readonly kind: "opaque-token" }
  /** Issues a JWT without `iat` and `exp`. */
  | { readonly kind: "undated-token" }
  /** Answers the token that was issued last to the same identity, with what is left of its life. */
  | { readonly kind: "same-token" }
  /** Answers a token that no `Authorization` header can carry. */
  | { readonly kind: "bad-token"; readonly flaw: TokenFlaw }
  /** Answers 200 without the `access_token` member. */
  | { readonly kind: "no-token" }
  /** Answers an IAM error body, but with status 200. */
  | { readonly kind: "error-in-200" }
  /** Replaces members of the proper JSON answer (any `expires_in`, any `expiration`), and leaves some out. */
  | {
      readonly kind: "fields";
      readonly set?: Readonly<Record<string, unknown>>;
      readonly omit?: readonly string[];
    }
  /** Replaces headers of the proper answer, and leaves some out (`date` too); lower-case names. */
  | {
      readonly kind: "headers";
      readonly set?: Readonly<Record<string, string>>;
      readonly omit?: readonly string[];
    }
  /** Answers this one request as if the server's clock were `ms` ahead; `clock.skew` does it for all. */
  | { readonly kind: "skew"; readonly ms: number };

/** Why a token cannot go into an `Authorization` header. */
export type TokenFlaw = (typeof tokenFlaws)[number];

/** A `Retry-After`: seconds, the text of the header, or a number of seconds from now as an HTTP date. */
export type RetryAfter = number | string | { readonly dateInS: number };

/** How often and where a fault applies. */
export interface FaultOptions {
  /** Default: 1. Infinity, or "forever" over HTTP, until it is cleared. */
  readonly times?: number | "forever";
  /** Default: `token`. */
  readonly target?: FaultTarget;
  /** Only requests for exactly this path, without query. Default: every path of the target. */
  readonly path?: string;
}

/** A fault in the queue. */
export interface FaultHandle {
  /** How many requests have met it. */
  readonly applied: number;
  /** Takes it out of the queue. */
  remove(): void;
}

/** The queue of faults: the first one that fits a request applies to it. */
export interface Faults {
  add(fault: Fault, options?: FaultOptions): FaultHandle;
  take(target: Exclude<FaultTarget, "any">, path: string): Fault | undefined;
  /** Empties the queue, or takes out what is for one target. */
  clear(target?: FaultTarget): void;
}

/** Makes the queue. */
export function createFaults(): Faults {
  let queue: {
    fault: Fault;
    left: number;
    target: FaultTarget;
    path: string | undefined;
    applied: number;
  }[] = [];
  return {
    add(fault, { times = 1, target = "token", path } = {}) {
      const left = times === "forever" ? Number.POSITIVE_INFINITY : times;
      if (typeof left !== "number" || !(left >= 1))
        throw invalid(`times is a number, 1 or more, or "forever", not ${times}`);
      if (!faultTargets.includes(target)) throw invalid(`target is one of ${faultTargets.join(", ")}`);
      if (path !== undefined && !`${path}`.startsWith("/")) throw invalid("path begins with a slash");
      const problem = faultProblem(fault);
      if (problem !== undefined) throw invalid(problem);
      const entry = { fault, left, target, path, applied: 0 };
      queue.push(entry);
      return {
        get applied() {
          return entry.applied;
        },
        remove() {
          queue = queue.filter((each) => each !== entry);
        },
      };
    },
    take(target, path) {
      const entry = queue.find(
        (each) =>
          (each.target === target || each.target === "any") &&
          (each.path === undefined || each.path === path),
      );
      if (!entry) return undefined;
      entry.applied++;
      entry.left--;
      if (entry.left < 1) queue = queue.filter((each) => each !== entry);
      return entry.fault;
    },
    clear(target) {
      queue = target === undefined ? [] : queue.filter((each) => each.target !== target);
    },
  };
}

function invalid(why: string): EmulatorError {
  return new EmulatorError("ERR_EMULATOR_OPTION", `The fault is not valid: ${why}.`);
}
