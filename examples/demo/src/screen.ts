import type { WriteStream } from "node:tty";
import { stripVTControlCharacters, styleText } from "node:util";
import Table from "cli-table3";
import { createLogUpdate } from "log-update";
import wrapAnsi from "wrap-ansi";

/** What styleText knows; no colour at all where the stream or NO_COLOR does not want any. */
type Style = Parameters<typeof styleText>[0];

/** What a person sees: a timeline that grows, one live line below it in a terminal, a table at the end. */
export interface Screen {
  /** A paragraph outside the timeline. */
  say(text: string, style?: Style): void;
  /** An act begins: its number and title, and what is going to be done. */
  act(number: number, title: string, text: string): void;
  /** Something happened on the way. */
  note(text: string): void;
  /** An act went as it should: what was counted, and why it matters. */
  done(text: string, why: string): void;
  /** Something went wrong. */
  problem(text: string): void;
  /** What is true at the moment; shown in a terminal only, and replaced by the next. */
  status(lines: readonly string[]): void;
  /** Rows of as many cells each, a name first; the last column is wrapped. */
  table(rows: readonly (readonly string[])[]): void;
  /** Takes the live line away and gives the cursor back. */
  end(): void;
}

/** Columns before the text of an entry: `  0.0 s  ✓  `. */
const indent = 12;
const widest = 100;
const narrowest = 40;

/** A screen on a stream: live in a terminal, plain lines elsewhere and in CI. */
export function createScreen(stream: WriteStream, env: NodeJS.ProcessEnv): Screen {
  const startedAt = performance.now();
  const isLive = stream.isTTY === true && !isCi(env) && env.TERM !== "dumb";
  const live = isLive ? createLogUpdate(stream) : undefined;
  let shown: readonly string[] = [];

  // A terminal and NO_COLOR are styleText's business; in CI somebody has to ask for colour.
  const isPlain = isCi(env) && env.FORCE_COLOR === undefined;
  const paint = (style: Style, text: string) => (isPlain ? text : styleText(style, text, { stream }));
  const width = () => Math.max(narrowest, Math.min(widest, stream.columns ?? widest));

  function print(text: string): void {
    if (live === undefined) stream.write(`${text}\n`);
    else {
      live.persist(text);
      if (shown.length > 0) live(frame());
    }
  }

  function entry(mark: string, text: string): void {
    const time = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`.padStart(7);
    const [first = "", ...rest] = wrapAnsi(text, width() - indent, { hard: true }).split("\n");
    const lines = [
      `${paint("dim", time)}  ${mark}  ${first}`,
      ...rest.map((line) => " ".repeat(indent) + line),
    ];
    print(lines.join("\n"));
  }

  function frame(): string {
    // A line that the terminal wraps by itself could not be taken back.
    const room = width() - indent - 1;
    return shown.map((line) => " ".repeat(indent) + paint("cyan", line.slice(0, room))).join("\n");
  }

  return {
    say: (text, style) =>
      print(style === undefined ? wrap(text, width()) : paint(style, wrap(text, width()))),
    act: (number, title, text) =>
      entry(paint(["bold", "cyan"], String(number)), `${paint("bold", title)}. ${text}`),
    note: (text) => entry(paint("yellow", "·"), text),
    done(text, why) {
      entry(paint("green", "✓"), `${text}\n${paint("dim", why)}`);
      print("");
    },
    problem: (text) => entry(paint(["bold", "red"], "✗"), paint("red", text)),
    status(lines) {
      shown = lines;
      live?.(frame());
    },
    table(rows) {
      const widths = columnWidths(rows, width());
      const table = new Table({
        colWidths: widths,
        colAligns: widths.length > 2 ? ["left", "right"] : [],
        wordWrap: true,
        style: { head: [], border: [], compact: true },
      });
      table.push(...rows.map(([name = "", ...cells]) => [paint("bold", name), ...cells]));
      print(table.toString());
    },
    end() {
      shown = [];
      live?.clear();
      live?.done();
    },
  };
}

/** Text that came from outside, without anything that a terminal would obey. */
export function harmless(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/\p{C}/gu, "");
}

/** A count with thousands separated. */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** A count with its noun. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Milliseconds as a person reads them. */
export function duration(ms: number): string {
  return ms < 1000 ? `${Math.ceil(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** As wide as what they hold and a space on both sides; the last one gets what is left of the room. */
function columnWidths(rows: readonly (readonly string[])[], room: number): number[] {
  const widest = (column: number) => Math.max(...rows.map((row) => (row[column] ?? "").length)) + 2;
  const widths = Array.from({ length: rows[0]?.length ?? 0 }, (_, column) => widest(column));
  const taken = widths.slice(0, -1).reduce((sum, each) => sum + each + 1, 2);
  return widths.with(-1, Math.min(widths.at(-1) ?? 0, room - taken));
}

function wrap(text: string, width: number): string {
  return wrapAnsi(text, width, { hard: true });
}

function isCi({ CI }: NodeJS.ProcessEnv): boolean {
  return CI !== undefined && !["", "0", "false"].includes(CI);
}
