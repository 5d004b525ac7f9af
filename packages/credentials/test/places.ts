import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import type { SurroundingsOptions } from "../src/index.ts";

/** A directory with files in it, gone when the test ends. */
export function directoryWith(files: Readonly<Record<string, string>> = {}): string {
  const directory = mkdtempSync(join(tmpdir(), "credentials-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return directory;
}

/** Surroundings with nothing in them but what is given: a test must not find what this machine has. */
export function surroundings(options: SurroundingsOptions = {}): Required<SurroundingsOptions> {
  return { env: {}, cwd: directoryWith(), home: directoryWith(), ...options };
}

/** What a function throws. */
export function thrownBy(run: () => unknown): Error & { code?: string; retryable?: boolean } {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("Nothing was thrown");
}

/** Runs something as a user who is not root, because root may read everything. */
export function asNobody<T>(run: () => T): T {
  if (process.geteuid?.() !== 0) return run();
  process.seteuid?.(65534);
  try {
    return run();
  } finally {
    process.seteuid?.(0);
  }
}
