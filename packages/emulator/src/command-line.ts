import { Command, InvalidArgumentError } from "commander";
import { faultKinds, faultProblem } from "./fault-rules.ts";
import { type Fault, type FaultOptions, faultTargets } from "./faults.ts";
import type { StartOptions } from "./node-server.ts";

/** What the command line of `iam-emulator` asks for. */
export interface CommandLine {
  readonly start: StartOptions;
  readonly faults: readonly { readonly fault: Fault; readonly options: FaultOptions }[];
  readonly quiet: boolean;
  /** Where the metadata service listens; undefined for nowhere. */
  readonly metadataPort: number | undefined;
}

/**
 * Reads a command line; `--help`, `--version` and mistakes end the process, as commands do.
 */
export function parseCommandLine(args: readonly string[], version: string): CommandLine {
  const command = new Command("iam-emulator")
    .description("A faithful local IBM Cloud IAM for tests and demonstrations.")
    .version(version)
    .option("-p, --port <number>", "port to listen on, 0 for any free one", wholeNumber, 8080)
    .option("--host <name>", "address to listen on", "127.0.0.1")
    .option("-k, --apikey <key>", "API key to accept (repeatable; default: two well-known ones)", collect)
    .option("--expires-in <seconds>", "lifetime of access tokens", wholeNumber, 3600)
    .option("--issuer <url>", "the iss claim, or `origin` for one of the emulator's own")
    .option("-f, --fault <fault>", "fault to begin with (repeatable), see below", collectFault)
    .option("--metadata-port <number>", "port for the metadata service of a virtual server", wholeNumber)
    .option("--control", "allow control over HTTP below /_emulator")
    .option("--cors", "let web pages call it (IAM itself does not)")
    .option("--allow-remote", "listen beyond this machine")
    .option("-q, --quiet", "print nothing but the URL")
    .addHelpText("after", faultHelp)
    .allowExcessArguments(false)
    .parse(args, { from: "user" });
  const given = command.opts<Given>();
  const {
    apikey,
    issuer,
    fault: faults = [],
    quiet = false,
    expiresIn: expiresInS,
    metadataPort,
    ...rest
  } = given;
  const start = {
    ...rest,
    expiresInS,
    ...(apikey ? { apiKeys: apikey } : {}),
    ...(issuer === undefined ? {} : { issuer: issuer === "origin" ? ownIssuer : issuer }),
  };
  return { start, faults, quiet, metadataPort };
}

interface Given {
  readonly port: number;
  readonly host: string;
  readonly apikey?: string[];
  readonly expiresIn: number;
  readonly issuer?: string;
  readonly metadataPort?: number;
  readonly fault?: CommandLine["faults"];
  readonly control?: boolean;
  readonly cors?: boolean;
  readonly allowRemote?: boolean;
  readonly quiet?: boolean;
}

/** Kinds that take more than a command line can say. */
const inProcess: ReadonlySet<string> = new Set(["hold", "fields", "headers"]);

const faultHelp = `
A fault is its kind and what belongs to it:

  --fault reset
  --fault throttle,retryAfter=2,times=3
  --fault throttle,dateInS=2            (the same as an HTTP date)
  --fault status,status=503,target=resource,times=forever

Kinds:   ${wrap(faultKinds.filter((kind) => !inProcess.has(kind)))}
Targets: ${wrap(faultTargets)}
`;

function wrap(words: readonly string[]): string {
  const lines = [""];
  for (const word of words) {
    const line = lines.at(-1) ?? "";
    if (line.length + word.length > 68) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line}, ${word}`;
  }
  return lines.join(",\n         ");
}

function ownIssuer(origin: string): string {
  return `${origin}/identity`;
}

function wholeNumber(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It takes a whole number.");
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

function collectFault(text: string, before: CommandLine["faults"] = []): CommandLine["faults"] {
  const [kind = "", ...members] = text.split(",");
  const { times, target, path, dateInS, ...rest } = Object.fromEntries(members.map(member));
  const fault = { kind, ...rest, ...(dateInS === undefined ? {} : { retryAfter: { dateInS } }) };
  const problem = faultProblem(fault);
  if (problem !== undefined) throw new InvalidArgumentError(`It makes no sense: ${problem}.`);
  const options: FaultOptions = {
    ...(times === undefined ? {} : { times: timesOf(times) }),
    ...(path === undefined ? {} : { path: String(path) }),
    ...(target === undefined ? {} : { target: targetOf(target) }),
  };
  return [...before, { fault: fault as Fault, options }];
}

function timesOf(times: string | number): NonNullable<FaultOptions["times"]> {
  if (times === "forever" || (typeof times === "number" && times >= 1)) return times;
  throw new InvalidArgumentError('The times are a number, 1 or more, or "forever".');
}

function member(text: string): [string, string | number] {
  const [name = "", ...value] = text.split("=");
  const joined = value.join("=");
  return [name, /^-?\d+(\.\d+)?$/.test(joined) ? Number(joined) : joined];
}

function targetOf(name: unknown): NonNullable<FaultOptions["target"]> {
  const target = faultTargets.find((each) => each === name);
  if (target) return target;
  throw new InvalidArgumentError(`The target is one of ${faultTargets.join(", ")}.`);
}
