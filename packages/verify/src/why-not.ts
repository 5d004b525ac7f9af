import { isIamError } from "@iam/core";

/** What an issuer did instead of giving what it was asked for, in words of ours: they go into messages. */
export class UselessAnswerError extends Error {}

/**
 * Why an issuer gave nothing of use, in a word or two: `HTTP 404`, `no JSON`, `ECONNREFUSED`, `TimeoutError`. Never anything
 * that it said.
 */
export function whyNot(error: unknown): string {
  if (error instanceof UselessAnswerError) return error.message;
  if (error instanceof SyntaxError) return "no JSON";
  // Of somebody else's error core keeps the code alone, as the message of a cause.
  const told = isIamError(error) ? error.cause : undefined;
  if (told instanceof Error) return told.message;
  return error instanceof Error ? error.name : "no answer";
}
