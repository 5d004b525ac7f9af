#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { defaultServiceIdApiKey } from "./api-keys.ts";
import { type CommandLine, parseCommandLine } from "./command-line.ts";
import { EmulatorError } from "./emulator-error.ts";
import { type Listener, type RunningEmulator, startEmulator } from "./node-server.ts";
import { type Paint, paintFor, requestLine } from "./request-line.ts";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

async function main(): Promise<void> {
  const commandLine = parseCommandLine(process.argv.slice(2), String(version));
  const emulator = await startEmulator(commandLine.start);
  // Whatever listens already would keep the process alive.
  const metadata = await prepare(emulator, commandLine).catch(async (error: unknown) => {
    await emulator.close();
    throw error;
  });
  const paint = paintFor(process.stdout.isTTY, process.env);
  const print = (text: string) => process.stdout.write(`${text}\n`);
  // Whoever read our output has left.
  process.stdout.on("error", () => process.exit(0));
  const stop = () => void emulator.close();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);

  print(commandLine.quiet ? emulator.url : banner(emulator, commandLine, metadata?.url, paint));
  if (commandLine.quiet) return;
  emulator.onRequest(({ type, entry }) => {
    if (type === "ended") print(requestLine(entry, paint));
  });
}

/** Queues the faults, and opens the metadata service where that is wanted. */
async function prepare(
  emulator: RunningEmulator,
  { start: { host = "127.0.0.1" }, faults, metadataPort: port }: CommandLine,
): Promise<Listener | undefined> {
  for (const { fault, options } of faults) emulator.fault(fault, options);
  return port === undefined ? undefined : emulator.listen({ host, port, service: "metadata" });
}

function banner(
  { url, apiKey }: RunningEmulator,
  { start, faults }: CommandLine,
  metadataUrl: string | undefined,
  paint: Paint,
): string {
  const row = (name: string, value: string) => `  ${paint("dim", name.padEnd(10))} ${value}`;
  const lines = [
    "",
    `  ${paint("bold", "IAM emulator")} ${version}`,
    "",
    row("URL", paint("cyan", url)),
    row("API key", apiKey),
    ...(start.apiKeys ? [] : [row("", `${defaultServiceIdApiKey} ${paint("dim", "(a service ID's)")}`)]),
    row("tokens", `live ${start.expiresInS} s`),
    row("resource", `${url}/resource`),
    ...(metadataUrl === undefined ? [] : [row("metadata", metadataUrl)]),
    ...(start.control ? [row("control", `${url}/_emulator/state`)] : []),
    ...(faults.length > 0 ? [row("faults", faults.map(({ fault }) => fault.kind).join(", "))] : []),
    "",
    `  curl -s ${url}/identity/token \\`,
    "    -d grant_type=urn:ibm:params:oauth:grant-type:apikey \\",
    `    -d apikey=${shellQuoted(apiKey)}`,
    "",
  ];
  return lines.join("\n");
}

function shellQuoted(text: string): string {
  return /^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

main().catch((error: unknown) => {
  if (!(error instanceof EmulatorError)) throw error;
  process.stderr.write(`iam-emulator: ${error.message}\n`);
  process.exitCode = 1;
});
