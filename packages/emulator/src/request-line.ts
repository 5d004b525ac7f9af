import { styleText } from "node:util";
import type { LogEntry } from "./request-log.ts";

/** Writes a text in a colour, or not. */
export type Paint = (style: Parameters<typeof styleText>[0], text: string) => string;

/** Colours for a terminal that wants them: none without a TTY, with NO_COLOR, or for a dumb terminal. */
export function paintFor(isTty: boolean, environment: Readonly<Record<string, string | undefined>>): Paint {
  const plain = !isTty || Boolean(environment.NO_COLOR) || environment.TERM === "dumb";
  return plain ? (_, text) => text : (style, text) => styleText(style, text, { validateStream: false });
}

/** One readable line about a request that has ended. */
export function requestLine(entry: LogEntry, paint: Paint): string {
  const { at, method, path, status, outcome, errorCode, fault, authorization, fields } = entry;
  const time = new Date(at).toISOString().slice(11, 19);
  const result = outcome === "answered" && status !== undefined ? String(status) : (outcome ?? "open");
  const grant = fields.grant_type?.split(":").at(-1);
  const notes = [
    grant && `grant ${grant}`,
    authorization && `${authorization.scheme}${authorization.jti ? ` ${authorization.jti.slice(0, 8)}` : ""}`,
    errorCode && paint("yellow", errorCode),
    fault && paint("magenta", `fault ${fault}`),
  ].filter(Boolean);
  const columns = [
    paint("dim", time),
    paint(colourOf(status, outcome), result.padEnd(9)),
    method.padEnd(6),
    path,
  ];
  return [...columns, ...(notes.length > 0 ? [paint("dim", "·"), notes.join(paint("dim", ", "))] : [])].join(
    " ",
  );
}

function colourOf(status: number | undefined, outcome: LogEntry["outcome"]): Parameters<Paint>[0] {
  if (outcome !== "answered" || status === undefined) return "magenta";
  if (status < 300) return "green";
  return status < 500 ? "yellow" : "red";
}
