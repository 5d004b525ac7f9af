import { type TransportSubject, testTransport, transportContract } from "@iam/conformance";
import {
  fetchTransport,
  isIamError,
  TokenEndpointError,
  type TokenTransport,
  tokenResponse,
} from "@iam/core";
import { describe, expect, test } from "vitest";

testTransport({ name: "fetchTransport", isIamError, createTransport: () => fetchTransport() });

const subjectOf = (transport: TokenTransport): TransportSubject => ({
  name: "faulty",
  isIamError,
  createTransport: () => transport,
});

/** A transport by hand, with a fault planted. */
function byHand({
  redirect = "manual",
  heedsSignal = true,
  throwsOnError = false,
  maxBytes = 1_048_576,
  headers = true,
  hides = true,
  retries = 0,
  wraps = true,
}: Partial<Record<"heedsSignal" | "throwsOnError" | "headers" | "hides" | "wraps", boolean>> & {
  redirect?: RequestRedirect;
  maxBytes?: number;
  retries?: number;
} = {}): TokenTransport {
  return async ({ url, method, headers: sent, body = "" }, { signal }) => {
    try {
      let response: Response;
      let left = retries;
      do {
        const init = { method, headers: sent, body, redirect };
        response = await fetch(url, heedsSignal ? { ...init, signal } : init);
      } while (response.status >= 500 && left-- > 0);
      if (throwsOnError && !response.ok && response.type !== "opaqueredirect") throw new Error("HTTP error");
      let text = "";
      const decoder = new TextDecoder();
      for await (const chunk of response.body ?? []) {
        text += decoder.decode(chunk, { stream: true });
        if (text.length > maxBytes)
          throw new TokenEndpointError("ERR_IAM_TOKEN_RESPONSE_INVALID", "too large");
      }
      const header = (name: string) => (headers ? (response.headers.get(name) ?? undefined) : undefined);
      const answer = {
        status: response.status,
        body: text,
        date: header("date"),
        retryAfter: header("retry-after"),
        transactionId: header("transaction-id"),
      };
      return hides ? tokenResponse(answer) : answer;
    } catch (cause) {
      if (isIamError(cause) || !wraps) throw cause;
      throw new TokenEndpointError("ERR_IAM_TOKEN_ENDPOINT_UNREACHABLE", "no answer", { cause });
    }
  };
}

// The transport that the faults are planted in is honest itself: else a case could fail for another reason.
testTransport({ ...subjectOf(byHand()), name: "a transport by hand" });

describe("the contract of a transport catches one that", () => {
  test.each<[string, Parameters<typeof byHand>[0], string]>([
    ["follows redirects", { redirect: "follow" }, "follows no 307: no secret goes to a second origin"],
    [
      "does not heed the signal",
      { heedsSignal: false },
      "ends its wait for an answer when the signal says so",
    ],
    ["throws on an error status", { throwsOnError: true }, "takes 400 for an answer, and asks once"],
    ["reads without end", { maxBytes: Number.POSITIVE_INFINITY }, "stops reading at 1 MiB: huge-body"],
    [
      "loses headers",
      { headers: false },
      "brings back Date, Retry-After and transaction-id as they were sent",
    ],
    ["shows the body", { hides: false }, "shows nothing of the body in its answer"],
    ["retries", { retries: 1 }, "takes 503 for an answer, and asks once"],
    ["lets foreign errors out", { wraps: false }, "fails when the connection is cut"],
  ])("%s", { timeout: 30_000 }, async (_, fault, name) => {
    const rule = transportContract.find((each) => each.name === name);
    const failure: unknown = await rule?.run(subjectOf(byHand(fault))).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(Error);
    expect(String(failure)).not.toMatch(/^(Type|Reference|Syntax|Range)Error/);
  });
});
