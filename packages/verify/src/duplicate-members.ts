/**
 * Whether an object of a JSON text has a member twice, of which `JSON.parse` keeps the last. Pure.
 *
 * `value`: what the text was parsed to.
 *
 * Source: RFC 7519 section 4 and RFC 7515 section 4: such a token may be refused, and means different things to different
 * readers if it is not.
 */
export function hasDuplicateMembers(text: string, value: unknown): boolean {
  // Nothing was lost in what is written again as it was. That is so for all but exotic writers, and cheaper than to read.
  return JSON.stringify(value) !== text && countNames(text) !== countMembers(value);
}

/** Strings, each with the colon after it if there is one. */
function countNames(text: string): number {
  let found = 0;
  for (const [, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)) if (colon !== undefined) found++;
  return found;
}

function countMembers(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let members = 0;
  for (const member of Object.values(value)) members += 1 + countMembers(member);
  return Array.isArray(value) ? members - value.length : members;
}
