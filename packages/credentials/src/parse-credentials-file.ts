import { IamError } from "@iam/core";

/**
 * Reads the text of a credentials file: one `NAME=value` a line. Pure.
 *
 * - A byte order mark, line ends of Windows, `export` before a name, and spaces around name and value are ignored; so are
 *   empty lines, lines that begin with `#`, and lines that set nothing.
 * - A value ends at the first `#`. In `'`, `"` or a backtick it is everything between them, `#` and line breaks included; in
 *   `"` also `\n` and `\r` are line breaks. Every other backslash, and every `=`, is part of the value.
 * - `NAME: value` is the same as `NAME=value`. Of a name that is set twice the last value counts.
 *
 * Errors: `ERR_IAM_CONFIG` for what is no text.
 * Source: the format of `dotenv`, which IBM's SDKs read this file with.
 */
export function parseCredentialsFile(text: string): Readonly<Record<string, string>> {
  if (typeof text !== "string")
    throw new IamError("ERR_IAM_CONFIG", "parseCredentialsFile takes the text of a file, not the file.");
  const lines = text.replace(/\r\n?/g, "\n");
  const values = new Map<string, string>();
  for (let at = 0; at < lines.length; ) {
    const setting = settingAt(lines, at);
    if (setting !== undefined) values.set(setting.name, setting.value);
    at = endOfLine(lines, setting?.end ?? at) + 1;
  }
  return Object.fromEntries(values);
}

interface Setting {
  readonly name: string;
  readonly value: string;
  /** Where the value ends. */
  readonly end: number;
}

function settingAt(lines: string, at: number): Setting | undefined {
  const head = /[^\S\n]*(?:export[^\S\n]+)?([\w.-]+)(?:[^\S\n]*=|:(?=[^\S\n]))[^\S\n]*/y;
  head.lastIndex = at;
  const [, name] = head.exec(lines) ?? [];
  if (name === undefined) return undefined;
  const start = head.lastIndex;
  const end = quotedEnd(lines, start) ?? plainEnd(lines, start);
  return { name, value: valueIn(lines.slice(start, end).trim()), end };
}

/**
 * Where a value in quotes ends; undefined when it is not in quotes, when they are not closed, or when more than a comment
 * comes behind them. A backslash before a quote keeps it from ending the value, unless no other quote can: that is how
 * `dotenv` has it, and how a path of Windows may end in a backslash.
 */
function quotedEnd(lines: string, start: number): number | undefined {
  const quote = lines[start] ?? "";
  if (!/['"`]/.test(quote)) return undefined;
  const candidates: number[] = [];
  for (let close = lines.indexOf(quote, start + 1); close >= 0; close = lines.indexOf(quote, close + 1)) {
    candidates.push(close + 1);
    if (lines[close - 1] !== "\\" || close - 1 === start) break;
  }
  const onlyComment = /[^\S\n]*(?:#|\n|$)/y;
  return candidates.reverse().find((end) => {
    onlyComment.lastIndex = end;
    return onlyComment.test(lines);
  });
}

function plainEnd(lines: string, start: number): number {
  const value = lines.slice(start, endOfLine(lines, start));
  const comment = value.indexOf("#");
  return start + (comment < 0 ? value.length : comment);
}

function valueIn(text: string): string {
  const quote = text[0] ?? "";
  const isQuoted = text.length > 1 && /['"`]/.test(quote) && text.endsWith(quote);
  const inside = isQuoted ? text.slice(1, -1) : text;
  return quote === '"' ? inside.replaceAll("\\n", "\n").replaceAll("\\r", "\r") : inside;
}

function endOfLine(lines: string, at: number): number {
  const end = lines.indexOf("\n", at);
  return end < 0 ? lines.length : end;
}
