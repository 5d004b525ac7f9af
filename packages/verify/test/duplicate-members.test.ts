import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hasDuplicateMembers } from "../src/duplicate-members.ts";
import { jsonObject } from "../src/token-text.ts";

const judged = (text: string) => hasDuplicateMembers(text, JSON.parse(text));

describe("a member that is there twice", () => {
  test.each([
    '{"a":1,"a":2}',
    '{"a":1, "a" :2}',
    '{"a":{"b":1,"b":1}}',
    '{"a":[{"b":1},{"b":1,"b":2}]}',
    '{"a":1,"\\u0061":2}',
    '{"\\"":1,"\\"":2}',
    '{"a\\\\":1,"a\\\\":2}',
    '{"":1,"":2}',
    '{"a":1,"b":"\\":","a" : 2}',
    '{"__proto__":1,"__proto__":2}',
    '{"a":1,"a"\n:\t2}',
  ])("is found in %s", (text) => {
    expect(judged(text)).toBe(true);
  });

  test.each([
    "{}",
    '{"a":1,"b":2}',
    '{"a":{"a":{"a":1}}}',
    '{"a":[{"b":1},{"b":2}]}',
    '{"a":"\\"a\\":"}',
    '{"a" : 1, "b"\t:\n2}',
    '{"a":"x\\":y","b":"\\\\"}',
    '{"a":"\\\\\\":","b":":"}',
    '{"A":1,"a":2}',
    '{"__proto__":{"a":1},"a":1}',
    '{"a":"a : b"}',
    '[["a",":"]]',
  ])("is not found in %s", (text) => {
    expect(judged(text)).toBe(false);
  });
});

/** JSON text of a value, in which each object may have its first member once more. */
function written(value: unknown, twice: boolean, indent: string): string {
  if (Array.isArray(value))
    return `[${value.map((each) => written(each, twice, indent)).join(`,${indent}`)}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}${indent}:${written(member, twice, indent)}`,
  );
  return `{${indent}${(twice ? [...members, ...members.slice(0, 1)] : members).join(`,${indent}`)}}`;
}

test("of any JSON object a member that is there twice is found, and nothing else is", () => {
  const indents = fc.constantFrom("", " ", "\n\t");
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), indents, (value, indent) => {
      expect(judged(written(value, false, indent))).toBe(false);
      expect(judged(written(value, true, indent))).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test("an object that is nested too deep to be looked through is none", () => {
  const text = `{"a":1,"a":${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}}`;
  expect(jsonObject(new TextEncoder().encode(text))).toBeUndefined();
});
