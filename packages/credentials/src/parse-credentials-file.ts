/**
 * Reads the text of a credentials file: one `NAME=value` a line. Pure.
 *
 * - A byte order mark, line ends of Windows, `export` before a name, and spaces around name and value are ignored; so are
 *   empty lines, lines that begin with `#`, and lines that set nothing.
 * - A value ends at the first `#`. In `'`, `"` or a backtick it is everything between them, `#` and line breaks included; in
 *   `"` also `\n` and `\r` are line breaks. Every other backslash, and every `=`, is part of the value.
 * - `NAME: value` is the same as `NAME=value`. Of a name that is set twice the last value counts.
 *
 * Source: the format of `dotenv`, which IBM's SDKs read this file with.
 */
export function parseCredentialsFile(text: string): Readonly<Record<string, string>> {
  const lines = text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
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
  const head = /[^\S\n]*(?:export[^\S\n]+)?([\w.-]+)[^\S\n]*(?:=|:(?=[^\S\n]))[^\S\n]*/y;
  head.lastIndex = at;
  const [, name] = head.exec(lines) ?? [];
  if (name === undefined) return undefined;
  const start = head.lastIndex;
  return { name, ...(quotedAt(lines, start) ?? plainAt(lines, start)) };
}

/** A value in quotes, or undefined when they are never closed, or when more than a comment comes behind them. */
function quotedAt(lines: string, start: number): Omit<Setting, "name"> | undefined {
  const quote = lines[start] ?? "";
  if (!/['"`]/.test(quote)) return undefined;
  let close = start + 1;
  while (close < lines.length && lines[close] !== quote) close += isEscaped(lines, close, quote) ? 2 : 1;
  const end = close + 1;
  if (close >= lines.length || !/^[^\S\n]*(#|$)/.test(lines.slice(end, endOfLine(lines, end))))
    return undefined;
  const inside = lines.slice(start + 1, close);
  const value = quote === '"' ? inside.replace(/\\n/g, "\n").replace(/\\r/g, "\r") : inside;
  return { value, end };
}

/** An escaped quote does not end the value; the backslash stays, as in `dotenv`. */
function isEscaped(lines: string, at: number, quote: string): boolean {
  return lines[at] === "\\" && lines[at + 1] === quote;
}

function plainAt(lines: string, start: number): Omit<Setting, "name"> {
  const end = endOfLine(lines, start);
  const [value = ""] = lines.slice(start, end).split("#", 1);
  return { value: value.trim(), end };
}

function endOfLine(lines: string, at: number): number {
  const end = lines.indexOf("\n", at);
  return end < 0 ? lines.length : end;
}
