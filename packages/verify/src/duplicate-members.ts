/**
 * Whether an object of a valid JSON text has a member twice, of which `JSON.parse` keeps the last. Pure.
 *
 * `members`: how many the parsed value has, at any depth.
 *
 * Source: RFC 7519 section 4 and RFC 7515 section 4: such a token may be refused, and means different things to different
 * readers if it is not.
 */
export function hasDuplicateMembers(text: string, members: number): boolean {
  return (isIntricate.test(text) ? countNames(text) : count(text, '":')) !== members;
}

/**
 * A quote is escaped, white space stands before a colon, or a string begins with one. Otherwise each `":` ends the name of a
 * member and nothing else does, and to count them is several times cheaper than to read the whole.
 */
const isIntricate = /\\"|\s:|[[{:,]\s*":/;

function count(text: string, part: string): number {
  let found = 0;
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + part.length)) found++;
  return found;
}

/** Strings, each with the colon after it if there is one. */
function countNames(text: string): number {
  let found = 0;
  for (const [, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)) if (colon !== undefined) found++;
  return found;
}
