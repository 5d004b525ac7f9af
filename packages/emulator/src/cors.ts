import type { Answer, Incoming } from "./answer.ts";

/** The answer to a CORS preflight, undefined for any other request. */
export function answerPreflight({ method, headers }: Incoming): Answer | undefined {
  if (method !== "OPTIONS" || !headers.has("access-control-request-method")) return undefined;
  return {
    status: 204,
    headers: {
      // A star does not stand for Authorization.
      "access-control-allow-headers": headers.get("access-control-request-headers") ?? "authorization",
      "access-control-allow-methods": headers.get("access-control-request-method") ?? "*",
      "access-control-allow-private-network": "true",
      "access-control-max-age": "600",
    },
    body: "",
  };
}

/** Lets every page read the answer. */
export function permissive(answer: Answer): Answer {
  const cors = { "access-control-allow-origin": "*", "access-control-expose-headers": "*" };
  return { ...answer, headers: { ...answer.headers, ...cors } };
}
