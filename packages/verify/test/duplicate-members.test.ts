import { describe, expect, test } from "vitest";
import { hasDuplicateMembers } from "../src/duplicate-members.ts";
import { countMembers } from "../src/token-text.ts";

const judged = (text: string) => hasDuplicateMembers(text, countMembers(JSON.parse(text)));

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
