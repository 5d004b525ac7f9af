import { describe, expect, test } from "vitest";
import { parseCredentialsFile } from "../src/index.ts";

describe("a credentials file", () => {
  test.for<[string, string, Record<string, string>]>([
    ["a name and a value", "A=b", { A: "b" }],
    ["several lines", "A=b\nC=d\n", { A: "b", C: "d" }],
    ["line ends of Windows", "A=b\r\nC=d\r\n", { A: "b", C: "d" }],
    ["line ends of old Macs", "A=b\rC=d", { A: "b", C: "d" }],
    ["a byte order mark", "\uFEFFA=b", { A: "b" }],
    ["= in a value", "A=b=c==", { A: "b=c==" }],
    ["export", "export A=b\nexport\tC=d", { A: "b", C: "d" }],
    ["a variable named export", "export=b", { export: "b" }],
    ["spaces around everything", "  A  =  b c  ", { A: "b c" }],
    ["a colon", "A: b\nC:d", { A: "b" }],
    ["an empty value", "A=\nC=d", { A: "", C: "d" }],
    ["comments and empty lines", "# no=1\n\n   # no=2\nA=b # no=3\n", { A: "b" }],
    ["# without a space, which begins a comment all the same", "A=b#c", { A: "b" }],
    ["# in quotes", `A='b#c'\nD="e#f"\nG=\`h#i\``, { A: "b#c", D: "e#f", G: "h#i" }],
    ["a comment behind quotes", 'A="b" # c', { A: "b" }],
    ["spaces in quotes", "A=' b '", { A: " b " }],
    ["an empty value in quotes", "A=\"\"\nB=''", { A: "", B: "" }],
    ["= and export in quotes", "A='export B=c'", { A: "export B=c" }],
    ["the other quotes in quotes", `A='"b"'\nC="it's"`, { A: '"b"', C: "it's" }],
    ["line breaks in quotes", 'A="b\nc"\nD=e', { A: "b\nc", D: "e" }],
    ["written line breaks in double quotes", 'A="b\\nc\\rd"', { A: "b\nc\rd" }],
    ["written line breaks in other quotes", "A='b\\nc'\nD=`e\\nf`", { A: "b\\nc", D: "e\\nf" }],
    ["written line breaks without quotes", "A=b\\nc", { A: "b\\nc" }],
    ["backslashes", "A=C:\\keys\\k\nB='C:\\keys'", { A: "C:\\keys\\k", B: "C:\\keys" }],
    ["an escaped quote, whose backslash stays", 'A="b\\"c"', { A: 'b\\"c' }],
    ["quotes that are never closed", 'A="b\nC=d', { A: '"b', C: "d" }],
    ["something behind quotes", 'A="b" c', { A: '"b" c' }],
    ["quotes inside a value", `A=b"c"'d'`, { A: `b"c"'d'` }],
    ["a name that is set twice: the last counts", "A=b\nA=c", { A: "c" }],
    ["lines that set nothing", "A\n=b\n- C=d\nE=f", { E: "f" }],
    [
      "a name that objects have",
      "__proto__=b\nconstructor=c",
      JSON.parse('{"__proto__":"b","constructor":"c"}'),
    ],
    ["nothing", "", {}],
    [
      "a path that ends in a backslash, in quotes",
      `A="C:\\"\nB='\\' # c\nC=d`,
      { A: "C:\\", B: "\\", C: "d" },
    ],
  ])("with %s", ([, text, values]) => {
    expect(parseCredentialsFile(text)).toEqual(values);
    expect(Object.keys(parseCredentialsFile(text))).toEqual(Object.keys(values));
  });

  test.for([
    ["lines", "A=b\n"],
    ["quotes that are never closed", "A='b\n"],
    ["quotes of every kind", "A=\"'`\n"],
    ["escaped quotes", '\\"', 'A="'],
  ])("of a megabyte of %s is read in no time", ([, part = "", start = ""]) => {
    const time = (length: number) => {
      const text = start + part.repeat(length / part.length);
      const from = process.cpuUsage().user;
      parseCredentialsFile(text);
      return process.cpuUsage().user - from;
    };
    time(10_000);
    // Ten times as much takes ten times as long, or at worst a second: not a hundred times.
    expect(time(1_000_000)).toBeLessThan(Math.max(30 * time(100_000), 1_000_000));
  });
});

test.for([null, undefined, new Uint8Array()])("%o is no text", (text) => {
  expect(() => parseCredentialsFile(text as never)).toThrow(
    expect.objectContaining({ code: "ERR_IAM_CONFIG", message: expect.stringMatching(/text of a file/) }),
  );
});
