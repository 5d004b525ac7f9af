import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { configError } from "../src/errors.ts";
import { conceal, type SecretSource, secretReader } from "../src/secret.ts";
import { rejectionOf, thrownBy } from "./thrown.ts";

const key = "Qw3-kEy_that-nobody.may+see/0123456789abcdef";

describe("a secret given as a value", () => {
  test.for<[string, unknown, string]>([
    ["undefined", undefined, "missing"],
    ["null", null, "missing"],
    ["the empty string", "", "empty"],
    ["a number", 12345678, "string"],
    ["a boolean", true, "string"],
    ["an object", { apikey: key }, "string"],
    ["an array", [key], "string"],
    ["a String object", new String(key), "string"],
    ["a symbol", Symbol(key), "string"],
    ["a space before", ` ${key}`, "white space"],
    ["a space after", `${key} `, "white space"],
    ["a line feed after", `${key}\n`, "white space"],
    ["a carriage return and line feed after", `${key}\r\n`, "white space"],
    ["a no-break space after", `${key}\u00a0`, "white space"],
    ["a byte order mark before", `\ufeff${key}`, "white space"],
    ["white space only", " \t ", "white space"],
    ["double quotes around", `"${key}"`, "quote"],
    ["single quotes around", `'${key}'`, "quote"],
    ["back quotes around", `\`${key}\``, "quote"],
    ["braces around", `{${key}}`, "bracket"],
    ["a quote before", `"${key}`, "quote"],
    ["a quote after", `${key}"`, "quote"],
    ["typographic quotes around", `“${key}”`, "quote"],
    ["a typographic quote after", `${key}’`, "quote"],
    ["angle brackets around", `<${key}>`, "bracket"],
    ["a zero-width space inside", `${key}\u200b${key}`, "control or invisible character"],
    ["a soft hyphen after", `${key}\u00ad`, "control or invisible character"],
    ["a brace before", `{${key}`, "bracket"],
    ["a brace after", `${key}}`, "bracket"],
    ["a line feed inside", `${key}\n${key}`, "control or invisible character"],
    ["a NUL inside", `${key}\u0000${key}`, "control or invisible character"],
    ["a tab inside", `${key}\t${key}`, "control or invisible character"],
    ["a unit separator inside", `${key}\u001f${key}`, "control or invisible character"],
    ["a DEL inside", `${key}\u007f${key}`, "control or invisible character"],
  ])("is refused at once when it is or has %s, without being shown", ([, value, word]) => {
    const error = thrownBy(() => secretReader(value as SecretSource, "the API key"));
    expect(error).toMatchObject({ code: "ERR_IAM_CONFIG", retryable: false });
    expect(error.message).toMatch(/API key/i);
    expect(error.message).toContain(word);
    expect(inspect(error, { depth: Infinity, showHidden: true })).not.toContain(key);
  });

  test.for([key, "a", "0", "with space inside", 'with"quote{and}brace', "pässwörd", "~", " x".trim()])(
    "is given as it is when it can be one: %s",
    async (value) => {
      expect(await secretReader(value, "the API key")()).toBe(value);
    },
  );
});

describe("a secret given as a function", () => {
  test("is not asked for before it is needed, and again for each exchange", async () => {
    const answers = ["first", "second"];
    let asked = 0;
    const read = secretReader(() => answers[asked++] ?? "", "the API key");
    expect(asked).toBe(0);
    expect([await read(), await read()]).toEqual(["first", "second"]);
  });

  test("may answer later", async () => {
    expect(await secretReader(() => Promise.resolve(key), "the API key")()).toBe(key);
  });

  test.for<[string, () => unknown]>([
    ["nothing", () => undefined],
    ["a padded key", async () => `${key}\n`],
    ["a number", () => 7],
  ])("is refused when it answers %s", async ([, source]) => {
    const read = secretReader(source as SecretSource, "the client secret");
    await expect(read()).rejects.toMatchObject({ code: "ERR_IAM_CONFIG", retryable: false });
    await expect(read()).rejects.toThrow(/client secret/i);
  });

  test("that fails with an error of this project is quoted, because such an error holds no secret", async () => {
    const missing = configError("The file /run/secrets/key does not exist.", { retryable: true });
    expect(await rejectionOf(async () => secretReader(() => Promise.reject(missing), "the API key")())).toBe(
      missing,
    );
  });
});

describe("a concealed object", () => {
  const make = () => conceal({ shown: 1, nested: { deep: true } }, { secret: key, absent: undefined });

  test("gives its secret by name and its other members as usual", () => {
    expect(make().secret).toBe(key);
    expect(make()).toMatchObject({ shown: 1, nested: { deep: true } });
  });

  test.for<[string, (value: object) => string]>([
    ["String", (value) => String(value)],
    ["a template", (value) => `${value}`],
    ["JSON", (value) => JSON.stringify(value)],
    ["JSON, nested", (value) => JSON.stringify({ list: [value] })],
    ["spread", (value) => inspect({ ...value }, { depth: Infinity, showHidden: true, getters: true })],
    ["Object.assign", (value) => JSON.stringify(Object.assign({}, value))],
    ["Object.entries", (value) => JSON.stringify(Object.entries(value))],
    ["for in", (value) => JSON.stringify(keysOf(value))],
    ["structuredClone", (value) => inspect(structuredClone(value), { depth: Infinity, showHidden: true })],
    ["inspect", (value) => inspect(value)],
    [
      "inspect of everything",
      (value) =>
        inspect({ in: [value] }, { depth: Infinity, showHidden: true, getters: true, showProxy: true }),
    ],
    [
      "inspect without custom inspection",
      (value) => inspect(value, { depth: Infinity, showHidden: true, customInspect: false }),
    ],
    ["the cause of an error", (value) => inspect(new Error("x", { cause: value }), { depth: Infinity })],
  ])("does not show its secret in %s", ([, show]) => {
    expect(show(make())).not.toContain(key);
  });

  test("says where a secret is, and where there is none", () => {
    expect(JSON.parse(JSON.stringify(make()))).toEqual({
      shown: 1,
      nested: { deep: true },
      secret: "[redacted]",
    });
    expect(inspect(make())).toContain("[redacted]");
    expect("absent" in make()).toBe(false);
  });

  test("cannot be edited", () => {
    const value = make() as Record<string, unknown>;
    expect(Object.isFrozen(value)).toBe(true);
    expect(() => {
      value.secret = "another";
    }).toThrow(TypeError);
    expect(() => Object.defineProperty(value, "toJSON", { value: () => value.secret })).toThrow(TypeError);
  });

  test("does not change with what it was made of", () => {
    const shown = { shown: 1 };
    const hidden = { secret: key };
    const value = conceal(shown, hidden);
    shown.shown = 2;
    hidden.secret = "another";
    expect([value.shown, value.secret]).toEqual([1, key]);
  });
});

function keysOf(value: object): string[] {
  const keys: string[] = [];
  for (const name in value) keys.push(name, String(Reflect.get(value, name)));
  return keys;
}
